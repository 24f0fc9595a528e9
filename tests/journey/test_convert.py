import json
import pickle
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import onnxruntime
import pandas as pd
import pytest
import skops.io
from sklearn.ensemble import RandomForestClassifier
from sklearn.neighbors import RadiusNeighborsClassifier

Ended = CompletedProcess[str]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fitted forest, as a pickle and as skops, one that cannot travel, and a sample."""
    path = tmp_path_factory.mktemp("models")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=300).round(3), "b": rng.integers(0, 9, 300)})
    y = np.where(frame["a"] + frame["b"] / 9 > 0.5, "good", "bad")
    forest = RandomForestClassifier(15, random_state=0).fit(frame, y)
    frame.to_csv(path / "rows.csv", index=False)
    frame.assign(right=forest.predict(frame)).to_csv(path / "told.csv", index=False)
    lines = (path / "rows.csv").read_text().splitlines()
    for name, cell in (("endless.csv", "1e400"), ("typed.csv", "oops")):
        (path / name).write_text("\n".join([*lines[:5], f"{cell},3", *lines[6:]]))
    (path / "semicolons.csv").write_text("\n".join(lines).replace(",", ";"))
    (path / "forest.pkl").write_bytes(pickle.dumps(forest))
    skops.io.dump(forest, path / "forest.skops")
    (path / "callable.pkl").write_bytes(
        pickle.dumps(RadiusNeighborsClassifier(radius=9, weights=np.sqrt).fit(frame, y))
    )
    return path


def test_a_model_travels_and_its_proof_is_told(hakobu: Callable[..., Ended], folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "model.onnx"
    ended = hakobu("convert", folder / "forest.skops", "--sample", folder / "rows.csv", "-o", out, "--json")
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert told["status"] in ("exact", "match")
    assert (told["rows"], told["edge_rows"], told["labels_changed"]) == (300, 5000, 0)
    assert told["max_absolute"] < 1e-5
    assert told["numbers"] == ["a", "b"]
    assert (told["reason"], told["remedy"]) == (None, None)
    session = onnxruntime.InferenceSession(out, providers=["CPUExecutionProvider"])
    rows = pd.read_csv(folder / "rows.csv").to_numpy(np.float32 if told["dtype"] == "float32" else np.float64)
    right = pd.read_csv(folder / "told.csv")["right"]
    assert session.run(["label"], {"numbers": rows})[0].tolist() == right.tolist()


def test_the_same_model_gives_the_same_bytes(hakobu: Callable[..., Ended], folder: Path, tmp_path: Path) -> None:
    outs = [tmp_path / "1.onnx", tmp_path / "2.onnx"]
    for seed, out in enumerate(outs):
        ended = hakobu(
            "convert", folder / "forest.skops", "--sample", folder / "rows.csv", "-o", out,
            env={"PYTHONHASHSEED": str(seed)},
        )  # fmt: skip
        assert ended.returncode == 0, ended.stderr
        assert "compared: 300 rows of the sample, 5,000 rows made to be hard" in ended.stdout
    assert outs[0].read_bytes() == outs[1].read_bytes()
    assert str(folder).encode() not in outs[0].read_bytes()


def test_a_pickle_needs_trust(hakobu: Callable[..., Ended], folder: Path) -> None:
    words = ("convert", folder / "forest.pkl", "--sample", folder / "rows.csv")
    ended = hakobu(*words)
    assert ended.returncode == 6
    assert "--trust-pickle" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert hakobu(*words, "--trust-pickle").returncode == 0


def test_a_refused_model_writes_nothing_and_says_why(
    hakobu: Callable[..., Ended], folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "model.onnx"
    words = ("convert", folder / "callable.pkl", "--trust-pickle", "--sample", folder / "rows.csv", "-o", out)
    ended = hakobu(*words, "--json")
    assert ended.returncode == 3, ended.stderr
    told = json.loads(ended.stdout)
    assert told["status"] == "refused"
    assert told["reason"]
    assert told["remedy"]
    assert told["path"] is None
    assert not out.exists()
    assert "Nothing was written" in hakobu(*words).stdout


def test_a_bare_onnx_model_is_not_proven_until_it_is_told_what_is_right(
    hakobu: Callable[..., Ended], folder: Path, tmp_path: Path
) -> None:
    bare, out = tmp_path / "bare.onnx", tmp_path / "out.onnx"
    assert hakobu("convert", folder / "forest.skops", "--sample", folder / "rows.csv", "-o", bare).returncode == 0
    ended = hakobu("convert", bare, "--sample", folder / "rows.csv", "-o", out, "--json")
    assert json.loads(ended.stdout)["status"] == "not proven", ended.stderr
    ended = hakobu("convert", bare, "--sample", folder / "told.csv", "--expected", "right", "-o", out, "--json")
    told = json.loads(ended.stdout)
    assert (told["status"], told["rows"], told["labels_changed"]) == ("exact", 300, 0)


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("nothing.skops", "--sample", "rows.csv"), 6, "nothing.skops"),
        (("forest.skops", "--sample", "nothing.csv"), 6, "nothing.csv"),
        (("rows.csv", "--sample", "rows.csv"), 6, "rows.csv"),
        (("forest.skops", "--sample", "forest.pkl"), 6, "forest.pkl"),
        (("forest.skops", "--sample", "told.csv", "--text", "wright"), 6, "did you mean 'right'?"),
        (("forest.skops", "--sample", "endless.csv"), 6, "row 5, column 'a': '1e400' is not finite"),
        (("forest.skops", "--sample", "typed.csv"), 6, "row 5, column 'a': 'oops' is not a number"),
        (("forest.skops", "--sample", "semicolons.csv"), 6, "say --delimiter ';'"),
        (("forest.skops", "--sample", "told.csv", "--expected", "right"), 2, "leave --expected out"),
        (("forest.skops", "--sample", "rows.csv", "--task", "regression"), 2, "the model is a classification"),
        (
            ("forest.skops", "--sample", "rows.csv", "--classes", "good,bad"),
            2,
            "by itself: bad, good",
        ),
        (("forest.skops", "--sample", "rows.csv", "--classes", "good,good"), 2, "each once"),
        (("forest.skops", "--sample", "rows.csv", "--time-limit", "nan"), 2, "the limit of nan seconds"),
        (("forest.skops", "--sample", "rows.csv", "-o", "."), 2, "name the file in it: -o forest.onnx"),
        (("forest.skops", "--sample", "rows.csv", "-o", "rows.csv"), 2, "is the sample itself"),
        (("forest.skops", "--sample", "rows.csv", "--relative", "2"), 2, "tolerance"),
        (
            ("forest.skops", "--sample", "rows.csv", "-o", "no/such/folder/m.onnx"),
            6,
            "no/such/folder is not there",
        ),
    ],
)
def test_bad_input_is_refused_in_words(
    hakobu: Callable[..., Ended], folder: Path, words: tuple[str, ...], code: int, told: str
) -> None:
    known = {path.name for path in folder.iterdir()} | {"nothing.skops", "nothing.csv"}
    ended = hakobu("convert", *(folder / word if word in known else word for word in words))
    assert ended.returncode == code, ended.stderr
    assert told in ended.stderr
    assert "Traceback" not in ended.stderr
