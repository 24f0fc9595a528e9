"""One ordinary row, fast: no arrays are made, and its counts wait in memory until there are enough to count at once."""

import struct
import threading
from collections.abc import Container, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from math import isfinite
from operator import contains, itemgetter
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hakobu_runtime.format.block import Block
from hakobu_runtime.format.counts import WindowCounts
from hakobu_runtime.format.feature import Feature, Kind
from hakobu_runtime.format.manifest import Classification, Dtype, Manifest, WindowBy
from hakobu_runtime.format.window import Window
from hakobu_runtime.limits.check import LONGEST_TEXT, Checked
from hakobu_runtime.model import Model, OneRow, Predicted
from hakobu_runtime.rows.cells import plain_text
from hakobu_runtime.scorer.counting import count, places
from hakobu_runtime.scorer.record import ENOUGH, Record
from hakobu_runtime.scorer.scores import Score, Scored

_NUMBERS = frozenset({float, int, Decimal, np.float32, np.float64, np.int32, np.int64})
"""What a number cell may be on the fast way: struct also takes what the careful way knows for no number."""
_REFUSED = (KeyError, TypeError, ValueError, struct.error, OverflowError)
"""What an unusual cell makes of the fast way; the careful way then says what is wrong."""


class Single:
    """Scores a row whose every cell is as promised, and hands back any other (None) for the careful way.

    Each thread has buffers of its own; what waits to be counted is shared.
    """

    def __init__(self, manifest: Manifest, model: Model, record: Record | None) -> None:
        numbers, texts = manifest.number_features, manifest.string_features
        self._manifest = manifest
        self._model = model
        self._classes = manifest.outputs.classes if isinstance(manifest.outputs, Classification) else ()
        self._numbers = _getter([feature.column for feature in numbers])
        self._whole = _getter([feature.column for feature in numbers if feature.kind is Kind.INTEGER])
        self._texts = _getter([feature.column for feature in texts])
        self._allowed = [_allowed(feature) for feature in texts]
        self._pack = struct.Struct(f"={len(numbers)}{'f' if manifest.dtype is Dtype.FLOAT32 else 'd'}").pack
        ranges = [feature.range for feature in numbers if feature.range]
        with np.errstate(over="ignore"):  # a limit beyond float32 is endless there
            self._low = np.array([limits.low for limits in ranges], dtype=manifest.dtype.value)
            self._high = np.array([limits.high for limits in ranges], dtype=manifest.dtype.value)
        self._values = np.dtype(np.float32)
        """What a regression's value is given as; known when the model is loaded."""
        by_row = manifest.time is not None and manifest.monitor.window_by is WindowBy.ROW
        self._time = manifest.time.column if manifest.time and by_row else None
        self._local = threading.local()
        self._lock = threading.Lock()
        self._waiting: list[Any] = []
        """Rows that wait to be counted, `_width` places each: what was packed, the row's time, the class's code, the
        value, the seconds, then the texts, the probabilities and the ids. Threads extend it by a row at once without a
        lock, which would take longer; and with no tuple a row, which Python would look through for garbage.
        """
        self._told = False
        """Whether the record knows that rows wait, since they were last taken."""
        self._record = record
        self._keeper = record.keeper if record is not None else None
        self._ids = self._keeper.columns if self._keeper is not None else ()
        self._odds = len(self._classes) if manifest.tensors.probabilities else 0
        self._width = 5 + len(texts) + self._odds + len(self._ids)

    @staticmethod
    def fits(manifest: Manifest) -> bool:
        """Say whether rows of this model can go the fast way at all."""
        plain = all(_is_plain(feature) for feature in manifest.number_features)
        return plain and not manifest.missing_values

    def score(self, row: Mapping[str, object]) -> Score | None:
        """Return the score of `row`; None when any of its cells is unusual."""
        record = self._record
        if record is not None and len(self._waiting) >= (ENOUGH - record.rows) * self._width:
            # Before this row, and not after the last one: the row that follows finds nothing in the processor's caches.
            self._tell(record)
        started = perf_counter()
        one = getattr(self._local, "one", None) or self._bind()
        try:
            cells: tuple[Any, ...] = self._numbers(row) if self._numbers else ()
            if not _NUMBERS.issuperset(map(type, cells)):
                return None
            if self._whole and {*map(type, self._whole(row))} != {int}:
                return None
            packed = self._pack(*cells)
            texts = self._texts(row) if self._texts else ()
            time = row[self._time] if self._time is not None else ""
        except _REFUSED:
            return None
        if not one.takes(packed, self._low, self._high) or type(time) is not str or (texts and not self._allows(texts)):
            return None
        try:
            code, odds, value = one.run(texts)
        except (KeyError, ValueError):
            return None
        if not isfinite(sum(odds) if odds else value):
            return None
        if record is not None:
            ids = map(row.get, self._ids)
            self._waiting.extend((packed, time, code, value, perf_counter() - started, *texts, *odds, *ids))
            if not self._told:
                self._tell(record)
        if not self._classes:
            return Score(float(str(self._values.type(value))), {}, "ok", ())
        # A row gives no odds or one a class, and `strict` takes a third of the time.
        return Score(self._classes[code], dict(zip(self._classes, odds)), "ok", ())  # noqa: B905

    def _bind(self) -> OneRow:
        self._local.one = one = OneRow(self._model, len(self._low), len(self._allowed), self._manifest.dtype)
        self._values = self._model.value_dtype
        return one

    def _allows(self, texts: tuple[object, ...]) -> bool:
        return {*map(type, texts)} == {str} and all(map(contains, self._allowed, texts))

    def _tell(self, record: Record) -> None:
        """Let the record know that rows wait."""
        self._told = True
        record.later(self)

    @property
    def waiting(self) -> int:
        """How many rows wait to be counted."""
        return len(self._waiting) // self._width

    def drain(self) -> dict[Window, WindowCounts]:
        """Count all that waits, by window, and return it."""
        with self._lock:
            self._told = False  # first: a row that comes after those that are taken here tells of itself again
            taken = self._waiting[: len(self._waiting)]
            del self._waiting[: len(taken)]
        if not taken:
            return {}
        columns = [taken[place :: self._width] for place in range(self._width)]
        (packed, times, codes, values, seconds), rest = columns[:5], columns[5:]
        texts, odds, ids = _split(rest, len(self._allowed), self._odds)
        rows = len(packed)
        numbers = np.frombuffer(b"".join(packed), dtype=self._low.dtype).reshape(rows, len(self._low))
        strings = np.array(texts, dtype=object).reshape(len(texts), rows)
        checked = Checked(numbers, strings.T, np.zeros(rows, dtype=np.uint8), (), numbers.T, strings, {}, whole=True)
        is_class = bool(self._classes)
        predicted = Predicted(
            np.array(codes, dtype=np.int64) if is_class else None,
            np.array(odds, dtype=np.float32).T if odds else None,
            None if is_class else np.array(values, dtype=self._values),
        )
        read = dict(zip(self._ids, map(_read, ids), strict=True))
        if self._time is not None:
            read[self._time] = np.array(times, dtype=object)
        scored = Scored(Block(0, rows, {}, read), checked, predicted)
        found = places(self._manifest, scored.block, datetime.now(UTC))
        if self._keeper is not None:
            self._keeper.take(scored, found)
        return count(self._manifest, scored, found, sum(seconds))


