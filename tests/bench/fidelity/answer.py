"""What a model says of rows, and how two that say it compare."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier, is_regressor
from sklearn.feature_selection import SelectorMixin

ABSOLUTE, RELATIVE = 1e-5, 1e-4
"""Numbers may differ by ABSOLUTE + RELATIVE times the source's number; labels not at all."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Labels, numbers, or both, for n rows."""

    labels: NDArray[Any] | None
    """Shape (n,)."""
    numbers: NDArray[np.float64] | None
    """Shape (n, k): probabilities, a value, or what a transformer gives."""


def has_inference(estimator: Any) -> bool:
    """Say whether `estimator`, fitted, answers for new rows."""
    return hasattr(estimator, "predict") or hasattr(estimator, "transform")


def predicts(estimator: Any) -> bool:
    """Say whether `estimator` is asked for predictions; what chooses columns is a step, whatever it chose them by."""
    return hasattr(estimator, "predict") and not isinstance(estimator, SelectorMixin)


def ask(estimator: Any, X: Any) -> Answer:
    """Return what the source says of the rows `X`."""
    if not predicts(estimator):
        return Answer(None, dense(estimator.transform(X), len(X)))
    found = np.asarray(estimator.predict(X))
    found = found[:, 0] if found.ndim == 2 and found.shape[1] == 1 else found
    if found.ndim == 2 or is_regressor(estimator) or (found.dtype.kind == "f" and not is_classifier(estimator)):
        return Answer(None, dense(found, len(X)))
    odds = estimator.predict_proba(X) if hasattr(estimator, "predict_proba") and is_classifier(estimator) else None
    odds = odds[0] if isinstance(odds, list) and len(odds) == 1 else odds
    return Answer(found, None if odds is None else dense(odds, len(X)))


def dense(found: Any, rows: int) -> NDArray[np.float64]:
    """Return numbers of any form as a matrix."""
    found = found.toarray() if hasattr(found, "toarray") else np.asarray(found)
    matrix: NDArray[np.float64] = found.reshape(rows, -1).astype(np.float64)
    return matrix


@dataclass(frozen=True, slots=True)
class Difference:
    """How far an answer is from another one."""

    rows: int
    differing: int
    largest: float
    identical: bool
    """Whether all numbers are the same as float32."""
    words: str = ""
    """Why the two cannot even be compared."""


def differ(source: Answer, carried: Answer) -> Difference:
    """Return how `carried` differs from `source`."""
    first = source.labels if source.labels is not None else source.numbers
    rows = 0 if first is None else len(first)
    wrong, largest, identical = np.zeros(rows, dtype=np.bool_), 0.0, True
    if source.labels is not None:
        if carried.labels is None or len(carried.labels) != rows:
            return Difference(rows, rows, np.inf, False, "it gives no label for each row")
        wrong |= np.array([_word(a) != _word(b) for a, b in zip(source.labels, carried.labels, strict=True)])
    if source.numbers is not None:
        if carried.numbers is None or carried.numbers.shape != source.numbers.shape:
            shape = None if carried.numbers is None else carried.numbers.shape
            return Difference(
                rows, rows, np.inf, False, f"its numbers have the shape {shape}, not {source.numbers.shape}"
            )
        with np.errstate(invalid="ignore", over="ignore"):
            wanted = source.numbers.astype(np.float32).astype(np.float64)
            distance = np.abs(carried.numbers - wanted)
        same = (wanted == carried.numbers) | (np.isnan(wanted) & np.isnan(carried.numbers))
        with np.errstate(invalid="ignore"):
            near = same | (distance <= ABSOLUTE + RELATIVE * np.abs(wanted))
        wrong |= ~near.all(axis=1)
        identical = bool(same.all())
        largest = float(np.max(np.where(same, 0.0, np.nan_to_num(distance, nan=np.inf)), initial=0.0))
    return Difference(rows, int(wrong.sum()), largest, identical)


def _word(label: Any) -> str:
    if isinstance(label, bool | np.bool_):
        return str(int(label))
    return str(int(label)) if isinstance(label, float | np.floating) and float(label).is_integer() else str(label)
