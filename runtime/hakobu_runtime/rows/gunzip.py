"""A gzip file as the bytes that were packed into it, a few at a time, however much a little of it unpacks to."""

import gzip
import zlib
from typing import BinaryIO

from hakobu_runtime.rows.encoding import UnreadableError


class Gunzip:
    """What was packed into the gzip file `packed`, which has `size` bytes (None: not known).

    Its `read` raises UnreadableError where the file is damaged or cut off, and OSError as a file does.
    """

    def __init__(self, packed: BinaryIO, size: int | None) -> None:
        self._packed = packed
        self._packed_size = size
        self._file = gzip.GzipFile(fileobj=packed, mode="rb")
        self._done = 0

    @property
    def size(self) -> int | None:
        """How many bytes all will come to, judged by those read so far; None when that cannot be judged."""
        if not self._packed_size or not self._done:
            return None
        return max(self._done, self._done * self._packed_size // max(1, self._packed.tell()))

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes, b"" at the end."""
        try:
            found = self._file.read1(size)  # `read` would lose what it has when it comes to the damage
        except EOFError as error:
            raise UnreadableError(
                f"the gzip file ends too early, after {self._done:,} bytes of the table: it was not copied or written "
                "to its end; fetch it again"
            ) from error
        except (gzip.BadGzipFile, zlib.error) as error:
            words = f"is damaged after {self._done:,} bytes of the table" if self._done else "is none, or damaged"
            raise UnreadableError(f"the gzip file {words} ({error}): fetch it again") from error
        self._done += len(found)
        return found
