"""A stick goes round: from the depot to two devices, home with their counts, and back with receipts."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

Ended = Any
Command = Callable[..., Ended]


class Round:
    """A depot, a fleet's folder, a stick and devices, all in one folder."""

    def __init__(self, folder: Path, publisher: Any, hakobu: Command, hakobu_run: Command, key: Path) -> None:
        self.folder, self.publisher, self.key = folder, publisher, key
        self.stick = folder / "stick"
        self.fleet = folder / "fleet"
        self._hakobu, self._run = hakobu, hakobu_run
        self.stick.mkdir()

    def device(self, name: str) -> Command:
        """A device that follows the depot by sticks alone, and has scored 150 rows."""
        run = partial(self._run, "--state", self.folder / name)
        follow = self.folder / "tiny.follow"
        done(
            self._hakobu("depot", "invite", "tiny", "--channel", "stable", "--depot", self.publisher.path, "-o", follow)
        )
        done(run("trust", "add", self.key))
        done(run("follow", follow))
        return run

    def score(self, run: Command, rows: int) -> None:
        table = self.folder / "in.csv"
        table.write_text("temp,load\n" + "3,1\n" * (rows - 1) + "9,1\n")
        done(run("score", table, "-o", self.folder / "out.csv"))

    def write(self, *more: object) -> Ended:
        return self._hakobu("stick", "write", self.stick, "--depot", self.publisher.path, *more)

    def read(self, *more: object) -> Ended:
        words = ("--into", self.fleet, "--depot", self.publisher.path, "--keys", self.publisher.keychain.folders[0])
        return self._hakobu("stick", "read", self.stick, *words, *more)

    def parcels(self) -> list[str]:
        return sorted(path.relative_to(self.stick).as_posix() for path in self.stick.rglob("*.parcel"))


def done(ended: Ended) -> str:
    assert ended.returncode == 0, ended.stderr
    out: str = ended.stdout
    return out


@pytest.fixture
def round_(in_memory: Path, publisher: Any, hakobu: Command, hakobu_run: Command, public_key: Path) -> Round:
    publisher.now = datetime.now(UTC)
    publisher.publish(publisher.box("1.0.0"))
    return Round(in_memory, publisher, hakobu, hakobu_run, public_key)


def test_out_with_an_update_home_with_the_counts_and_back_with_a_receipt(round_: Round) -> None:
    one, other = round_.device("one"), round_.device("other")
    done(round_.write())
    for run in (one, other):
        assert "tiny 1.0.0 is installed\ncounts of 0 windows leave on this stick (parcel 1" in done(
            run("sync", "--from", round_.stick)
        )
    round_.score(one, 10)
    round_.score(other, 5)
    round_.publisher.publish(round_.publisher.box("1.1.0"))
    for run in (one, other):
        assert "counts of 1 window leave on this stick (parcel 2" in done(run("sync", "--from", round_.stick))
    assert len(round_.parcels()) == 2, "the first ones are covered by the second ones"

    found = json.loads(done(round_.read("--json")))
    assert (found["new"], found["known"], found["refused"], found["receipts"]) == (2, 0, [], 2)
    assert sorted(device["rows"] for device in found["devices"]) == [5, 10]
    assert {(device["active"], device["behind"]) for device in found["devices"]} == {("1.0.0", "1.1.0")}
    again = json.loads(done(round_.read("--json")))
    assert (again["new"], again["known"], again["receipts"]) == (0, 2, 0)

    done(round_.write())
    for run in (one, other):
        assert "tiny 1.1.0 is installed\ncounts of 0 windows leave" in (
            said := done(run("sync", "--from", round_.stick))
        )
        assert "1 window came home before" in said
    round_.score(one, 20)
    assert "counts of 1 window leave" in done(one("sync", "--from", round_.stick))
    found = json.loads(done(round_.read("--json")))
    assert sorted(device["rows"] for device in found["devices"]) == [5, 30]
    assert {(device["active"], device["behind"]) for device in found["devices"]} == {("1.1.0", "")}


