"""The proofs of a build: the exported model gives what the trained one gives, wherever one looks."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hakobu.export.convert import Exported
from hakobu.gates.judge import judge
from hakobu.gates.parity import parity_gates
from hakobu.pack.golden import golden_columns
from hakobu.pack.hard import hard_block
from hakobu.parity import compare, whole
from hakobu.table import Table, frame_of_matrices, take
from hakobu.train import Trained
from hakobu_runtime.format import golden as golden_format
from hakobu_runtime.format.golden import Golden, Tolerance
from hakobu_runtime.format.manifest import Classification, ClassLabel, Manifest
from hakobu_runtime.format.validation import Gate, Outcome, Stage
from hakobu_runtime.limits.breach import Verdict
from hakobu_runtime.limits.check import check
from hakobu_runtime.limits.derive import wanted
from hakobu_runtime.model import Predicted, codes_of
from hakobu_runtime.rows.columns import block_of
from hakobu_runtime.scorer.scorer import Scorer

T = TypeVar("T")


def is_proven(trained: Trained) -> bool:
    """Say whether there is a source that tells what is right; of an ONNX model that was brought there is none."""
    return bool(getattr(trained.estimator, "proven", True))


@dataclass(frozen=True, slots=True)
class Proof:
    """What the exported model is held against, and how closely."""

    table: Table
    trained: Trained
    tolerance: Tolerance
    advice: str
    """What to do where they differ."""

    def holdout_gates(self, predicted: Predicted) -> Iterator[Gate]:
        """Judge what onnxruntime gave for the rows of the hold-out."""
        if not is_proven(self.trained):
            yield Gate(
                Stage.EXPORT, "parity", "rows held against the source model", "none", "all", Outcome.NOT_JUDGED,
                "the model was brought as ONNX: whether it is the trained one, only its maker can tell",
            )  # fmt: skip
            return
        parity = compare(self.trained.estimator, self.trained.X_holdout, predicted, self.table.classes, self.tolerance)
        yield from parity_gates(parity, self.tolerance, self.advice)

    def hard_gates(self, manifest: Manifest, exported: Exported) -> Iterator[Gate]:
        """Judge rows made to be hard too: the hold-out seldom holds a row on a split, or two gaps in one row."""
        block = hard_block(
            take(self.table.block, self.trained.split.train),
            manifest.features,
            manifest.dtype,
            exported.splits,
            manifest.provenance.seed,
            bounded=isinstance(manifest.outputs, Classification),
        )
        scored = Scorer(manifest, exported.model).score_block(block)
        keep, checked = scored.checked.scorable, scored.checked
        if not is_proven(self.trained):
            return
        frame = frame_of_matrices(checked.numbers[keep], checked.strings[keep], manifest.features)
        try:
            parity = compare(self.trained.estimator, frame, scored.predicted, self.table.classes, self.tolerance)
            yield from parity_gates(parity, self.tolerance, self.advice, "hard rows")
        except ValueError as error:
            words = " ".join(str(error).split())[:200]
            yield judge(
                Stage.EXPORT, "parity: hard rows", "rows that the trained pipeline cannot score", "some", 0,
                passed=False,
                remedy=f"the pipeline refuses rows with unusual cells: {words}; make it score or reject them",
            )  # fmt: skip

    def golden(self, manifest: Manifest, model: bytes) -> tuple[Golden, Gate]:
        """Return the golden rows with what the trained model gives for them, and judge the exported one by them."""
        columns = golden_columns(take(self.table.block, self.trained.split.train), manifest)
        block = block_of(columns, wanted(manifest.features, missing_values=manifest.missing_values))
        checked = check(block, manifest)
        keep = checked.scorable
        frame = frame_of_matrices(checked.numbers[keep], checked.strings[keep], manifest.features)
        golden = Golden(
            schema=golden_format.SCHEMA,
            columns=columns,
            predictions=_spread(keep, _predictions(self.trained, frame, manifest)),
            probabilities=_spread(keep, _probabilities(self.trained, frame, manifest)),
            verdicts=tuple(Verdict(verdict).word for verdict in checked.verdicts.tolist()),
            tolerance=self.tolerance,
        )
        differences = Scorer(manifest, model).replay(golden)
        gate = judge(
            Stage.EXPORT,
            "parity: golden rows",
            f"rows that differ, of {len(golden)} at every limit",
            len(differences),
            0,
            passed=not differences,
            remedy=f"{'; '.join(differences[:1])}: the exported model is not the trained one at these edges",
        )
        return golden, gate


def _spread(keep: NDArray[np.bool_], found: Iterable[T]) -> tuple[T | None, ...]:
    """Return `found`, one for each kept row, with None for the others."""
    items = iter(found)
    return tuple(next(items) if kept else None for kept in keep)


def _predictions(trained: Trained, frame: pd.DataFrame, manifest: Manifest) -> Sequence[ClassLabel | float]:
    if len(frame) == 0:
        return []
    found = np.asarray(trained.estimator.predict(frame)).reshape(len(frame))
    if not isinstance(manifest.outputs, Classification):
        return [float(value) for value in found]
    return [manifest.outputs.classes[code] for code in codes_of(whole(found), manifest.outputs.classes)]


def _probabilities(trained: Trained, frame: pd.DataFrame, manifest: Manifest) -> list[tuple[float, ...] | None]:
    if manifest.tensors.probabilities is None or len(frame) == 0:
        return [None] * len(frame)
    return [tuple(row) for row in np.asarray(trained.estimator.predict_proba(frame), dtype=np.float64).tolist()]
