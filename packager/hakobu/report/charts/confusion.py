"""Which class is taken for which."""

from collections.abc import Iterator

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from hakobu.report.draw.figure import Figure
from hakobu.report.draw.label import cut, width_of
from hakobu.report.draw.svg import element, picture, words

_WIDTH, _MOST, _MOST_WRITTEN = 360.0, 30, 8
_LETTERS = 12


def confusion(codes: NDArray[np.int64], said: NDArray[np.int64], classes: tuple[str, ...]) -> Iterator[Figure]:
    """Yield the matrix of the true classes against the predicted ones; none of more than 30 classes."""
    size = len(classes)
    if size > _MOST:
        return
    counts = np.bincount(codes * size + said, minlength=size * size).reshape(size, size)
    label = f"Confusion matrix of {size} classes; {np.trace(counts) / max(counts.sum(), 1):.1%} of the rows are right"
    yield Figure(
        "Confusion matrix", _drawn(counts, classes, label),
        note="A row is a true class, a column what the model said of it. Shares are of the row.",
    )  # fmt: skip


def _drawn(counts: NDArray[np.int64], classes: tuple[str, ...], label: str) -> Markup:
    size = len(classes)
    left = 14.0 + min(max(map(width_of, classes)), _LETTERS) * 6.6
    top = 40.0
    side = (_WIDTH - left) / size
    tall = min(side, 78.0)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    parts: list[Markup] = [words(left, 12, "predicted", "name"), words(0, top - 8, "true", "name")]
    for row, name in enumerate(classes):
        if tall >= 9:
            parts.append(words(left - 6, top + (row + 0.5) * tall + 4, cut(name, _LETTERS), anchor="end"))
        if side >= 20:
            letters = max(2, int(side / 6.6))
            parts.append(words(left + (row + 0.5) * side, top - 8, cut(name, letters), anchor="middle"))
        for column in range(size):
            parts += _cell(
                left + column * side, top + row * tall, side, tall, int(counts[row, column]),
                float(shares[row, column]), f"{name} taken for {classes[column]}", right=row == column,
                written=size <= _MOST_WRITTEN,
            )  # fmt: skip
    return picture(_WIDTH, top + size * tall + 4, label, *parts)


def _cell(
    x: float, y: float, width: float, height: float, count: int, share: float, what: str, *, right: bool, written: bool
) -> list[Markup]:
    look, strength = "right" if right else "wrong", f"{0.05 + 0.55 * share:.2f}"
    told = element("title", f"{what}: {count:,} rows, {share:.1%}")
    parts = [
        element(
            "rect",
            told,
            x=x + 1,
            y=y + 1,
            width=max(width - 2, 1),
            height=max(height - 2, 1),
            rx=3,
            class_=look,
            fill_opacity=strength,
        )
    ]
    if written:
        parts.append(words(x + width / 2, y + height / 2 + (0 if height > 34 else 5), f"{share:.0%}", "cell", "middle"))
        if height > 34:
            parts.append(words(x + width / 2, y + height / 2 + 15, f"{count:,}", "cell small", "middle"))
    return parts
