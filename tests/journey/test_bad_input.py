"""Files that nobody should have made: each gets its score, or one line that says what, where, and what to do."""

import csv
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest
from arro3.core import Array, DataType, Field, Schema, Table
from arro3.io import write_parquet

Ended = subprocess.CompletedProcess[str]
Command = Callable[..., Ended]
Refused = Callable[..., None]

HEADER = "id,when,load,shifts,hot,line,maker"
GOOD = "a,2026-01-05T10:00,55.5,2,true,A,maker 1"
OTHER = "z,2026-01-06T11:00,44.25,1,false,B,maker 2"
PLAIN = f"{HEADER}\n{GOOD}\n{OTHER}\n"


def table(*rows: str) -> str:
    return "\n".join([HEADER, *rows, ""])


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory, device: Path, hakobu_run: Command) -> list[dict[str, str]]:
    """What the two good rows must give, whatever stands around them."""
    folder = tmp_path_factory.mktemp("plain")
    (folder / "in.csv").write_text(PLAIN)
    ended = hakobu_run("--state", device, "score", folder / "in.csv", "-o", folder / "out.csv")
    assert (ended.returncode, ended.stderr) == (0, "")
    rows = read(folder / "out.csv")
    assert [row["verdict"] for row in rows] == ["ok", "ok"]
    return rows


LATIN_1 = table(GOOD, OTHER).replace("maker 2", "møker").encode("latin-1")

REFUSED: dict[str, tuple[str, bytes, tuple[str, ...]]] = {
    "empty file": ("in.csv", b"", ("the file is empty", "its first line must name the columns")),
    "blank lines alone": ("in.csv", b"\n\r\n\n", ("the file is empty",)),
    "wrong delimiter": ("in.csv", PLAIN.replace(",", ";").encode(), ("the delimiter looks wrong", "';'")),
    "tabs": ("in.csv", PLAIN.replace(",", "\t").encode(), ("the delimiter looks wrong", r"'\t'")),
    "Latin-1 bytes": ("in.csv", LATIN_1, ("row ", "byte 0xF8", "not UTF-8", "latin-1")),
    "UTF-16 without its mark": ("in.csv", PLAIN.encode("utf-16-le"), ("NUL byte", "utf-16")),
    "duplicate column": ("in.csv", table(GOOD).replace("maker\n", "line\n").encode(), ("'maker' is missing",)),
    "column twice": ("in.csv", PLAIN.replace("\n", ",load\n").encode(), ("'load' stands 2 times", "rename")),
    "column missing": ("in.csv", PLAIN.replace("load", "lod").encode(), ("'load' is missing", "'lod'")),
    "spaces in the header": ("in.csv", PLAIN.replace(",", " , ").encode(), ("columns are missing", "' load '")),
    "quote never closed": ("in.csv", (PLAIN + '"b,').encode(), ("row 3", "never closed")),
    "quote never closed in the header": ("in.csv", f'"{PLAIN}'.encode(), ("header", "never closed")),
    "a sheet": ("in.csv", b"PK\x03\x04" + b"\0" * 99, ("Excel", "save the sheet as CSV")),
    "a sheet by its name": ("in.xlsx", b"PK\x03\x04" + b"\0" * 99, ("save the sheet as CSV",)),
    "gzip": ("in.csv", b"\x1f\x8b\x08" + b"\0" * 99, ("gzip", "unpack it")),
    "no ending": ("in", PLAIN.encode(), ("--format",)),
    "no Parquet": ("in.parquet", b"PAR1" + b"x" * 99, ("Parquet",)),
    "no objects": ("in.jsonl", b"[1]\nnull\n", ("no line holds a JSON object",)),
    "JSON, but not a line each": ("in.jsonl", b'{\n"a": 1\n}\n', ("no line holds a JSON object",)),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_that_cannot_be_read_is_refused_in_one_line(
    case: str, device: Path, hakobu_run: Command, refused: Refused, tmp_path: Path
) -> None:
    name, content, words = REFUSED[case]
    source, target = tmp_path / name, tmp_path / "out.csv"
    source.write_bytes(content)
    ended = hakobu_run("--state", device, "score", source, "-o", target)
    refused(ended, 6, source, *words)
    assert not target.exists()


READ_ALL_THE_SAME: dict[str, tuple[str, bytes, tuple[str, ...]]] = {
    "BOM": ("in.csv", b"\xef\xbb\xbf" + PLAIN.encode(), ()),
    "CRLF": ("in.csv", PLAIN.replace("\n", "\r\n").encode(), ()),
    "CR": ("in.csv", PLAIN.replace("\n", "\r").encode(), ()),
    "UTF-16": ("in.csv", PLAIN.encode("utf-16"), ()),
    "no last line end": ("in.csv", PLAIN.rstrip("\n").encode(), ()),
    "blank lines": ("in.csv", PLAIN.replace("\n", "\n\n").encode(), ()),
    "semicolons": ("in.csv", PLAIN.replace(",", ";").encode(), ("--delimiter", ";")),
    "everything quoted": (
        "in.csv",
        '"{}"\n'.format(PLAIN.strip().replace(",", '","').replace("\n", '"\n"')).encode(),
        (),
    ),
    "an ending in capitals": ("IN.CSV", PLAIN.encode(), ()),
    "other columns in another order": (
        "in.csv",
        "\n".join(",".join(["🚀", *reversed(line.split(","))]) for line in PLAIN.splitlines()).encode(),
        (),
    ),
    "JSON lines": (
        "in.jsonl",
        "\n".join(json.dumps(row) for row in csv.DictReader(PLAIN.splitlines())).encode(),
        (),
    ),
}


@pytest.mark.parametrize("case", READ_ALL_THE_SAME)
def test_a_file_in_another_dress_scores_the_same(
    case: str, device: Path, hakobu_run: Command, expected: list[dict[str, str]], tmp_path: Path
) -> None:
    name, content, flags = READ_ALL_THE_SAME[case]
    (tmp_path / name).write_bytes(content)
    ended = hakobu_run("--state", device, "score", tmp_path / name, "-o", tmp_path / "out.csv", *flags)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert read(tmp_path / "out.csv") == expected
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, "out.csv"])


