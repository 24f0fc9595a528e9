"""What became of the rows that were scored."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hakobu_runtime.format.block import Block
from hakobu_runtime.format.feature import Policy
from hakobu_runtime.format.manifest import Classification, ClassLabel, Manifest
from hakobu_runtime.limits.breach import Breach, Rule, Verdict
from hakobu_runtime.limits.check import Checked
from hakobu_runtime.model import Predicted

VERDICTS = tuple(verdict.word for verdict in Verdict)

Prediction = ClassLabel | float | None


class Score(NamedTuple):  # a frozen dataclass takes four times as long to make, a tenth of a fast row
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
    """A block with its check and what the model gave for the rows that were not rejected."""

    block: Block
    checked: Checked
    predicted: Predicted


def refuse_what_is_no_number(checked: Checked, predicted: Predicted) -> tuple[Checked, Predicted]:
    """Reject the rows for which the model gave NaN or infinity: what is no number must not leave as a score."""
    numbers = predicted.values if predicted.probabilities is None else predicted.probabilities
    if numbers is None or np.isfinite(numbers).all():
        return checked, predicted
    good = np.isfinite(numbers.reshape(len(numbers), -1)).all(axis=1)
    rows = np.flatnonzero(checked.scorable)[~good]
    verdicts = checked.verdicts.copy()
    verdicts[rows] = Verdict.REJECTED
    reason = "the model gives no finite number for this row"
    more = [Breach(row, "", Rule.NO_NUMBER, "", Policy.REJECT, Verdict.REJECTED, reason) for row in rows.tolist()]
    breaches = tuple(sorted((*checked.breaches, *more), key=lambda breach: breach.row))
    kept = Predicted(
        None if predicted.codes is None else predicted.codes[good],
        None if predicted.probabilities is None else predicted.probabilities[good],
        None if predicted.values is None else predicted.values[good],
    )
    return replace(checked, verdicts=verdicts, breaches=breaches), kept


def scores_of(manifest: Manifest, scored: Scored) -> Scores:
    """Join the predictions of the scorable rows with the verdicts of all."""
    checked, predicted = scored.checked, scored.predicted
    keep = np.flatnonzero(checked.scorable)
    predictions: list[Prediction] = [None] * len(checked)
    probabilities: NDArray[np.float32] | None = None
    classes: tuple[ClassLabel, ...] = ()
    found: list[Prediction] = []
    if isinstance(manifest.outputs, Classification):
        classes = manifest.outputs.classes
        found = [classes[code] for code in ([] if predicted.codes is None else predicted.codes.tolist())]
        if predicted.probabilities is not None:
            probabilities = np.full((len(checked), len(classes)), np.nan, dtype=np.float32)
            probabilities[keep] = predicted.probabilities
    elif predicted.values is not None:
        found = [float(str(value)) for value in predicted.values]
    for row, prediction in zip(keep.tolist(), found, strict=True):
        predictions[row] = prediction
    verdicts = tuple(VERDICTS[verdict] for verdict in checked.verdicts.tolist())
    return Scores(tuple(predictions), classes, probabilities, verdicts, checked.breaches)


def score_of(predicted: Predicted) -> NDArray[np.floating] | None:
    """Return the one number a row that is watched: the regression's value, or a probability of the classification.

    Of two classes it is the last one's, of more the largest; None for a classifier without probabilities.
    """
    if predicted.probabilities is None:
        return predicted.values
    if predicted.probabilities.shape[1] == 2:
        return predicted.probabilities[:, 1]
    largest: NDArray[np.float32] = predicted.probabilities.max(axis=1)
    return largest
