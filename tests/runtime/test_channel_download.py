"""Downloads that break off anywhere, as often as they like, end with the very bytes or with nothing."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hakobu_runtime.channel.download import Wanted, download
from hakobu_runtime.channel.fetch import BrokenError, Content, Fetcher, read_whole
from hakobu_runtime.errors import StateError, TransferError, TrustError


class Line(Fetcher):
    """A line that carries each answer so many bytes, from where it was asked for or from the start."""

    place = "line"

    def __init__(self, content: bytes, plan: list[tuple[int, bool]], tries: int = 0) -> None:
        self.content, self.plan, self.pauses = content, plan, (0.0,) * tries

    @contextmanager
    def read(self, name: str, start: int = 0) -> Iterator[Content]:
        size, ranged = self.plan.pop(0) if self.plan else (len(self.content), True)
        begun = start if ranged else 0
        yield Content(begun, self._chunks(begun, size))

    def _chunks(self, start: int, size: int) -> Iterator[bytes]:
        part = self.content[start : start + size]
        yield from (part[place : place + 7] for place in range(0, len(part), 7))
        if start + size < len(self.content):
            raise BrokenError("line: broke off")


def wanted(content: bytes) -> Wanted:
    def same(file: BinaryIO) -> bool:
        return sha256(file.read()).digest() == sha256(content).digest()

    return Wanted("box", len(content), "mark", same)


plans = st.lists(st.tuples(st.integers(0, 60), st.booleans()), max_size=8)


@settings(deadline=None)
@given(st.binary(max_size=100), plans, st.integers(0, 3))
def test_any_series_of_cuts_ends_with_the_very_bytes(content: bytes, plan: list[tuple[int, bool]], tries: int) -> None:
    with TemporaryDirectory() as folder:
        into, line = Path(folder, "box"), Line(content, plan, tries)
        for _ in range(len(plan) + 1):
            with suppress(BrokenError):
                download(line, wanted(content), into, lambda done, size: None)
                break
            assert not into.exists()
        assert into.read_bytes() == content
        assert list(Path(folder).iterdir()) == [into]


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=100), st.binary(max_size=150), plans)
def test_whatever_was_left_and_whatever_comes_nothing_but_the_promised_bytes_get_the_name(
    content: bytes, left: bytes, plan: list[tuple[int, bool]]
) -> None:
    with TemporaryDirectory() as folder:
        into = Path(folder, "box")
        Path(folder, "box.mark.partial").write_bytes(left)
        with suppress(TransferError, TrustError):
            download(Line(content, list(plan)), wanted(content), into, lambda done, size: None)
            assert into.read_bytes() == content
        other = Line(bytes(byte ^ 1 for byte in content), list(plan), 1)
        with suppress(TransferError, TrustError):
            download(other, wanted(content), into, lambda done, size: None)
        assert not into.exists() or into.read_bytes() == content


def test_progress_says_how_far_it_is_and_ends_whole(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    line = Line(bytes(20), [(9, True)], 1)
    download(line, wanted(bytes(20)), tmp_path / "box", lambda *far: seen.append(far))
    assert seen == [(7, 20), (9, 20), (16, 20), (20, 20), (20, 20)]


def test_whoever_listens_may_break_it_off_and_nothing_is_lost(tmp_path: Path) -> None:
    def stop(done: int, size: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(Line(bytes(20), []), wanted(bytes(20)), tmp_path / "box", stop)
    assert [path.stat().st_size for path in tmp_path.iterdir()] == [7]


def test_a_full_disk_is_said_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StateError, match=r"cannot be written \(No space left on device\): free some space"):
        download(Line(bytes(20), []), wanted(bytes(20)), tmp_path / "box", lambda done, size: None)


def test_a_folder_in_the_place_of_the_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "box").mkdir()
    with pytest.raises(StateError, match="cannot be written"):
        download(Line(bytes(20), []), wanted(bytes(20)), tmp_path / "box", lambda done, size: None)


@pytest.mark.parametrize(
    "page", [b"<html>", b"<!DOCTYPE HTML PUBLIC", b"\r\n <!-- a proxy's --> <html lang=ja>", b"<HEAD>"]
)
def test_a_web_page_is_known_by_its_beginning(page: bytes) -> None:
    with pytest.raises(TransferError, match="a web page came"):
        read_whole(Line(page, []), "timestamp.json", 100)


@pytest.mark.parametrize("content", [b"", b"{}", b"<", b"<xml>", b"PK<html>", b'{"a": "<html>"}'])
def test_what_is_no_web_page_is_not_taken_for_one(content: bytes) -> None:
    assert read_whole(Line(content, []), "timestamp.json", 100) == content
