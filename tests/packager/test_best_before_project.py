"""`[best_before]` in `hakobu.toml`."""

import shutil
from datetime import date
from pathlib import Path

import pytest

from hakobu.project import read_project
from hakobu_runtime.errors import ProjectError
from hakobu_runtime.format.best_before import BestBefore


def with_table(project: Path, folder: Path, table: str) -> Path:
    copy = Path(shutil.copytree(project, folder / "project"))
    with (copy / "hakobu.toml").open("a") as file:
        file.write(f"\n[best_before]\n{table}\n")
    return copy


def test_each_day_may_be_left_out(project: Path, tmp_path: Path) -> None:
    assert read_project(project).file.best_before == BestBefore()
    found = read_project(with_table(project, tmp_path, "warn = 2027-06-01\nrefuse = 2028-01-01"))
    assert found.file.best_before == BestBefore(date(2027, 6, 1), None, date(2028, 1, 1))


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("warn = 2028-01-01\nmark = 2027-01-01", "must come in order, warn, mark, refuse"),
        ("warn = 'soon'", "best_before.warn"),
        ("wann = 2028-01-01", "wann"),
    ],
    ids=["order", "no day", "unknown"],
)
def test_days_that_make_no_sense_are_refused(project: Path, tmp_path: Path, table: str, words: str) -> None:
    with pytest.raises(ProjectError, match=words):
        read_project(with_table(project, tmp_path, table))
