"""A project with a mistake in it: a build says which, writes nothing, and ends with the code that the mistake has."""

import csv
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from hakobu_runtime.trust import PrivateKey

Ended = subprocess.CompletedProcess[str]
Command = Callable[..., Ended]
Refused = Callable[..., None]
Rows = list[dict[str, str]]

SECRET = {"HAKOBU_KEY_PASSPHRASE": "open sesame"}


@pytest.fixture
def own_project(project: Path, release_key: PrivateKey, tmp_path: Path) -> Path:
    """A copy of the sound project, with an encrypted key and nothing built."""
    folder = Path(shutil.copytree(project, tmp_path / "project", ignore=shutil.ignore_patterns("dist", "keys")))
    (folder / "keys").mkdir()
    (folder / "keys" / "release.pem").write_bytes(release_key.to_pem(b"open sesame"))
    return folder


def change_rows(folder: Path, change: Callable[[Rows], Rows]) -> None:
    path = folder / "data.csv"
    with path.open(newline="") as file:
        rows = change(list(csv.DictReader(file)))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def each(**cells: Callable[[int, str], str]) -> Callable[[Rows], Rows]:
    """Change cells by their column: a function of the row, from 0, and of what the cell holds."""
    return lambda rows: [
        {name: cells[name](place, cell) if name in cells else cell for name, cell in row.items()}
        for place, row in enumerate(rows)
    ]


GATED: Mapping[str, tuple[Callable[[Rows], Rows], tuple[str, ...]]] = {
    "one class": (each(broke=lambda row, cell: "yes"), ("'broke' is 'yes' in every row",)),
    "a class of three": (each(broke=lambda row, cell: "odd" if row < 3 else cell), ("class 'odd'", "3 rows")),
    "all missing": (each(load=lambda row, cell: ""), ("leave 'load' out of [features]",)),
    "constant": (each(line=lambda row, cell: "A"), ("leave line out of [features]",)),
    "numbers with a comma": (each(load=lambda row, cell: cell.replace(".", ",")), ("row 2: load = '", "not a number")),
    "inf": (each(load=lambda row, cell: "inf" if row == 5 else cell), ("row 6: load = 'inf' is not finite",)),
    "dates for numbers": (each(load=lambda row, cell: "2026-01-01"), ("row 1: load = '2026-01-01'", "not a number")),
    "a time that is none": (
        each(when=lambda row, cell: "soon" if row == 7 else cell),
        ("column 'when'", "time_format"),
    ),
    "too few rows": (lambda rows: rows[:30], ("at least 50 rows",)),
    "a row number after rows without target": (
        each(broke=lambda row, cell: "" if row < 4 else cell, shifts=lambda row, cell: "x" if row == 9 else cell),
        ("row 10: shifts = 'x' is not a number",),
    ),
    "a hold-out of one class": (each(broke=lambda row, cell: "no" if row > 900 else cell), ("cannot be computed",)),
    "training rows of one class": (each(broke=lambda row, cell: "yes" if row > 1000 else "no"), ()),
}


@pytest.mark.parametrize("case", GATED)
def test_data_that_no_model_should_learn_from_ends_with_3(case: str, own_project: Path, hakobu: Command) -> None:
    change, words = GATED[case]
    change_rows(own_project, change)
    ended = hakobu("build", own_project, env=SECRET)
    assert (ended.returncode, ended.stderr) == (3, ""), ended.stderr
    assert "nothing was written" in ended.stdout
    for word in words:
        assert word in ended.stdout
    assert not (own_project / "dist").exists()


def test_a_ragged_row_of_training_data_is_told(own_project: Path, hakobu: Command) -> None:
    with (own_project / "data.csv").open("a") as file:
        file.write("1,2,3\n")
    ended = hakobu("build", own_project, env=SECRET)
    assert ended.returncode == 3
    assert "row 1201: row has 3 fields, the header has 8" in ended.stdout


def encoded(change: Callable[[str], str], encoding: str = "utf-8") -> Callable[[bytes], bytes]:
    return lambda content: change(content.decode()).encode(encoding)


