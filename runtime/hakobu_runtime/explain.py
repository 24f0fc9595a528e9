"""Why one row scored as it did: how much each feature moves the score away from what the background scores.

Shapley values by antithetic permutation sampling: each background row becomes the row to explain one feature after the
other, in a random order and in its reverse; what each step changes is that feature's share. So the shares add up to the
score minus the background's mean, whatever the sample.

E. Strumbelj and I. Kononenko, "Explaining prediction models and individual predictions with feature contributions",
Knowledge and Information Systems 41, 2014; R. Mitchell et al., "Sampling Permutations for Shapley Value Estimation",
JMLR 23(43), 2022 (antithetic sampling).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import fsum

import numpy as np
from numpy.typing import NDArray

from hakobu_runtime.errors import BundleError, InputError
from hakobu_runtime.format.background import Background
from hakobu_runtime.format.block import Block, Wanted
from hakobu_runtime.format.feature import Feature, Kind
from hakobu_runtime.format.histogram import number_text
from hakobu_runtime.format.manifest import Classification, ClassLabel, Manifest
from hakobu_runtime.limits.check import Checked, check
from hakobu_runtime.limits.derive import wanted
from hakobu_runtime.model import Model, Predicted
from hakobu_runtime.rows.columns import block_of
from hakobu_runtime.scorer.scores import VERDICTS

_MOST_RUNS = 20_000
"""How many rows the model is asked about for one explanation, at most."""
_FEWEST_ROWS = 8
_NEVER = 1e-7
"""How near to 0 and 1 a probability counts in log-odds: float32 tells no more."""


class Scale(StrEnum):
    """What is explained."""

    SCORE = "score"
    """The probability of a class, or the value."""
    LOG_ODDS = "log-odds"
    """The logarithm of p / (1 - p), in which the shares of most models add up more naturally."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one feature does to the score."""

    feature: str
    value: str
    """What the model reads of it, "" where it is missing."""
    unit: str
    share: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """The shares of all features, the largest first: `base` plus all of them is `score`."""

    what: str
    """What the score is: the probability of a class, or the value."""
    scale: Scale
    prediction: ClassLabel | float
    score: float
    base: float
    """The mean over the background."""
    shares: tuple[Share, ...]
    verdict: str
    reasons: tuple[str, ...]
    rows: int
    """How many rows of the background were taken."""


