"""What SQLite says of a disk, in words that help."""

import shutil
import sqlite3
from pathlib import Path
from typing import NamedTuple

import pytest

from hakobu_runtime.database import Database
from hakobu_runtime.errors import StateError


class _Usage(NamedTuple):
    total: int
    used: int
    free: int


@pytest.mark.parametrize(("free", "words"), [(4096, "the disk is full; nothing was lost"), (10**9, "the disk failed")])
def test_a_failure_on_a_full_disk_is_told_as_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, words: str
) -> None:
    database = Database.open(tmp_path / "x.sqlite", [["CREATE TABLE t (n)"]], patience=1, anew="it is made anew")
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: _Usage(10**12, 0, free))
    with pytest.raises(StateError, match=words), database.writing():
        raise error
    database.close()