def test_a_header_alone_gives_a_header_alone(device: Path, hakobu_run: Command, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text(HEADER + "\n")
    ended = hakobu_run("--state", device, "score", tmp_path / "in.csv", "-o", tmp_path / "out.csv")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert (tmp_path / "out.csv").read_text() == "id,prediction,p_no,p_yes,verdict,reasons\n"


BAD_ROWS = {
    "b,2026-01-05T10:00,55.5": ("rejected", "row has 3 fields, the header has 7"),
    GOOD + ",more": ("rejected", "row has 8 fields, the header has 7"),
    'c,2026-01-05T10:00,"55,5",2,true,A,maker 1': ("warned", "'55,5' is not a number; write it without commas"),
    "d,2026-01-05T10:00,inf,2,true,A,maker 1": ("warned", "load = inf is not a finite number"),
    "e,2026-01-05T10:00,-1e999,2,true,A,maker 1": ("warned", "load = -inf is not a finite number"),
    "f,2026-01-05T10:00,2026-01-05,2,true,A,maker 1": ("warned", "'2026-01-05' is not a number"),
    "g,2026-01-05T10:00,٥٥,2,true,A,maker 1": ("warned", "'٥٥' is not a number"),
    "h,2026-01-05T10:00,55.5,2.5,true,A,maker 1": ("warned", "shifts = 2.5 is not a whole number"),
    f"i,2026-01-05T10:00,55.5,{9**40},true,A,maker 1": ("clipped", "is above 3, the highest seen in training"),
    "j,2026-01-05T10:00,55.5,2,perhaps,A,maker 1": ("warned", "'perhaps' is not true or false"),
    "k,2026-01-05T10:00,55.5,2,true,箱,maker 1": ("rejected", "'箱' is not one of the 3 categories"),
    "l,31.12.2026,55.5,2,true,A,maker 1": ("warned", "'31.12.2026' is not a date like 2026-12-31"),
    "m,2026-01-05T10:00,55.5,2,true,A,\x1b[31m\x07": ("warned", "maker = '�[31m�'"),
    f"n,2026-01-05T10:00,{'9' * 10_000_000},2,true,A,maker 1": ("warned", "load = inf is not a finite number"),
    f"o,2026-01-05T10:00,55.5,2,true,A,{'x' * 10_000_000}": ("warned", "xxx…' is not one of the 4 categories"),
    ",,,,,,": ("rejected", "line is missing"),
}


def test_a_bad_cell_costs_its_own_row_at_most(
    device: Path, hakobu_run: Command, expected: list[dict[str, str]], tmp_path: Path
) -> None:
    (tmp_path / "in.csv").write_text(table(GOOD, *BAD_ROWS, OTHER))
    ended = hakobu_run("--state", device, "score", tmp_path / "in.csv", "-o", tmp_path / "out.csv")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "\x1b" not in ended.stdout
    rows = read(tmp_path / "out.csv")
    assert [rows[0], rows[-1]] == expected
    for row, (text, (verdict, reason)) in zip(islice(rows, 1, None), BAD_ROWS.items(), strict=False):
        assert row["verdict"] == verdict, (text[:60], row)
        assert reason in row["reasons"], (text[:60], row)
        assert len(row["reasons"]) < 700
        assert bool(row["prediction"]) == (verdict != "rejected")


def test_three_time_zones_lie_in_three_hours_of_the_same_clock(
    own_device: Path, hakobu_run: Command, tmp_path: Path
) -> None:
    zones = ["2026-01-05T10:00Z", "2026-01-05 10:00+09:00", "2026-01-05T10:00-05:00"]
    times = [*zones, "0001-01-01T00:00+14:00", "9999-12-31T23:00-12:00"]  # in UTC, the last two leave the calendar
    (tmp_path / "in.csv").write_text(table(*(GOOD.replace("2026-01-05T10:00", time) for time in times)))
    ended = hakobu_run("--state", own_device, "score", tmp_path / "in.csv", "-o", tmp_path / "out.csv")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert len({row["p_yes"] for row in read(tmp_path / "out.csv")[:3]}) == 1
    assert json.loads(hakobu_run("--state", own_device, "status", "--json").stdout)["counted"][0]["rows"] == 5


def test_nested_and_broken_json_lines_cost_their_own_rows(
    device: Path, hakobu_run: Command, expected: list[dict[str, str]], tmp_path: Path
) -> None:
    good, other = (json.dumps(row) for row in csv.DictReader(PLAIN.splitlines()))
    odd = ['{"id": "b", "load": {"kg": 5}, "line": ["A"], "maker": "\\ud800", "hot": 1e999}', "[]", "oops", "{}"]
    deep, long = "[" * 100_000, '{"load": ' + "9" * 10_000 + "}"
    (tmp_path / "in.jsonl").write_text("\n".join([good, *odd, deep, long, other]))
    ended = hakobu_run("--state", device, "score", tmp_path / "in.jsonl", "-o", tmp_path / "out.csv")
    assert (ended.returncode, ended.stderr) == (0, "")
    rows = read(tmp_path / "out.csv")
    assert [rows[0], rows[-1]] == expected
    assert [row["verdict"] for row in rows[1:-1]] == ["rejected"] * 6
    assert "not an object" in rows[2]["reasons"]


def test_parquet_with_nulls_and_large_integers_scores(device: Path, hakobu_run: Command, tmp_path: Path) -> None:
    columns: dict[str, tuple[DataType, list[object]]] = {
        "id": (DataType.int64(), [2**63 - 1, None]),
        "when": (DataType.utf8(), ["2026-01-05T10:00", None]),
        "load": (DataType.float64(), [55.5, None]),
        "shifts": (DataType.int64(), [2**62, 2]),
        "hot": (DataType.bool(), [None, True]),
        "line": (DataType.utf8(), ["A", "B"]),
        "maker": (DataType.utf8(), [None, ""]),
    }
    schema = Schema([Field(name, kind, nullable=True) for name, (kind, _) in columns.items()])
    arrays = [Array(cells, type=kind) for kind, cells in columns.values()]
    write_parquet(Table.from_arrays(arrays, schema=schema), tmp_path / "in.parquet")
    ended = hakobu_run("--state", device, "score", tmp_path / "in.parquet", "-o", tmp_path / "out.csv")
    assert (ended.returncode, ended.stderr) == (0, "")
    rows = read(tmp_path / "out.csv")
    assert rows[0]["id"] == str(2**63 - 1)
    assert [row["verdict"] for row in rows] == ["clipped", "warned"]


def test_strict_writes_every_row_and_then_ends_with_6(
    device: Path, hakobu_run: Command, expected: list[dict[str, str]], tmp_path: Path
) -> None:
    (tmp_path / "in.csv").write_text(table(GOOD, *list(BAD_ROWS)[:2], OTHER))
    ended = hakobu_run("--state", device, "score", "--strict", tmp_path / "in.csv", "-o", tmp_path / "out.csv")
    assert ended.returncode == 6
    assert "2 rows broke a rule" in ended.stderr
    rows = read(tmp_path / "out.csv")
    assert [rows[0], rows[-1]] == expected


def test_the_input_may_be_a_link_or_a_pipe(
    device: Path, hakobu_run: Command, expected: list[dict[str, str]], tmp_path: Path
) -> None:
    (tmp_path / "in.csv").write_text(PLAIN)
    (tmp_path / "link.csv").symlink_to(tmp_path / "in.csv")
    os.mkfifo(tmp_path / "pipe.csv")
    writer = threading.Thread(target=(tmp_path / "pipe.csv").write_text, args=(PLAIN,))
    writer.start()
    for name in ("link.csv", "pipe.csv"):
        ended = hakobu_run("--state", device, "score", tmp_path / name, "-o", tmp_path / "out.csv")
        assert (ended.returncode, ended.stderr) == (0, ""), name
        assert read(tmp_path / "out.csv") == expected
    writer.join()


@pytest.mark.parametrize(
    ("source", "target", "words"),
    [
        (".", "out.csv", "is no folder; several inputs need one"),
        ("im.csv", "out.csv", "no such file; the nearest there: in.csv"),
        ("none/in.csv", "out.csv", "there is no folder"),
        ("in.csv/in.csv", "out.csv", "in.csv/in.csv"),
        ("in.csv", ".", "is the input itself"),
        ("in.csv", "in.csv", "is the input itself"),
        ("in.csv", "./none/../in.csv", "make it first"),
        ("in.csv", "none/out.csv", "make it first"),
        ("in.csv", "in.csv/out.csv", "in.csv"),
        ("in.csv", "out.xlsx", "must end in .csv, .jsonl or .parquet"),
        ("in.csv", "out", "must end in .csv, .jsonl or .parquet"),
        ("in.csv", "/proc/out.csv", "/proc/out.csv"),
        ("in.csv", f"{'x' * 300}.csv", "File name too long"),
        ("in.csv", "taken.csv", "cannot be written"),
    ],
)
def test_a_path_that_makes_no_sense_is_refused(
    source: str, target: str, words: str, device: Path, hakobu_run: Command, refused: Refused, tmp_path: Path
) -> None:
    (tmp_path / "in.csv").write_text(PLAIN)
    (tmp_path / "taken.csv.partial").mkdir()
    before = sorted(tmp_path.rglob("*"))
    ended = hakobu_run("--state", device, "score", tmp_path / source, "-o", tmp_path / target)
    refused(ended, 6, words)
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "in.csv").read_text() == PLAIN


