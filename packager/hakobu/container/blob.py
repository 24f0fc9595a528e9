"""The blobs of an image: files that are named by their digests."""

import gzip
import io
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, cast

from hakobu.container.tree import Entry, write_tar

_LEVEL = 6
"""Of gzip: 9 takes twice as long for less than a hundredth."""
_DRAFT = "draft"


@dataclass(frozen=True, slots=True)
class Blob:
    """Some bytes of an image."""

    path: Path
    digest: str
    """`sha256:` and 64 hex digits."""
    size: int
    """In bytes."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A tar, packed with gzip."""

    blob: Blob
    unpacked: str
    """The digest of the tar itself."""


class _Digesting(io.RawIOBase):
    """A file that digests and counts what is written through it."""

    def __init__(self, target: BinaryIO | gzip.GzipFile) -> None:
        self._target = target
        self._sum = sha256()
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        self._sum.update(content)
        self.size += len(content)
        self._target.write(content)
        return len(content)

    @property
    def digest(self) -> str:
        return f"sha256:{self._sum.hexdigest()}"


def write_layer(entries: Iterable[Entry], moment: int, folder: Path) -> Layer:
    """Write the tar of `entries` into `folder`, each entry of `moment`, in seconds since 1970.

    It is packed, since an image is a file that is carried, and without the time and the name that gzip may note.
    """
    draft = folder / _DRAFT
    with draft.open("wb") as file:
        packed = _Digesting(file)
        with gzip.GzipFile("", "wb", _LEVEL, cast(BinaryIO, packed), mtime=0) as packing:
            plain = _Digesting(packing)
            write_tar(entries, moment, cast(BinaryIO, plain))
    return Layer(_named(draft, packed.digest, packed.size), plain.digest)


def write_blob(content: bytes, folder: Path) -> Blob:
    """Write `content` into `folder`."""
    draft = folder / _DRAFT
    draft.write_bytes(content)
    return _named(draft, f"sha256:{sha256(content).hexdigest()}", len(content))


def _named(draft: Path, digest: str, size: int) -> Blob:
    return Blob(draft.rename(draft.with_name(digest.partition(":")[2])), digest, size)
