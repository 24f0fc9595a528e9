"""Folders, files and links as a tar whose bytes follow from them alone."""

import io
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder at `path`; all paths in a tree are relative to its top."""

    path: str
    mode: int = 0o755


@dataclass(frozen=True, slots=True)
class File:
    """A file that everybody may read."""

    path: str
    content: Path | bytes
    """What it is copied from, or what it holds."""
    program: bool = False
    """Whether it can be run."""


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link."""

    path: str
    target: str


Entry = Folder | File | Link


def write_tar(entries: Iterable[Entry], moment: int, target: BinaryIO) -> None:
    """Write `entries`, by their paths, each of root and of `moment`, in seconds since 1970; `target` is not sought in.

    The folders that they lie in need not be among them.
    """
    with tarfile.open(fileobj=target, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for entry in _with_folders(entries):
            _add(tar, entry, moment)


def _with_folders(entries: Iterable[Entry]) -> Iterator[Entry]:
    found = {entry.path: entry for entry in entries}
    above = {str(folder) for path in found for folder in PurePosixPath(path).parents} - {"."}
    every: dict[str, Entry] = {**{path: Folder(path) for path in above}, **found}
    yield from (every[path] for path in sorted(every))


def _add(tar: tarfile.TarFile, entry: Entry, moment: int) -> None:
    head = tarfile.TarInfo(entry.path)
    head.mtime = moment
    match entry:
        case Folder(mode=mode):
            head.type, head.mode = tarfile.DIRTYPE, mode
            tar.addfile(head)
        case Link(target=target):
            head.type, head.mode, head.linkname = tarfile.SYMTYPE, 0o777, target
            tar.addfile(head)
        case File(content=content, program=program):
            head.mode = 0o755 if program else 0o644
            with io.BytesIO(content) if isinstance(content, bytes) else content.open("rb") as file:
                head.size = file.seek(0, io.SEEK_END)
                file.seek(0)
                tar.addfile(head, file)