def test_names_with_spaces_emoji_and_bytes_that_are_no_text(device: Path, hakobu_run: Command, tmp_path: Path) -> None:
    state = shutil.copytree(device, tmp_path / "状態 フォルダ 🚚")
    for name in ("my table.csv", "表🚚.csv", os.fsdecode(b"caf\xe9.csv")):
        (tmp_path / name).write_text(PLAIN)
        source, target = os.fsencode(tmp_path / name), os.fsencode(tmp_path / f"out {name}")
        for flags in ((), ("--json",)):
            ended = hakobu_run("--state", state, "score", source, "-o", target, *flags)
            assert (ended.returncode, ended.stderr) == (0, ""), name
            assert json.loads(ended.stdout)["rows"] == 2 if flags else "2 rows" in ended.stdout
    other = shutil.copytree(device, tmp_path / os.fsdecode(b"\xe9tat"))
    assert json.loads(hakobu_run("--state", os.fsencode(other), "status", "--json").stdout)["active"]


FULL_DISK = """
mount -t tmpfs -o size=256k none "$1" || exit 77
"$2" -m hakobu_runtime --state "$3" score "$4" -o "$1/out.csv" >"$5.out" 2>"$5.err"
echo $? >"$5.code"
ls -A "$1" >"$5.files"
mount -o remount,size=64m "$1"
"$2" -m hakobu_runtime --state "$3" score "$4" -o "$1/out.csv" --json >"$5.again" 2>&1 && cp "$1/out.csv" "$5.csv"
"""


