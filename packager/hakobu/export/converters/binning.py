"""Numbers into bins, with the edges in double."""

from typing import Any

import numpy as np
from sklearn.preprocessing import KBinsDiscretizer

from hakobu.export.converters.edges import count_at_or_below
from hakobu.export.converters.registry import Converter
from hakobu.export.converters.step import Step, gives


def _convert_bins(scope: Any, operator: Any, container: Any) -> None:
    step, bins = Step(scope, operator, container), operator.raw_operator
    matrix = step.numbers()
    if bins.dtype is not None and np.dtype(bins.dtype) == np.float32:
        matrix = step.double(step.float32(matrix))
    # The ends are no edges: what lies beyond falls into the first or last bin.
    found = count_at_or_below(step, matrix, [edges[1:-1] for edges in bins.bin_edges_])
    if bins.encode == "ordinal":
        step.give(found)
        return
    widest = int(max(bins.n_bins_))
    values = np.array([0, 1], dtype=np.float32)
    hot = step.add("OneHot", found, np.array(widest), values, axis=-1)
    flat = step.reshape(hot, 0, widest * len(bins.n_bins_))
    kept = [place * widest + bin_ for place, count in enumerate(bins.n_bins_) for bin_ in range(count)]
    step.give(flat if len(kept) == widest * len(bins.n_bins_) else step.add("Gather", flat, np.array(kept), axis=1))


def _columns(bins: Any) -> int:
    return len(bins.n_bins_) if bins.encode == "ordinal" else int(sum(bins.n_bins_))


CONVERTERS: tuple[Converter, ...] = (
    Converter(KBinsDiscretizer, gives(_columns), _convert_bins, "bin edges compared in double"),
)
