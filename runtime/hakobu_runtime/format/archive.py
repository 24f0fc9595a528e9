"""A zip file as hakobu writes it: stored, sorted, dated 1980-01-01; and the distrust with which it is read.

A zip says everything twice, and two readers may believe different halves. So what was read is written again, and has to
give the very bytes of the file: no hidden entry, no bytes before, between or after, no second meaning.
Source of the format: APPNOTE.TXT of PKWARE.
"""

import re
import stat
import zlib
from collections.abc import Iterator, Mapping
from struct import Struct
from typing import NamedTuple

from hakobu_runtime.errors import FormatError

MAX_ENTRIES = 64
"""Far above what a bundle holds; it stops a list of millions of entries from being read at all."""

_LOCAL = Struct("<4s5H3L2H")
_CENTRAL = Struct("<4s6H3L5H2L")
_END = Struct("<4s4H2LH")
_LOCAL_MARK, _CENTRAL_MARK, _END_MARK = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_VERSION = 20
_MADE_ON_UNIX = 3 << 8 | _VERSION
_REGULAR_FILE = (stat.S_IFREG | 0o644) << 16
_DATE_1980_01_01 = 1 << 5 | 1
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LONGEST_COMMENT = 0xFFFF
_AGAIN = "copy or download it again"


class _Entry(NamedTuple):
    mark: bytes
    made_by: int
    version: int
    flags: int
    method: int
    time: int
    date: int
    crc: int
    packed: int
    size: int
    name_size: int
    extra_size: int
    comment_size: int
    disk: int
    inner: int
    outer: int
    offset: int


def write_archive(files: Mapping[str, bytes]) -> bytes:
    """Return a zip of `files` by name: equal files, equal bytes."""
    return b"".join(_pieces(files))


def _pieces(files: Mapping[str, bytes]) -> Iterator[bytes]:
    offset, directory = 0, b""
    for name in sorted(files):
        content, text = files[name], name.encode("ascii")
        facts = (0, _DATE_1980_01_01, zlib.crc32(content), len(content), len(content), len(text), 0)
        head = _LOCAL.pack(_LOCAL_MARK, _VERSION, 0, 0, *facts) + text
        yield head
        yield content
        entry = _CENTRAL.pack(_CENTRAL_MARK, _MADE_ON_UNIX, _VERSION, 0, 0, *facts, 0, 0, 0, _REGULAR_FILE, offset)
        directory += entry + text
        offset += len(head) + len(content)
    yield directory
    yield _END.pack(_END_MARK, 0, 0, len(files), len(files), len(directory), offset, 0)


def read_archive(content: bytes) -> dict[str, bytes]:
    """Return the files by name; raise FormatError saying what is wrong with the zip.

    `check_canonical` must pass too before the files are believed.
    """
    count, start = _find_directory(content)
    files: dict[str, bytes] = {}
    at, end = start, len(content) - _END.size
    room = start  # Entries that share their bytes would claim more than there are.
    for _ in range(count):
        if end - at < _CENTRAL.size:
            raise FormatError(f"its table of contents is cut short: {_AGAIN}")
        entry = _Entry(*_CENTRAL.unpack_from(content, at))
        at += _CENTRAL.size
        name = _name(content[at : at + entry.name_size])
        at += entry.name_size + entry.extra_size + entry.comment_size
        room -= entry.size
        if entry.mark != _CENTRAL_MARK or at > end or room < 0:
            raise FormatError(f"its table of contents is damaged: {_AGAIN}")
        if name in files:
            raise FormatError(f"it holds {name!r} twice")
        _check_entry(name, entry)
        files[name] = _data(content, name, entry, start)
    return files


def _find_directory(content: bytes) -> tuple[int, int]:
    """Return the number of entries, and where their table starts."""
    if not content:
        raise FormatError(f"the file is empty: {_AGAIN}")
    if not content.startswith((_LOCAL_MARK, _END_MARK)):
        raise FormatError("this is not a .hako bundle: it does not begin like a zip file")
    at = len(content) - _END.size
    if at < 0 or not content.startswith(_END_MARK, at):
        if 0 <= content.rfind(_END_MARK, max(0, at - _LONGEST_COMMENT)) < at:
            raise FormatError(f"there are bytes after its end, or a comment: {_AGAIN}")
        raise FormatError(f"it is cut short, its end is missing: {_AGAIN}")
    _, disk, first_disk, here, count, size, start, comment = _END.unpack_from(content, at)
    if count > MAX_ENTRIES:
        raise FormatError(f"it holds {count} entries; at most {MAX_ENTRIES} are read")
    if disk or first_disk or here != count or comment or start + size != at:
        raise FormatError(f"its table of contents is not where it says, so it is damaged: {_AGAIN}")
    return count, start


def _name(raw: bytes) -> str:
    name = raw.decode("latin-1")
    if name.startswith(("/", "\\")) or ":" in name:
        raise FormatError(f"entry {name[:80]!r} has an absolute path, which could write outside its folder")
    if ".." in re.split(r"[/\\]", name):
        raise FormatError(f"entry {name[:80]!r} leads out of its folder with '..'")
    if not _NAME.fullmatch(name):
        raise FormatError(f"entry {name[:80]!a} has an odd name: a-z, A-Z, 0-9, '.', '_' and '-' are allowed")
    return name


def _check_entry(name: str, entry: _Entry) -> None:
    kind = stat.S_IFMT(entry.outer >> 16)
    if stat.S_ISLNK(kind):
        raise FormatError(f"{name} is a link, not a file")
    if kind not in (0, stat.S_IFREG):
        raise FormatError(f"{name} is a folder or a device, not a file")
    if entry.flags & 0x41:
        raise FormatError(f"{name} is encrypted, and a bundle never is")
    if entry.method != 0:
        raise FormatError(f"{name} is compressed; a bundle stores its files as they are: build it with hakobu")
    if entry.packed != entry.size:
        raise FormatError(f"{name} has two sizes, {entry.packed} and {entry.size}: the zip is damaged")
    if entry.extra_size or entry.comment_size:
        raise FormatError(f"{name} has extra fields or a comment, which a bundle never has")


def _data(content: bytes, name: str, entry: _Entry, limit: int) -> bytes:
    start = entry.offset + _LOCAL.size + entry.name_size
    if start + entry.size > limit:
        raise FormatError(f"{name} reaches beyond its place: the zip is damaged: {_AGAIN}")
    data = content[start : start + entry.size]
    if zlib.crc32(data) != entry.crc:
        raise FormatError(f"{name} is damaged, its checksum does not fit: {_AGAIN}")
    return data


def check_canonical(files: Mapping[str, bytes], content: bytes) -> None:
    """Raise FormatError unless `content` is, to the byte, what `write_archive` makes of `files`."""
    at = 0
    for piece in _pieces(files):
        if not content.startswith(piece, at):
            raise FormatError(
                f"byte {at} or a later one is not as hakobu writes it (order, dates, or bytes that no entry owns): "
                "it was packed by another program or tampered with; get it again from its builder"
            )
        at += len(piece)
    if at != len(content):
        raise FormatError(f"{len(content) - at} bytes belong to no entry: get it again from its builder")
