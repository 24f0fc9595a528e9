"""One ordinary row, fast: no arrays are made, and its counts wait in memory until there are enough to count at once."""

import struct
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from math import isfinite
from operator import itemgetter
from time import perf_counter
from typing import Any

import numpy as np

from hakobu_runtime.format.block import Block
from hakobu_runtime.format.counts import WindowCounts
from hakobu_runtime.format.feature import Feature, Kind
from hakobu_runtime.format.manifest import Classification, Dtype, Manifest, WindowBy
from hakobu_runtime.format.window import Window
from hakobu_runtime.limits.check import Checked
from hakobu_runtime.model import Model, OneRow, Predicted
from hakobu_runtime.scorer.counting import count
from hakobu_runtime.scorer.record import ENOUGH, Record
from hakobu_runtime.scorer.scores import Score, Scored

_REFUSED = (KeyError, TypeError, struct.error, OverflowError)
"""What an unusual cell makes of the fast way; the careful way then says what is wrong."""


class Single:
    """Scores a row whose every cell is as promised, and hands back any other (None) for the careful way.

    Each thread has buffers of its own; what waits to be counted is shared and locked.
    """

    def __init__(self, manifest: Manifest, model: Model, record: Record | None) -> None:
        numbers, texts = manifest.number_features, manifest.category_features
        self._manifest = manifest
        self._model = model
        self._classes = manifest.outputs.classes if isinstance(manifest.outputs, Classification) else ()
        self._numbers = _getter([feature.column for feature in numbers])
        self._whole = _getter([feature.column for feature in numbers if feature.kind is Kind.INTEGER])
        self._texts = _getter([feature.column for feature in texts])
        self._known = [frozenset(feature.categories.values) for feature in texts if feature.categories]
        self._pack = struct.Struct(f"={len(numbers)}f").pack_into
        ranges = [feature.range for feature in numbers if feature.range]
        self._low = np.array([limits.low for limits in ranges], dtype=np.float32)
        self._high = np.array([limits.high for limits in ranges], dtype=np.float32)
        by_row = manifest.time is not None and manifest.monitor.window_by is WindowBy.ROW
        self._time = manifest.time.column if manifest.time and by_row else None
        self._local = threading.local()
        self._lock = threading.Lock()
        self._waiting: list[tuple[Any, ...]] = []
        self._record = record

    @staticmethod
    def fits(manifest: Manifest) -> bool:
        """Say whether rows of this model can go the fast way at all."""
        plain = all(_is_plain(feature) for feature in manifest.number_features)
        return plain and manifest.dtype is Dtype.FLOAT32 and not manifest.missing_values

    def score(self, row: Mapping[str, object]) -> Score | None:
        """Return the score of `row`; None when any of its cells is unusual."""
        started = perf_counter()
        one = getattr(self._local, "one", None) or self._bind()
        try:
            cells: tuple[Any, ...] = self._numbers(row) if self._numbers else ()
            if bool in set(map(type, cells)) or (self._whole and not set(map(type, self._whole(row))) <= {int}):
                return None
            self._pack(one.numbers.data, 0, *cells)
            texts = self._texts(row) if self._texts else ()
            time = row[self._time] if self._time is not None else ""
        except _REFUSED:
            return None
        if not one.within(self._low, self._high) or type(time) is not str or not self._are_known(texts):
            return None
        code, odds, value = one.run(texts)
        if not isfinite(sum(odds) if odds else value):
            return None
        if self._record is not None:
            self._wait((one.numbers.tobytes(), texts, time, code, odds, value, perf_counter() - started))
        if not self._classes:
            return Score(float(str(np.float32(value))), {}, "ok", ())
        return Score(self._classes[code], dict(zip(self._classes, odds, strict=True)) if odds else {}, "ok", ())

    def _bind(self) -> OneRow:
        self._local.one = one = self._model.one_row(len(self._low))
        return one

    def _are_known(self, texts: tuple[object, ...]) -> bool:
        return all(type(text) is str and text in known for text, known in zip(texts, self._known, strict=True))

    def _wait(self, entry: tuple[Any, ...]) -> None:
        with self._lock:
            self._waiting.append(entry)
            many = len(self._waiting)
        if self._record is not None and many in (1, ENOUGH):
            self._record.later(self.drain, now=many == ENOUGH)

    def drain(self) -> dict[Window, WindowCounts]:
        """Count all that waits, by window, and return it."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
        if not waiting:
            return {}
        packed, texts, times, codes, odds, values, seconds = zip(*waiting, strict=True)
        rows = len(waiting)
        numbers = np.frombuffer(b"".join(packed), dtype=np.float32).reshape(rows, len(self._low))
        strings = np.array(texts, dtype=object).reshape(rows, len(self._known))
        nothing = {feature.name: np.empty(0, dtype=np.int64) for feature in self._manifest.number_features}
        verdicts = np.zeros(rows, dtype=np.uint8)
        checked = Checked(numbers, strings, verdicts, (), numbers.T, strings.T, nothing)
        times_read = {} if self._time is None else {self._time: np.array(times, dtype=object)}
        is_class = bool(self._classes)
        predicted = Predicted(
            np.array(codes, dtype=np.int64) if is_class else None,
            np.array(odds, dtype=np.float32) if is_class and odds[0] else None,
            None if is_class else np.array(values, dtype=np.float32),
        )
        scored = Scored(Block(0, rows, {}, times_read), checked, predicted)
        return count(self._manifest, scored, datetime.now(UTC), sum(seconds))


def _is_plain(feature: Feature) -> bool:
    return feature.kind in (Kind.NUMBER, Kind.INTEGER) and feature.part is None


def _getter(columns: list[str]) -> Any:
    """Return what takes `columns` out of a row as a tuple; None when there are none."""
    if not columns:
        return None
    return itemgetter(*columns) if len(columns) > 1 else lambda row: (row[columns[0]],)
