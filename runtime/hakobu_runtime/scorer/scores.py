"""What became of the rows that were scored."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hakobu_runtime.errors import BundleError
from hakobu_runtime.format.block import Block
from hakobu_runtime.format.manifest import Classification, ClassLabel, Manifest
from hakobu_runtime.limits.breach import Breach, Verdict
from hakobu_runtime.limits.check import Checked
from hakobu_runtime.model import Predicted

VERDICTS = tuple(verdict.word for verdict in Verdict)

Prediction = ClassLabel | float | None


@dataclass(frozen=True, slots=True)
class Score:
    """What became of one row."""

    prediction: Prediction
    """The class or the value; None when the row was rejected."""
    probabilities: Mapping[ClassLabel, float]
    verdict: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Scores:
    """What became of n rows."""

    predictions: tuple[Prediction, ...]
    """Length n: the class or the value, None for a rejected row."""
    classes: tuple[ClassLabel, ...]
    probabilities: NDArray[np.float32] | None
    """Shape (n, classes), NaN for a rejected row; None for a regression or a model without them."""
    verdicts: tuple[str, ...]
    """Length n: ok, warned, clipped or rejected."""
    breaches: tuple[Breach, ...]

    def __len__(self) -> int:
        return len(self.verdicts)

    def __iter__(self) -> Iterator[Score]:
        reasons = self.reasons
        for row, prediction in enumerate(self.predictions):
            odds: dict[ClassLabel, float] = {}
            if self.probabilities is not None and prediction is not None:
                odds = dict(zip(self.classes, self.probabilities[row].tolist(), strict=True))
            yield Score(prediction, odds, self.verdicts[row], reasons[row])

    @property
    def reasons(self) -> tuple[tuple[str, ...], ...]:
        """Length n: why each row is not ok."""
        found: list[list[str]] = [[] for _ in self.verdicts]
        for breach in self.breaches:
            found[breach.row].append(breach.reason)
        return tuple(map(tuple, found))


@dataclass(frozen=True, slots=True)
class Scored:
    """A block with its check, its predictions and its scores."""

    block: Block
    checked: Checked
    predicted: Predicted
    scores: Scores


def scores_of(manifest: Manifest, checked: Checked, predicted: Predicted) -> Scores:
    """Join the predictions of the scorable rows with the verdicts of all."""
    keep = np.flatnonzero(checked.scorable)
    predictions: list[Prediction] = [None] * len(checked)
    for row, prediction in zip(keep.tolist(), predictions_of(manifest, predicted), strict=True):
        predictions[row] = prediction
    probabilities: NDArray[np.float32] | None = None
    classes: tuple[ClassLabel, ...] = ()
    if isinstance(manifest.outputs, Classification):
        classes = manifest.outputs.classes
        if predicted.probabilities is not None:
            probabilities = np.full((len(checked), len(classes)), np.nan, dtype=np.float32)
            probabilities[keep] = predicted.probabilities
    verdicts = tuple(VERDICTS[verdict] for verdict in checked.verdicts.tolist())
    return Scores(tuple(predictions), classes, probabilities, verdicts, checked.breaches)


def predictions_of(manifest: Manifest, predicted: Predicted) -> list[Prediction]:
    """Return the class or the value of each scored row, as the builder's data writes it."""
    outputs = manifest.outputs
    if not isinstance(outputs, Classification):
        found = predicted.values if predicted.values is not None else np.empty(0)
        return [float(str(value)) for value in found]
    return [*name_classes(predicted.labels if predicted.labels is not None else np.empty(0), outputs.classes)]


def name_classes(found: NDArray[Any], classes: Sequence[ClassLabel]) -> list[ClassLabel]:
    """Return the classes that the model's labels stand for, as the builder's data writes them."""
    names: dict[object, ClassLabel] = {(label if isinstance(label, str) else int(label)): label for label in classes}
    try:
        return [names[label] for label in found.tolist()]
    except KeyError as error:
        raise BundleError(f"the model gave the class {error.args[0]!r}, which its manifest does not list") from error


def score_of(predicted: Predicted) -> NDArray[np.float32] | None:
    """Return the one number a row that is watched: the regression's value, or a probability of the classification.

    Of two classes it is the last one's, of more the largest; None for a classifier without probabilities.
    """
    if predicted.probabilities is None:
        return predicted.values
    if predicted.probabilities.shape[1] == 2:
        return predicted.probabilities[:, 1]
    largest: NDArray[np.float32] = predicted.probabilities.max(axis=1)
    return largest