UNREADABLE: Mapping[str, tuple[Callable[[bytes], bytes], tuple[str, ...]]] = {
    "empty": (lambda content: b"", ("the file is empty",)),
    "header only": (lambda content: content.split(b"\n")[0] + b"\n", ("only a header",)),
    "wrong delimiter": (encoded(lambda text: text.replace(",", ";")), ("the delimiter looks wrong", "';'")),
    "Latin-1": (encoded(lambda text: text.replace("maker 1", "møker"), "latin-1"), ("not UTF-8",)),
    "no target column": (encoded(lambda text: text.replace("broke", "brok")), ("'broke' is missing", "'brok'")),
    "no target at all": (
        encoded(lambda text: text.replace(",yes\n", ",\n").replace(",no\n", ",\n")),
        ("'broke'", "is empty in every row"),
    ),
    "duplicate column": (encoded(lambda text: text.replace("id,", "load,", 1)), ("'id' is missing",)),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_data_that_cannot_be_read_ends_with_6(case: str, own_project: Path, hakobu: Command, refused: Refused) -> None:
    change, words = UNREADABLE[case]
    path = own_project / "data.csv"
    path.write_bytes(change(path.read_bytes()))
    refused(hakobu("build", own_project, env=SECRET), 6, path, *words)
    assert not (own_project / "dist").exists()


def toml(old: str, new: str) -> Callable[[str], str]:
    return lambda text: text.replace(old, new, 1)


MISTYPED: Mapping[str, tuple[Callable[[str], str | bytes], int, tuple[str, ...]]] = {
    "a key": (toml("unit =", "unti ="), 9, ("'features.load.unti'", "did you mean 'unit'?")),
    "a table": (toml("[data]", "[dat]"), 9, ("'dat'", "did you mean 'data'?")),
    "a task": (toml('"classification"', '"clasification"'), 9, ("did you mean 'classification'?",)),
    "a policy": (toml('"reject"', '"rejct"'), 9, ("features.line.policy", "did you mean 'reject'?")),
    "a part": (toml('["hour"]', '["hours"]'), 9, ("features.when.parts", "did you mean 'hour'?")),
    "a kind": (toml('"integer"', '"whole"'), 9, ("features.shifts.kind", "number, integer, boolean")),
    "the syntax": (toml("[data]", "[data"), 9, ("not valid TOML", "line 6")),
    "the encoding": (lambda text: text.replace('"kg"', '"µg"').encode("latin-1"), 9, ("not in UTF-8",)),
    "nothing in it": (lambda text: "", 9, ("lacks the key `model`",)),
    "features that are none": (lambda text: "features = 3\n" + text.split("[features")[0], 9, ("[features]",)),
    "a list of features": (lambda text: text.split("[features")[0] + "[[features]]\n", 9, ("[features]",)),
    "an empty range": (toml('unit = "kg"', "range = [2, 1]"), 9, ("[features.load]", "is empty")),
    "a range of nothing": (toml('unit = "kg"', "range = [nan, 1]"), 9, ("[features.load]", "is empty")),
    "a metric": (toml("[features", '[gates.metrics]\nroc_acu = ">= 0.5"\n\n[features'), 9, ("'roc_acu'", "roc_auc")),
    "a rule": (toml("[features", '[gates.metrics]\nroc_auc = "> 0.5"\n\n[features'), 9, ("must be written like",)),
    "a column": (toml("[features.load]", "[features.laod]"), 6, ("'laod' is missing", "'load'")),
    "a data file": (toml('"data.csv"', '"daat.csv"'), 6, ("daat.csv: there is no such file", "data.csv")),
    "a data folder": (toml('"data.csv"', '"."'), 6, ("is a folder",)),
    "a pipeline": (toml("[data]", 'pipeline = "pipe:build"\n[data]'), 9, ("pipe.py: not found",)),
    "a function": (toml("[data]", 'pipeline = "pipeline:bild"\n[data]'), 9, ("no function 'bild'",)),
    "a task for text": (toml('"classification"', '"regression"'), 6, ("row 1: the target 'broke'", "not a number")),
}


@pytest.mark.parametrize("case", MISTYPED)
def test_a_mistake_in_hakobu_toml_is_named(case: str, own_project: Path, hakobu: Command, refused: Refused) -> None:
    change, code, words = MISTYPED[case]
    path = own_project / "hakobu.toml"
    changed = change(path.read_text())
    path.write_bytes(changed if isinstance(changed, bytes) else changed.encode())
    refused(hakobu("build", own_project, env=SECRET), code, *words)
    assert not (own_project / "dist").exists()


PIPELINES = {
    "syntax": ("def build(:\n", "SyntaxError: invalid syntax (pipeline.py, line 1)"),
    "raises": ("def build():\n    raise ValueError('nö')\n", "ValueError: nö (pipeline.py, line 2)"),
    "exits": ("import sys\nsys.exit()\n", "SystemExit"),
    "no module": ("import nosuch\n", "No module named 'nosuch' (pipeline.py, line 1)"),
    "nothing": ("def build():\n    pass\n", "returned NoneType"),
    "a class": (
        "from sklearn.dummy import DummyClassifier as D\ndef build():\n    return D\n",
        "return DummyClassifier()",
    ),
    "no text": (
        "from sklearn.tree import DecisionTreeClassifier as T\ndef build():\n    return T()\n",
        "could not convert string to float",
    ),
}


@pytest.mark.parametrize("case", PIPELINES)
def test_a_pipeline_that_does_not_work_ends_with_9(
    case: str, own_project: Path, hakobu: Command, refused: Refused
) -> None:
    source, words = PIPELINES[case]
    (own_project / "pipeline.py").write_text(source)
    refused(hakobu("build", own_project, env=SECRET), 9, "pipeline", words)
    assert not (own_project / "dist").exists()


def test_what_a_pipeline_prints_does_not_spoil_the_json(own_project: Path, hakobu: Command) -> None:
    source = (own_project / "pipeline.py").read_text()
    (own_project / "pipeline.py").write_text(f"print('hello')\n{source}")
    mark, text = "\N{BYTE ORDER MARK}", (own_project / "hakobu.toml").read_text()
    (own_project / "hakobu.toml").write_text(mark + text.replace("\n", "\r\n"), newline="")
    ended = hakobu("build", own_project, "--json", env=SECRET)
    assert (ended.returncode, ended.stderr) == (0, "hello\n")
    assert json.loads(ended.stdout)["passed"]


def test_groups_that_cannot_be_split_end_with_9(own_project: Path, hakobu: Command, refused: Refused) -> None:
    path = own_project / "hakobu.toml"
    path.write_text(path.read_text().replace('time = "when"\nid = ["id"]', 'group = "id"'))
    change_rows(own_project, each(id=lambda row, cell: "all the same"))
    refused(hakobu("build", own_project, env=SECRET), 9, "whole groups of 'id'", "bring more")


def test_a_key_that_does_not_open_ends_with_5(own_project: Path, hakobu: Command, refused: Refused) -> None:
    key = own_project / "keys" / "release.pem"
    refused(hakobu("build", own_project), 5, key, "set HAKOBU_KEY_PASSPHRASE")
    refused(hakobu("build", own_project, env={"HAKOBU_KEY_PASSPHRASE": ""}), 5, key, "set HAKOBU_KEY_PASSPHRASE")
    wrong = hakobu("build", own_project, env={"HAKOBU_KEY_PASSPHRASE": "hunter2"})
    refused(wrong, 5, key, "the passphrase is wrong")
    assert "hunter2" not in wrong.stderr
    key.write_text("no key")
    refused(hakobu("build", own_project, env=SECRET), 5, key, "no key in PKCS 8 PEM")
    key.unlink()
    refused(hakobu("build", own_project, env=SECRET), 5, key, "hakobu keys new")
    assert not (own_project / "dist").exists()


def test_a_new_key_needs_a_passphrase_and_a_free_place(
    own_project: Path, hakobu: Command, refused: Refused, tmp_path: Path
) -> None:
    refused(hakobu("keys", "new", tmp_path / "p"), 2, "HAKOBU_KEY_PASSPHRASE", "--no-passphrase")
    assert not (tmp_path / "p").exists()
    before = (own_project / "keys" / "release.pem").read_bytes()
    refused(hakobu("keys", "new", own_project, env=SECRET), 9, "a key is there already")
    assert (own_project / "keys" / "release.pem").read_bytes() == before
    refused(hakobu("keys", "new", own_project / "data.csv", env=SECRET), 9, "data.csv/keys", "cannot be written")


def test_a_folder_without_a_project_ends_with_9(hakobu: Command, refused: Refused, tmp_path: Path) -> None:
    refused(hakobu("build", tmp_path), 9, tmp_path / "hakobu.toml", "hakobu new")
    refused(hakobu("build", tmp_path / "none"), 9, "none", "hakobu new")


def test_a_place_where_nothing_can_be_written_ends_with_9(own_project: Path, hakobu: Command, refused: Refused) -> None:
    (own_project / "dist").touch()
    refused(hakobu("build", own_project, env=SECRET), 9, own_project / "dist", "cannot be written")


@pytest.mark.parametrize("words", [["biuld"], ["build", "--frobnicate"], ["keys"], ["keys", "new", "--curve", "P-1"]])
def test_a_command_that_does_not_exist_ends_with_2(words: list[str], hakobu: Command) -> None:
    ended = hakobu(*words)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "Traceback" not in ended.stderr


def test_ctrl_c_during_build_writes_nothing_and_the_next_build_goes_through(own_project: Path, hakobu: Command) -> None:
    source, reached = (own_project / "pipeline.py").read_text(), own_project / "reached"
    stall = f"import pathlib, time\npathlib.Path({str(reached)!r}).touch()\ntime.sleep(50)\n"
    (own_project / "pipeline.py").write_text(stall)
    (own_project / "keys" / "release.pem").write_bytes(PrivateKey.generate().to_pem(None))
    command = [sys.executable, "-m", "hakobu", "build", str(own_project)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not reached.exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode in (130, -signal.SIGINT)
    assert (out, err.split()) == ("", ["hakobu:", "error:", "interrupted"])
    assert not (own_project / "dist").exists()
    (own_project / "pipeline.py").write_text(source)
    assert hakobu("build", own_project).returncode == 0
    written = sorted(path.name for path in (own_project / "dist").iterdir())
    assert written == ["machines-1.2.3.hako", "machines-1.2.3.html"]
