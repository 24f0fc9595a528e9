"""Scoring: check, predict, and say what became of each row."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

from numpy.typing import NDArray

from hakobu_runtime.format.block import Block, Wanted
from hakobu_runtime.format.golden import Golden
from hakobu_runtime.format.manifest import Classification, Manifest
from hakobu_runtime.limits.check import check
from hakobu_runtime.limits.derive import wanted
from hakobu_runtime.model import Model
from hakobu_runtime.rows.columns import block_of
from hakobu_runtime.scorer.counting import count, places
from hakobu_runtime.scorer.record import Record
from hakobu_runtime.scorer.scores import Score, Scored, Scores, refuse_what_is_no_number, scores_of
from hakobu_runtime.scorer.single import Single


class Scorer:
    """Scores rows with one model, whose bytes were verified."""

    def __init__(self, manifest: Manifest, model: bytes, record: Record | None = None, stale: str = "") -> None:
        self.manifest = manifest
        self.stale = stale
        """Since when its builder wants every output marked, like "since 2027-01-31"; "" when not."""
        classes = manifest.outputs.classes if isinstance(manifest.outputs, Classification) else ()
        self._model = Model(model, manifest.tensors, classes)
        self._record = record
        self._single = Single(manifest, self._model, record) if Single.fits(manifest) else None

    def load(self) -> bool:
        """Load the model now, not when the first row comes; say whether this call did. Raises BundleError."""
        return self._model.load()

    def flush(self) -> None:
        """Put the counts of all rows scored so far where they stay; without a record this does nothing."""
        if self._record is not None:
            self._record.flush()

    def wanted(self) -> Wanted:
        """Return what a reader must deliver: every input, and the id and time columns where the table has them."""
        manifest = self.manifest
        texts = [*manifest.id_columns, *([manifest.time.column] if manifest.time else [])]
        return wanted(manifest.features, texts, manifest.missing_values)

    def score(self, columns: Mapping[str, Sequence[object] | NDArray[Any]]) -> Scores:
        """Score a table given as columns of equal length; raise InputError when one is missing."""
        started = perf_counter()
        keeper = self._record.keeper if self._record is not None else None
        block = block_of(columns, self.wanted() if keeper is None else keeper.wanted(self.wanted()))
        scored = self.score_block(block)
        if self._record is not None:
            found = places(self.manifest, block, datetime.now(UTC))
            if keeper is not None:
                keeper.take(scored, found)
            self._record.add(count(self.manifest, scored, found, perf_counter() - started))
        return scores_of(self.manifest, scored)

    def score_one(self, row: Mapping[str, object]) -> Score:
        """Score one row given as `{column: cell}`; None is a missing cell, a column left out is an InputError."""
        if self._single is not None:
            score = self._single.score(row)
            if score is not None:
                return score
        return next(iter(self.score({name: [cell] for name, cell in row.items()})))

    def score_block(self, block: Block) -> Scored:
        """Score a block that a reader delivered."""
        checked = check(block, self.manifest)
        keep = checked.scorable
        if keep.all():
            predicted = self._model.predict(checked.numbers, checked.strings)
        else:
            predicted = self._model.predict(checked.numbers[keep], checked.strings[keep])
        return Scored(block, *refuse_what_is_no_number(checked, predicted))

    def replay(self, golden: Golden) -> tuple[str, ...]:
        """Score the golden rows and return what differs from what the trained model gave, in words; () when nothing."""
        scores = scores_of(self.manifest, self.score_block(block_of(golden.columns, self.wanted())))
        found = (_difference(golden, scores, row) for row in range(len(golden)))
        return tuple(f"golden row {row + 1}: {words}" for row, words in enumerate(found) if words)


def _difference(golden: Golden, scores: Scores, row: int) -> str:
    """Say how a replayed row differs; "" when it does not."""
    if scores.verdicts[row] != golden.verdicts[row]:
        return f"the verdict is {scores.verdicts[row]}, the trained model's was {golden.verdicts[row]}"
    got, expected = scores.predictions[row], golden.predictions[row]
    if isinstance(got, float) and isinstance(expected, int | float):
        pairs = [(got, float(expected))]
    elif got != expected:
        return f"the prediction is {got!r}, the trained model's was {expected!r}"
    else:
        odds = golden.probabilities[row]
        found = None if scores.probabilities is None or odds is None else scores.probabilities[row].tolist()
        pairs = list(zip(found, odds, strict=True)) if found is not None and odds is not None else []
    for one, other in pairs:
        if not abs(one - other) <= golden.tolerance.allows(other):
            return f"the number is {one!r}, the trained model's was {other!r}"
    return ""