def _split(columns: list[list[Any]], *widths: int) -> Iterator[list[list[Any]]]:
    """Yield so many of the columns, so many of the next, and all that are left."""
    first = 0
    for width in widths:
        yield columns[first : first + width]
        first += width
    yield columns[first:]


def _read(cells: list[Any]) -> NDArray[np.object_]:
    """Return a column as a reader of files would give it."""
    return np.array([plain_text(cell) for cell in cells], dtype=object)


def _is_plain(feature: Feature) -> bool:
    return feature.kind in (Kind.NUMBER, Kind.INTEGER) and feature.part is None


def _allowed(feature: Feature) -> Container[object]:
    """Return what holds the texts that the feature promises."""
    if feature.categories is not None:
        return frozenset(feature.categories.values)
    return _FreeTexts(feature.range.low, feature.range.high) if feature.range else ()


class _FreeTexts:
    """All texts of a length from `low` to `high`, but those that the careful way would read in its own manner."""

    def __init__(self, low: float, high: float) -> None:
        self._low = low
        self._high = min(high, LONGEST_TEXT)

    def __contains__(self, text: object) -> bool:
        # The careful way knows the empty text for a missing one, and mends what is no valid Unicode.
        return text != "" and self._low <= len(str(text)) <= self._high and plain_text(str(text)) == text


def _getter(columns: list[str]) -> Any:
    """Return what takes `columns` out of a row as a tuple; None when there are none."""
    if not columns:
        return None
    return itemgetter(*columns) if len(columns) > 1 else lambda row: (row[columns[0]],)
