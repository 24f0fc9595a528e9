"""A column of somebody's table, read as text: each distinct text kept once."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Column:
    """The cells of a column as text, "" where missing."""

    name: str
    texts: tuple[str, ...]
    """The distinct cells; every one of them stands in some row."""
    codes: NDArray[np.int64]
    """Shape (n,): which of `texts` each row holds."""
    rows: NDArray[np.int64]
    """Shape (n,): the number of each row in the file, counted from 1 without the header."""

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def present(self) -> tuple[str, ...]:
        """The distinct cells that are not missing."""
        return tuple(text for text in self.texts if text)

    @property
    def there(self) -> NDArray[np.bool_]:
        """Shape (n,): which rows hold something."""
        return np.array([bool(text) for text in self.texts], dtype=np.bool_)[self.codes]

    def counts(self) -> dict[str, int]:
        """Return in how many rows each distinct cell stands, the missing one left out."""
        found = np.bincount(self.codes, minlength=len(self.texts)).tolist()
        return {text: count for text, count in zip(self.texts, found, strict=True) if text}

    def row_of(self, text: str) -> int:
        """Return the number of the first row that holds `text`."""
        return int(self.rows[int(np.argmax(self.codes == self.texts.index(text)))])

    def without(self, missing: frozenset[str]) -> "Column":
        """Return the column with the texts `missing` read as missing."""
        if missing.isdisjoint(self.texts):
            return self
        return _compact(self.name, ["" if text in missing else text for text in self.texts], self.codes, self.rows)

    def take(self, rows: NDArray[np.int64]) -> "Column":
        """Return some rows of the column, by their place in it, in their order."""
        if len(rows) == len(self):
            return self
        return _compact(self.name, list(self.texts), self.codes[rows], self.rows[rows])


def _compact(name: str, texts: list[str], codes: NDArray[np.int64], rows: NDArray[np.int64]) -> Column:
    """Return a column of `texts`, some of which may be the same or in no row."""
    used = np.bincount(codes, minlength=len(texts)) > 0
    place: dict[str, int] = {}
    moved = [place.setdefault(text, len(place)) if there else -1 for text, there in zip(texts, used, strict=True)]
    return Column(name, tuple(place), np.array(moved, dtype=np.int64)[codes], rows)


class ColumnDraft:
    """A column while it is read, block by block."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._places: dict[str, int] = {}
        self._parts: list[NDArray[np.int64]] = []

    def extend(self, texts: NDArray[np.object_]) -> None:
        """Add the next rows."""
        places = self._places
        found: Iterator[int] = (places.setdefault(text, len(places)) for text in texts)
        self._parts.append(np.fromiter(found, dtype=np.int64, count=len(texts)))

    def finish(self) -> Column:
        """Return the column."""
        codes = np.concatenate(self._parts) if self._parts else np.empty(0, dtype=np.int64)
        return Column(self._name, tuple(self._places), codes, np.arange(1, len(codes) + 1))