def full_disk(script: str, *words: object) -> None:
    """Run `script` in a mount namespace of its own, or skip."""
    command = ["unshare", "-m", "sh", "-c", script, "sh", *map(str, words)]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
    except FileNotFoundError:
        pytest.skip("there is no unshare here")
    if ended.returncode in (1, 77) and ("unshare" in ended.stderr or "mount" in ended.stderr):
        pytest.skip(f"no file system can be mounted here: {ended.stderr.strip()}")


def test_a_full_disk_is_told_and_the_same_command_goes_on(
    own_device: Path, device: Path, hakobu_run: Command, tmp_path: Path
) -> None:
    source, disk, report = tmp_path / "in.csv", tmp_path / "disk", tmp_path / "report"
    disk.mkdir()
    source.write_text(table(*(GOOD, OTHER) * 15_000))
    hakobu_run("--state", device, "score", source, "-o", tmp_path / "whole.csv")
    full_disk(FULL_DISK, disk, sys.executable, own_device, source, report)
    words = report.with_suffix(".err").read_text()
    assert report.with_suffix(".code").read_text() == "6\n", words
    assert len(words.splitlines()) == 1
    assert f"{disk}/out.csv: cannot be written: No space left on device" in words
    assert "out.csv\n" not in report.with_suffix(".files").read_text().splitlines(keepends=True)
    assert json.loads(report.with_suffix(".again").read_text())["rows"] == 30_000
    assert report.with_suffix(".csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    counted = json.loads(hakobu_run("--state", own_device, "status", "--json").stdout)["counted"]
    assert sum(found["rows"] for found in counted) == 30_000


FULL_STATE = """
mount -t tmpfs -o size=300k none "$1" && cp -r "$3/." "$1" || exit 77
head -c 1m /dev/zero >"$1/filler" 2>/dev/null
"$2" -m hakobu_runtime --state "$1" score "$4" -o "$5.csv" >"$5.out" 2>"$5.err"
echo $? >"$5.code"
"""


def test_a_full_disk_under_the_state_folder_is_told(device: Path, tmp_path: Path) -> None:
    source, disk, report = tmp_path / "in.csv", tmp_path / "disk", tmp_path / "report"
    disk.mkdir()
    source.write_text(PLAIN)
    full_disk(FULL_STATE, disk, sys.executable, device, source, report)
    words = report.with_suffix(".err").read_text()
    assert report.with_suffix(".code").read_text() == "8\n", words
    assert len(words.splitlines()) == 1
    assert str(disk) in words
    assert not report.with_suffix(".csv").exists()
