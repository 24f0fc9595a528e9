"""What follows the last number of a network: a class and its probability, from scores of whatever kind."""

from collections.abc import Sequence
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from hakobu.export.boosting.graph import class_labels
from hakobu.export.boosting.part import Part
from hakobu_runtime.errors import ProjectError
from hakobu_runtime.format.manifest import ClassLabel

_NEAR = 1e-3


class Scores(StrEnum):
    """What the numbers are that a classifying network ends in."""

    ODDS = "probabilities"
    LOG_ODDS = "logarithms of probabilities"
    LOGITS = "logits"


def probe(width: int) -> NDArray[np.float32]:
    """Return rows near and far from zero, the same ones every time, to see what a network gives."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(64, width)) * np.repeat([0.1, 1.0, 10.0, 1000.0], 16)[:, None]
    return np.asarray(rows, dtype=np.float32)


def scores_of(found: NDArray[np.floating]) -> Scores:
    """Return what the numbers `found` of a network are, shape (n, scores): probabilities sum to 1 in every row."""
    rows = found[np.isfinite(found).all(axis=1)]
    if len(rows) == 0:
        return Scores.LOGITS
    if rows.shape[1] == 1:
        return Scores.ODDS if bool(((rows >= 0) & (rows <= 1)).all()) else Scores.LOGITS
    if bool((rows >= 0).all()) and bool((np.abs(rows.sum(axis=1) - 1) < _NEAR).all()):
        return Scores.ODDS
    if bool((rows <= _NEAR).all()) and bool((np.abs(np.exp(rows).sum(axis=1) - 1) < _NEAR).all()):
        return Scores.LOG_ODDS
    return Scores.LOGITS


def odds_of(found: NDArray[np.floating], scores: Scores) -> NDArray[np.float64]:
    """Return the probability of each class, shape (n, classes), from the network's numbers `found`."""
    values = found.astype(np.float64)
    if scores is Scores.LOG_ODDS:
        return np.exp(values)
    if values.shape[1] == 1:
        with np.errstate(over="ignore"):
            second = values if scores is Scores.ODDS else 1 / (1 + np.exp(-values))
        return np.concatenate([1 - second, second], axis=1)
    if scores is Scores.ODDS:
        return values
    raised = np.exp(values - values.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def codes_of(found: NDArray[np.floating], scores: Scores) -> NDArray[np.int64]:
    """Return the place of the class of each row, from the network's numbers `found`."""
    if found.shape[1] > 1:
        return np.asarray(found.argmax(axis=1))
    return (found[:, 0] > (0.5 if scores is Scores.ODDS else 0.0)).astype(np.int64)


def write_ending(part: Part, found: str, count: int, scores: Scores, classes: Sequence[ClassLabel]) -> None:
    """Add what computes "label" (n,) and "probabilities" (n, classes), float32, from `found`, `count` numbers a row."""
    check_count(count, classes)
    values = part.cast(part.node("Reshape", found, part.constant(np.array([-1, count]))), TensorProto.DOUBLE)
    one = part.constant(np.array([1.0]))
    odds = values
    if count == 1:
        above = part.node("Greater", values, part.constant(np.array([0.5 if scores is Scores.ODDS else 0.0])))
        place = part.cast(part.node("Reshape", above, part.constant(np.array([-1]))), TensorProto.INT64)
        if scores is Scores.LOGITS:
            odds = part.node("Div", one, part.node("Add", one, part.node("Exp", part.node("Neg", values))))
        odds = part.node("Concat", part.node("Sub", one, odds), odds, axis=1)
    else:
        place = part.node("ArgMax", values, axis=1, keepdims=0)
        if scores is not Scores.ODDS:
            odds = part.node("Exp", values) if scores is Scores.LOG_ODDS else part.node("Softmax", values, axis=1)
    part.cast(odds, TensorProto.FLOAT, to="probabilities")
    part.node("Gather", part.constant(class_labels(classes)), place, to="label", axis=0)


def check_count(count: int, classes: Sequence[ClassLabel]) -> None:
    """Raise ProjectError unless `count` numbers a row tell `classes` apart."""
    if len(classes) != max(2, count):
        raise ProjectError(
            f"the model gives {count} numbers a row, and {len(classes)} classes were named\n"
            f"remedy: name {max(2, count)} classes, in the order of its outputs"
        )