class Explainer:
    """Explains rows of one model."""

    def __init__(self, manifest: Manifest, model: bytes, background: Background) -> None:
        if not len(background):
            raise BundleError(
                f"{manifest.name} {manifest.version} has no background rows, so its scores cannot be explained; its "
                "builder left them out with [explain] rows = 0"
            )
        self._manifest = manifest
        self._classes = manifest.outputs.classes if isinstance(manifest.outputs, Classification) else ()
        self._model = Model(model, manifest.tensors, self._classes)
        self._numbers, self._strings = _matrices(manifest, background)

    def explain(self, row: Mapping[str, object], scale: Scale = Scale.SCORE) -> Explanation:
        """Explain the row given as `{column: cell}`; raise InputError when it has no score."""
        return self.explain_block(block_of({name: [cell] for name, cell in row.items()}, self.wanted), scale)

    @property
    def wanted(self) -> Wanted:
        """What a reader must deliver."""
        return wanted(self._manifest.features, (), self._manifest.missing_values)

    def explain_block(self, block: Block, scale: Scale = Scale.SCORE) -> Explanation:
        """Explain the one row of `block`; raise InputError when it has no score."""
        manifest = self._manifest
        checked = check(block, manifest)
        reasons = tuple(breach.reason for breach in checked.breaches)
        if not checked.scorable[0]:
            raise InputError(f"the row is rejected, so there is no score to explain: {'; '.join(reasons)}")
        predicted = self._model.predict(checked.numbers, checked.strings)
        code = None if predicted.codes is None else int(predicted.codes[0])
        aim = self._aim(code)
        score = float(self._scores(predicted, aim, scale)[0])
        base, shares = self._shares(checked, aim, scale)
        return Explanation(
            what=f"the probability that {manifest.target} is {_text(self._classes[aim])}"
            if self._classes
            else manifest.target,
            scale=scale if self._classes else Scale.SCORE,
            prediction=self._classes[code] if code is not None else score,
            score=score,
            base=base,
            shares=self._named(checked, shares),
            verdict=VERDICTS[int(checked.verdicts[0])],
            reasons=reasons,
            rows=self._taken,
        )

    def _aim(self, code: int | None) -> int:
        """Return the class whose probability is explained: the last of two, the predicted one of more."""
        return len(self._classes) - 1 if code is None or len(self._classes) == 2 else code

    @property
    def _taken(self) -> int:
        """How many background rows are walked from: fewer where there are many features."""
        features = len(self._manifest.features)
        return min(len(self._numbers), max(_FEWEST_ROWS, _MOST_RUNS // (2 * (features + 1))))

    def _shares(self, checked: Checked, aim: int, scale: Scale) -> tuple[float, NDArray[np.float64]]:
        """Return the mean over the background, and the share of each feature, number features first."""
        walks, features = 2 * self._taken, len(self._manifest.features)
        orders = _orders(walks, features)
        # Step s of a walk has the first s features of its order from the row, the others from the background.
        place = np.argsort(orders, axis=1)
        taken = place[:, None, :] < np.arange(features + 1)[None, :, None]
        start = np.repeat(np.arange(self._taken), 2)
        wide = self._numbers.shape[1]
        numbers = np.where(taken[..., :wide], checked.numbers[0], self._numbers[start][:, None, :])
        strings = np.where(taken[..., wide:], checked.strings[0], self._strings[start][:, None, :])
        runs = walks * (features + 1)
        predicted = self._model.predict(
            np.ascontiguousarray(numbers.reshape(runs, wide)),
            np.ascontiguousarray(strings.reshape(runs, features - wide)),
        )
        scores = self._scores(predicted, aim, scale).reshape(walks, features + 1)
        steps = np.diff(scores, axis=1)
        summed = np.zeros((walks, features))
        np.put_along_axis(summed, orders, steps, axis=1)
        shares = np.array([fsum(column) / walks for column in summed.T])
        return fsum(scores[:, 0]) / walks, shares

    def _scores(self, predicted: Predicted, aim: int, scale: Scale) -> NDArray[np.float64]:
        if predicted.probabilities is not None:
            odds = predicted.probabilities[:, aim].astype(np.float64)
            if scale is Scale.LOG_ODDS:
                odds = np.clip(odds, _NEVER, 1 - _NEVER)
                return np.asarray(np.log(odds / (1 - odds)))
            return np.asarray(odds)
        if predicted.values is not None:
            return np.asarray(predicted.values, dtype=np.float64).reshape(-1)
        if predicted.codes is None:
            raise AssertionError("a model gives a class or a value")
        if scale is Scale.LOG_ODDS:
            raise InputError("the model gives no probabilities, so there are no log-odds to explain")
        return np.asarray(predicted.codes == aim, dtype=np.float64)

    def _named(self, checked: Checked, shares: NDArray[np.float64]) -> tuple[Share, ...]:
        manifest = self._manifest
        found = []
        for place, feature in enumerate((*manifest.number_features, *manifest.string_features)):
            if feature.reads_text:
                value = str(checked.strings[0, place - len(manifest.number_features)])
            else:
                number = checked.numbers[0, place]
                value = "" if np.isnan(number) else _shown(feature, float(str(number)))
            found.append(Share(feature.name, value, feature.unit, float(shares[place])))
        return tuple(sorted(found, key=lambda one: -abs(one.share)))


def _matrices(manifest: Manifest, background: Background) -> tuple[NDArray[np.floating], NDArray[np.object_]]:
    rows = len(background)
    numbers = np.full((rows, len(manifest.number_features)), np.nan, dtype=manifest.dtype.value)
    for place, feature in enumerate(manifest.number_features):
        values = background.features[feature.name]
        numbers[:, place] = [np.nan if value is None else float(value) for value in values]
    strings = np.full((rows, len(manifest.string_features)), "", dtype=object)
    for place, feature in enumerate(manifest.string_features):
        strings[:, place] = [value or "" for value in background.features[feature.name]]
    return numbers, strings


def _orders(walks: int, features: int) -> NDArray[np.int64]:
    """Return an order of the features for each walk, every second one the reverse of the one before."""
    rng = np.random.default_rng(0)
    found = np.empty((walks, features), dtype=np.int64)
    for pair in range(0, walks, 2):
        found[pair] = rng.permutation(features)
        found[pair + 1] = found[pair][::-1]
    return found


def _shown(feature: Feature, number: float) -> str:
    return str(number == 1).lower() if feature.kind is Kind.BOOLEAN else number_text(number)


def _text(label: ClassLabel) -> str:
    return str(label).lower() if isinstance(label, bool) else str(label)