def test_what_would_leave_can_be_seen_before(round_: Round) -> None:
    run = round_.device("one")
    done(round_.write())
    done(run("sync", "--from", round_.stick))
    round_.score(run, 10)
    shown = done(run("export", "--show"))
    assert "parcel    2" in shown
    assert "10 rows" in shown
    assert "  temp: 0 0 9 1 0 0" in shown
    assert "breaches of temp: above range 1" in shown
    assert json.loads(done(run("export", "--json")))["parcels"][0]["tallies"][0]["rows"] == 10
    assert "written: " in done(run("export", "-o", round_.folder / "mine.parcel"))
    mail = round_.folder / "mail"
    mail.mkdir()
    shutil.move(round_.folder / "mine.parcel", mail)
    round_.stick = mail
    assert "parcels: 1 new" in done(round_.read())


def test_a_bad_parcel_is_refused_and_the_rest_goes_on(round_: Round) -> None:
    one, other = round_.device("one"), round_.device("other")
    done(round_.write())
    for run in (one, other):
        done(run("sync", "--from", round_.stick))
    bad, good = (round_.stick / name for name in round_.parcels())
    content = bad.read_bytes()
    bad.write_bytes(content[:-100] + b"A" * 4 + content[-96:])
    (good.parent / "999.parcel").write_bytes(b"<html>Please log in</html>")
    (good.parent / "1000.parcel").touch()
    os.truncate(good.parent / "1000.parcel", 1 << 30)
    ended = round_.read()
    assert ended.returncode in (4, 5), ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stderr.count("refused: ") == 3
    assert "1,073,741,824 bytes" in ended.stderr
    assert "3 of 4 parcels were refused" in ended.stderr.splitlines()[-1]
    assert "parcels: 1 new, 0 known, 3 refused" in ended.stdout
    assert [path.name for path in round_.fleet.rglob("*.parcel")] == ["1.parcel"]


def test_a_stick_of_another_depot_brings_no_update_and_still_takes_the_counts(round_: Round, in_memory: Path) -> None:
    run = round_.device("one")
    done(round_.write())
    done(run("sync", "--from", round_.stick))
    known = round_.publisher
    stranger = type(known)(in_memory / "stranger", known._files, known._manifest, known.key)
    stranger.publish(stranger.box("2.0.0"))
    round_.publisher = stranger
    refused = round_.write()
    assert refused.returncode == 2
    assert "carries another depot" in refused.stderr
    shutil.rmtree(round_.stick / "hakobu" / "depot")
    done(round_.write())
    ended = run("sync", "--from", round_.stick)
    assert ended.returncode == 5, ended.stderr
    assert "tiny 1.0.0 stays in use" in ended.stderr
    assert "leave on this stick (parcel 2" in ended.stdout


@pytest.fixture
def fat(tmp_path: Path) -> Iterator[Path]:
    """A real file system of FAT32, that of most sticks."""
    image, place = tmp_path / "stick.img", tmp_path / "fat"
    maker = shutil.which("mkfs.vfat", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if maker is None:
        pytest.skip("there is no mkfs.vfat here (Debian: dosfstools)")
    subprocess.run([maker, "-F", "32", "-C", image, "40000"], check=True, capture_output=True)
    place.mkdir()
    ended = subprocess.run(["mount", "-o", "loop,umask=000", image, place], capture_output=True, text=True, check=False)
    if ended.returncode:
        pytest.skip(f"no FAT can be mounted here: {ended.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


def test_a_real_fat_stick_goes_round(round_: Round, fat: Path) -> None:
    round_.stick = fat
    run = round_.device("one")
    done(round_.write())
    done(run("sync", "--from", fat))
    round_.score(run, 10)
    assert "counts of 1 window leave" in done(run("sync", "--from", fat))
    assert "parcels: 1 new" in done(round_.read())
    assert "1 window came home before" in done(run("sync", "--from", fat))


def test_all_names_on_a_stick_suit_fat(round_: Round) -> None:
    run = round_.device("one")
    done(round_.write())
    done(run("sync", "--from", round_.stick))
    done(round_.read())
    paths = [path.relative_to(round_.stick).as_posix() for path in round_.stick.rglob("*")]
    assert all(re.fullmatch(r"[a-z0-9./-]+", path) for path in paths), paths
    assert not [path for path in round_.stick.rglob("*") if path.is_symlink()]
