import os
from pathlib import Path

import pytest

from hakobu_runtime.device.arrivals import Arrivals, is_passing


def nobody(words: str) -> None:
    raise AssertionError(words)


def test_a_file_settles_when_neither_size_nor_time_changed_for_long_enough(tmp_path: Path) -> None:
    arrivals = Arrivals(tmp_path, 2.0, nobody)
    path = tmp_path / "a.csv"
    path.write_text("x\n")
    os.utime(path, (1000, 1000))
    assert arrivals.settled(10.0) == ()
    assert arrivals.waiting() == ("a.csv",)
    path.write_text("x\n1\n")
    os.utime(path, (1000, 1000))  # a longer file of the same time
    assert arrivals.settled(12.0) == ()
    os.utime(path, (1001, 1001))  # a newer file of the same length
    assert arrivals.settled(13.0) == ()
    assert arrivals.settled(14.9) == ()
    assert arrivals.settled(15.0) == ("a.csv",)


def test_a_file_that_goes_and_comes_again_settles_anew(tmp_path: Path) -> None:
    arrivals = Arrivals(tmp_path, 2.0, nobody)
    path = tmp_path / "a.csv"
    for start in (0.0, 10.0):
        path.write_text("x\n")
        assert arrivals.settled(start) == ()
        path.unlink()
        assert arrivals.settled(start + 5) == ()


def test_the_oldest_comes_first(tmp_path: Path) -> None:
    for name, age in (("a.csv", 3), ("b.jsonl", 1), ("c.parquet", 2)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (age, age))
    assert Arrivals(tmp_path, 0, nobody).settled(0) == ("b.jsonl", "c.parquet", "a.csv")


@pytest.mark.parametrize("name", ["a.csv.partial", "~$a.csv", ".a.csv", ".~lock.a.csv#", "A.CSV.TMP", "a.csv.part"])
def test_what_is_only_passing_is_not_seen_at_all(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert is_passing(name)
    assert Arrivals(tmp_path, 0, nobody).settled(0) == ()


def test_folders_and_links_are_not_seen(tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "link.csv").symlink_to(tmp_path / "nowhere.csv")
    assert Arrivals(tmp_path, 0, nobody).settled(0) == ()


def test_a_file_of_no_known_format_is_left_alone_and_told_once(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").touch()
    told: list[str] = []
    arrivals = Arrivals(tmp_path, 0, told.append)
    assert arrivals.settled(0) == arrivals.settled(1) == ()
    assert len(told) == 1
    assert "photo.jpg: is left alone" in told[0]
