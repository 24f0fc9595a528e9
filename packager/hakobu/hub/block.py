"""The counts of a window, or of many, as one row of whole numbers: so that sums over a fleet are sums of vectors.

A bundle's manifest says which number stands where, breaches at the end, since most never happen. A block is that row,
packed: as many bytes a number as the largest needs, without the zeros at the end. To deflate it would save a quarter of
that, and take a third longer.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hakobu_runtime.errors import DamageError, FormatError
from hakobu_runtime.format.counts import LATENCY_EDGES_US, WindowCounts
from hakobu_runtime.format.histogram import Counts
from hakobu_runtime.format.manifest import Classification, Manifest
from hakobu_runtime.limits.breach import Rule, Verdict

_VERDICTS = tuple(verdict.word for verdict in Verdict)
_RULES = tuple(rule.value for rule in Rule)
_LATENCY = len(LATENCY_EDGES_US) + 1
_TYPES = tuple(np.dtype(name) for name in ("u1", "<u2", "<u4", "<u8"))
"""By the first byte of a block."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the counts of one bundle stand in its row."""

    verdicts: slice
    features: Mapping[str, slice]
    outputs: Mapping[str, slice]
    """Of `labels` and `scores`, those that the bundle counts."""
    latency: slice
    breaches: Mapping[str, slice]
    """By feature or column, "" for rows that cannot be read: a number for each rule."""
    size: int

    @classmethod
    def of(cls, manifest: Manifest) -> "Layout":
        """Return the layout of the counts that the bundle of `manifest` leads to."""
        at = 1 + len(_VERDICTS)  # the rows come first

        def places(sizes: Iterable[tuple[str, int]]) -> dict[str, slice]:
            nonlocal at
            found = {}
            for name, size in sizes:
                found[name] = slice(at, at + size)
                at += size
            return found

        outputs = manifest.outputs
        counted = {"scores": outputs.scores}
        if isinstance(outputs, Classification):
            counted["labels"] = outputs.labels
        named = dict.fromkeys(("", *(feature.name for feature in manifest.features), *manifest.columns))
        return cls(
            slice(1, at),
            places((feature.name, feature.baseline.bins.size) for feature in manifest.features),
            places((name, one.bins.size) for name, one in sorted(counted.items()) if one is not None),
            places([("", _LATENCY)])[""],
            places((name, len(_RULES)) for name in named),
            at,
        )


def row_of(
    layout: Layout,
    rows: int,
    verdicts: Mapping[str, int],
    features: Mapping[str, Sequence[int]],
    outputs: Mapping[str, Sequence[int]],
    breaches: Mapping[str, Mapping[str, int]],
    latency: Sequence[int],
) -> Counts:
    """Return counts as the row of `layout`, int64, shape (layout.size,).

    Raises FormatError where they are of other features, bins, verdicts or rules than the bundle has.
    """
    values = [rows, *_ordered("verdicts", verdicts, _VERDICTS)]
    for part, places in ((features, layout.features), (outputs, layout.outputs)):
        for name, place in places.items():
            size = place.stop - place.start
            counts = part.get(name) or (0,) * size
            if len(counts) != size:
                raise FormatError(f"{name[:80]!r} is counted over {len(counts)} slots, the bundle has {size}")
            values.extend(counts)
        if unknown := part.keys() - places.keys():
            raise FormatError(f"{min(unknown)[:80]!r} is counted, which the bundle does not have")
    values.extend(latency or (0,) * _LATENCY)
    if len(values) != layout.latency.stop:
        raise FormatError(f"the time taken is counted over {len(latency)} slots, there are {_LATENCY}")
    found = np.zeros(layout.size, dtype=np.int64)
    found[: len(values)] = values
    for name, rules in breaches.items():
        if name not in layout.breaches:
            raise FormatError(f"breaches of {name[:80]!r} are counted, which the bundle does not have")
        found[layout.breaches[name]] = _ordered(f"breaches of {name[:80]!r}", rules, _RULES)
    return found


def counts_of(layout: Layout, row: Counts) -> WindowCounts:
    """Return the counts that a row of `layout` holds, every feature and output among them, and breaches above 0."""
    breaches = {}
    for name, place in layout.breaches.items():
        if row[place].any():
            breaches[name] = {rule: many for rule, many in zip(_RULES, row[place].tolist(), strict=True) if many}
    return WindowCounts(
        rows=int(row[0]),
        verdicts=dict(zip(_VERDICTS, row[layout.verdicts].tolist(), strict=True)),
        features={name: row[place].copy() for name, place in layout.features.items()},
        outputs={name: row[place].copy() for name, place in layout.outputs.items()},
        breaches=breaches,
        latency=row[layout.latency].copy(),
    )


def pack_row(row: Counts) -> bytes:
    """Return a row, none of whose numbers is negative, as a block."""
    largest = int(row.max())
    code = 0 if largest < 1 << 8 else 1 if largest < 1 << 16 else 2 if largest < 1 << 32 else 3
    return bytes([code]) + row.astype(_TYPES[code]).tobytes().rstrip(b"\0")


def unpack_row(content: bytes, size: int) -> Counts:
    """Return the row in a block of the database, int64, shape (size,); raise DamageError when it is none."""
    code = content[0] if content else len(_TYPES)
    if code >= len(_TYPES) or len(content) - 1 > size * _TYPES[code].itemsize:
        raise DamageError(
            f"counts in the database are damaged, or not of a bundle of {size} numbers: restore a backup, hakobu hub "
            "restore"
        )
    return np.frombuffer(content[1:].ljust(size * _TYPES[code].itemsize, b"\0"), _TYPES[code]).astype(np.int64)


def _ordered(what: str, counts: Mapping[str, int], names: Sequence[str]) -> list[int]:
    unknown = [name for name in counts if name not in names]
    if unknown:
        raise FormatError(f"{what}: {unknown[0][:80]!r} is not known here: update the hub")
    return [counts.get(name, 0) for name in names]
