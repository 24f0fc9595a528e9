"""What a program of Linux says about itself: which processor it is for, and which loader starts it."""

import struct
from dataclasses import dataclass
from pathlib import Path

from hakobu_runtime.errors import ToolError

_MAGIC = b"\x7fELF\x02\x01"
"""Of 64 bits, the least significant byte first: as on every processor that there are wheels for."""
_HEAD = struct.Struct("<16sHHIQQQIHHHHHH")
_SEGMENT = struct.Struct("<IIQQQQQQ")
_INTERPRETER = 3
_PROCESSORS = {62: "amd64", 183: "arm64"}
"""The names of processors as images have them, by their numbers in ELF."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program that needs a loader, as all that use shared libraries do."""

    path: Path
    processor: str
    """`amd64` or `arm64`."""
    loader: Path
    """Where it looks for the loader of shared libraries, as an absolute path."""


def is_elf(path: Path) -> bool:
    """Say whether `path` is a program or a library of 64 bits."""
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


def read_program(path: Path) -> Program:
    """Return what the program at `path` says; raise ToolError when an image cannot be made of it."""
    content = path.read_bytes()
    if not content.startswith(_MAGIC):
        raise ToolError(f"{path}: is no 64-bit program of Linux; images are made of those alone")
    try:
        number, loader = _read(content)
    except (struct.error, OverflowError, UnicodeDecodeError) as error:
        raise ToolError(f"{path}: is a damaged program: {error}") from error
    if number not in _PROCESSORS:
        known = " and ".join(_PROCESSORS.values())
        raise ToolError(f"{path}: is for a processor that no images are made for (ELF machine {number}); {known} are")
    if not loader.startswith("/"):
        raise ToolError(f"{path}: names no loader of shared libraries, as programs for images must")
    return Program(path, _PROCESSORS[number], Path(loader))


def _read(content: bytes) -> tuple[int, str]:
    """Return the number of the processor, and the loader, "" when none is named."""
    head = _HEAD.unpack_from(content)
    number, table, size, count = head[2], head[5], head[9], head[10]
    for place in range(table, table + size * count, size or 1):
        kind, _, offset, _, _, length, _, _ = _SEGMENT.unpack_from(content, place)
        if kind == _INTERPRETER:
            return number, content[offset : offset + length].rstrip(b"\0").decode()
    return number, ""
