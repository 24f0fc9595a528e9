"""Where records end: a stream of text cut into blocks of whole records, quoted line ends and all."""

import re
from collections.abc import Callable
from functools import lru_cache

import numpy as np

from hakobu_runtime.rows.encoding import UnreadableError, Utf8Stream

LONGEST_RECORD = 64 << 20
_SAMPLE = 1 << 16
_LARGEST_BLOCK = 4 << 20

Cut = Callable[[bytes], int]
"""Says how many of these bytes are whole records."""


class Records:
    """A stream, taken in blocks that hold whole records and depend on nothing but its content."""

    def __init__(self, stream: Utf8Stream, cut: Cut, broken_off: str) -> None:
        self._stream = stream
        self._cut = cut
        self._broken_off = broken_off
        self._pending = b""
        self._problem: UnreadableError | None = None
        self._ended = False

    @property
    def position(self) -> int:
        """How many bytes of the file were taken; a guess between blocks when the file is not in UTF-8."""
        return max(0, self._stream.consumed - len(self._pending))

    def bytes_for(self, rows: int) -> int:
        """Return how many bytes hold about `rows` records, judged by what stands at the beginning."""
        self._fill(_SAMPLE)
        sample = self._pending[:_SAMPLE]
        lines = max(1, sample.count(b"\n"))
        return min(_LARGEST_BLOCK, max(1, len(sample) * rows // lines))

    def take(self, size: int, cut: Cut | None = None) -> bytes:
        """Return whole records, about `size` bytes of them; b"" at the end; raise UnreadableError where it breaks off.

        All end with a line end. `cut` stands in for the stream's own.
        """
        while True:
            self._fill(size)
            window = self._pending if len(self._pending) <= size else self._pending[:size]
            if end := (cut or self._cut)(window):
                block, self._pending = self._pending[:end], self._pending[end:]
                return block
            if len(window) == len(self._pending):
                if self._problem:
                    raise self._problem
                if not window:
                    return b""
                if self._ended:
                    raise UnreadableError(self._broken_off)
            if len(window) > LONGEST_RECORD:
                raise UnreadableError(self._broken_off)
            size = min(2 * max(size, len(window)), LONGEST_RECORD + 1)

    def _fill(self, size: int) -> None:
        """Read until `size` bytes are pending, or there are no more."""
        parts, have = [self._pending], len(self._pending)
        while have < size and not self._ended and not self._problem:
            try:
                part = self._stream.read(size - have)
            except UnreadableError as problem:
                self._problem = problem
                break
            self._ended = not part
            have += len(part)
            parts.append(part)
        if self._ended and have and not b"".join(parts[-2:]).endswith(b"\n"):
            parts.append(b"\n")  # the last line may lack its end
        self._pending = b"".join(parts)


def lines_end(content: bytes) -> int:
    """Say how many of these bytes are whole lines."""
    return content.rfind(b"\n") + 1


@lru_cache(maxsize=8)
def csv_end(delimiter: str) -> Cut:
    """Return the cut of records whose fields are separated by `delimiter` and may be quoted."""
    sign = ord(delimiter)
    pattern = _pattern(delimiter, many=True)

    def cut(content: bytes) -> int:
        if b'"' not in content:
            end = content.rfind(b"\n") + 1
        else:
            end = _even_end(content, sign)
        if end:
            return end
        # Stray quotes, or line ends of a lone CR: every field has to be walked.
        found = pattern.match(content)
        return found.end() if found else 0

    return cut


@lru_cache(maxsize=8)
def first_end(delimiter: str) -> Cut:
    """Return the cut after the first record, or after the blank lines before it."""
    pattern = _pattern(delimiter, many=False)

    def cut(content: bytes) -> int:
        found = pattern.match(content)
        return found.end() if found else 0

    return cut


def _pattern(delimiter: str, *, many: bool) -> re.Pattern[bytes]:
    sign = re.escape(delimiter.encode())
    rest = rb"[^" + sign + rb"\r\n]*+"
    field = rb'(?:"[^"]*+(?:""[^"]*+)*+"' + rest + rb'|(?!")' + rest + rb")"
    end = rb"(?:\n|\r\n|\r(?=[^\n]))"  # a CR that ends the bytes may be half of a CR LF
    record = field + rb"(?:" + sign + field + rb")*+" + end
    return re.compile(rb"(?:" + record + rb")*+" if many else rb"[\r\n]++|" + record)


def _even_end(content: bytes, sign: int) -> int:
    """Return where the last record ends, by counting quotes; 0 when a quote stands where none should.

    An opening quote follows a delimiter, a line end, or the quote that it undoes the closing of; a closing one is
    followed by the same. While that holds, a line end is outside of quotes when the quotes before it are even.
    """
    letters = np.frombuffer(content, dtype=np.uint8)
    quotes = np.flatnonzero(letters == ord('"'))
    beside = np.zeros(256, dtype=np.bool_)
    beside[[sign, *b'\r\n"']] = True
    before, after = quotes[0::2] - 1, quotes[1::2] + 1
    opened = beside[letters[before[before >= 0]]].all()
    if not opened or not beside[letters[after[after < len(letters)]]].all():
        return 0
    end = content.rfind(b"\n") + 1
    while end:
        inside = int(np.searchsorted(quotes, end))
        if inside % 2 == 0:
            return end
        end = content.rfind(b"\n", 0, int(quotes[inside - 1])) + 1
    return 0


def count_plain(content: bytes) -> int | None:
    """Return how many records these are, None when that is not plain to see: quotes, blank lines, lone CRs."""
    breaks = content.count(b"\r")
    if breaks and content.count(b"\r\n") != breaks:
        return None
    if b'"' in content or content.startswith((b"\n", b"\r")) or b"\n\n" in content or b"\n\r" in content:
        return None
    return content.count(b"\n")
