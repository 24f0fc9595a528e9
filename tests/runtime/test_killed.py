"""Real processes, killed with SIGKILL at random moments: the same bytes, and each row counted once."""

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from hakobu_runtime.bundle import Bundle
from hakobu_runtime.format.tally import ModelName
from hakobu_runtime.journal import Journal

HERE = Path(__file__).parent
ROWS = 900


def table(rows: int) -> str:
    lines = ["id,when,load,shifts,hot,line,maker"]
    for row in range(rows):
        line = "Z" if row % 101 == 0 else "ABC"[row % 3]
        lines.append(f"{row:05d},2026-01-{1 + row % 3:02d}T00:00,{row % 90}.5,{row % 5},{row % 2},{line},maker 1")
    return "\n".join(lines) + "\n"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where the system has one: what SIGKILL leaves is the same there, and no disk is waited for."""
    memory = Path("/dev/shm")  # noqa: S108 - the folder in it has a name that nobody can guess
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with TemporaryDirectory(prefix="hakobu-killed-", dir=memory) as name:
        yield Path(name)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that are cheap to begin")
@pytest.mark.parametrize(
    ("source", "ending", "problems", "kills"),
    [
        ("in.csv", ".csv", False, 200),
        ("in.csv.gz", ".csv", False, 15),
        ("in.csv", ".parquet", False, 25),
        ("in.csv", ".jsonl", True, 25),
        ("in.csv.gz", ".parquet", True, 15),
    ],
    ids=["CSV", "gzip", "Parquet", "problems", "all at once"],
)
def test_however_often_it_is_killed_the_output_is_the_same_and_each_row_counted_once(
    source: str, ending: str, problems: bool, kills: int, machines: Bundle, folder: Path
) -> None:
    content = table(ROWS).encode()
    (folder / source).write_bytes(gzip.compress(content) if source.endswith(".gz") else content)
    (folder / "key.pub").write_bytes(machines.pin.key.pem)
    (folder / "out").mkdir()
    places = {"source": source, "folder": "out", "journal": "journal.sqlite", "key": "key.pub"}
    job = {name: str(folder / place) for name, place in places.items()}
    job |= {"bundle": str(machines.path), "ending": ending}
    (folder / "job.json").write_text(json.dumps({**job, "problems": problems, "kills": kills, "seed": kills}))
    command = [sys.executable, str(HERE / "killed_scoring.py"), str(folder / "job.json")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert ended.returncode == 0, ended.stderr
    done = json.loads(ended.stdout)
    assert done["kills"] == kills
    assert done["midway"] > kills / 20, "the kills came before anything was committed, so they prove nothing"
    for name in ("out-{}" + ending, *(["problems-{}.csv"] if problems else [])):
        whole = (folder / "out" / name.format(0)).read_bytes()
        for number in range(1, done["outputs"]):
            assert (folder / "out" / name.format(number)).read_bytes() == whole, (name, number)
    model = ModelName(machines.manifest.name, machines.manifest.version, machines.digest)
    with Journal.open(folder / "journal.sqlite") as journal:
        assert journal.total(model).rows == done["outputs"] * ROWS
    assert not [path.name for path in (folder / "out").iterdir() if path.name.endswith(".partial")]
