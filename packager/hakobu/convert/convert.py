"""`hakobu convert`: will my model travel? Exported, held against its source on every row, or refused."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from hakobu.convert.learned import learned
from hakobu.convert.outcome import Converted, Proof, Status
from hakobu.convert.sample import Sample
from hakobu.convert.stated import Stated
from hakobu.convert.told import told_by
from hakobu.export.advice import advice
from hakobu.export.confined import Confines, confined
from hakobu.export.convert import Exported, export
from hakobu.pack.hard import hard_block
from hakobu.parity import Parity, compare
from hakobu.sources.classes import classes_of
from hakobu.sources.served import Served
from hakobu.table import frame_of, matrices_of
from hakobu_runtime.errors import BundleError, ProjectError
from hakobu_runtime.format.feature import Feature, Missing
from hakobu_runtime.format.golden import Tolerance
from hakobu_runtime.format.manifest import ClassLabel, Dtype
from hakobu_runtime.format.onnx import check_model
from hakobu_runtime.model import Model, Predicted

_BEYOND = "take another estimator for the step that differs"


@dataclass(frozen=True, slots=True)
class _Travel:
    """A model on its way, and what it is judged by."""

    estimator: Any
    served: Any
    """The same, which takes rows the way the device has them."""
    sample: Sample
    frame: pd.DataFrame
    """The sample's rows."""
    classes: tuple[ClassLabel, ...]
    tolerance: Tolerance
    confines: Confines


def convert(
    estimator: Any,
    sample: Sample,
    tolerance: Tolerance | None = None,
    confines: Confines | None = None,
    stated: Stated | None = None,
) -> Converted:
    """Export `estimator`, fitted, and hold it against itself on the rows of `sample` and on hard rows made from them.

    Numbers are read in the sample's dtype, and in the other one where that fails. The source is always given doubles.
    Raises UsageError where the model is not what was `stated` of it, InputError at a wrong cell of expected outputs.
    """
    served = Served(estimator)
    frame = frame_of(sample.block, sample.inputs, Dtype.FLOAT64)
    draft = Converted(
        Status.REFUSED, getattr(estimator, "library", type(estimator).__name__), sample.inputs, (), sample.dtype
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            classes = classes_of(estimator, served, frame)
        except ProjectError as error:
            return _refused(draft, error, estimator)
        (stated or Stated()).check_classes(classes)
        travel = _Travel(estimator, served, sample, frame, classes, tolerance or Tolerance(), confines or Confines())
        draft = replace(draft, classes=classes)
        first = _try(travel, draft)
        if first.status is not Status.REFUSED:
            return first
        other = Dtype.FLOAT64 if sample.dtype is Dtype.FLOAT32 else Dtype.FLOAT32
        second = _try(travel, replace(draft, dtype=other))
        # Of two refusals, the one that got further tells more.
        return first if second.status is Status.REFUSED and (first.proof or not second.proof) else second


def _try(travel: _Travel, draft: Converted) -> Converted:
    """Export with numbers of the draft's dtype, and prove."""
    estimator, inputs = travel.estimator, travel.sample.inputs
    try:
        exported = confined(partial(export, estimator, inputs, bool(travel.classes), draft.dtype), travel.confines)
        check_model(exported.model)
        proof, features = _prove(travel, exported, draft.dtype)
    except (ProjectError, BundleError) as error:
        return _refused(draft, error, estimator)
    draft = replace(draft, proof=proof, not_scored=tuple(_not_scored(features)))
    if proof is None:
        return replace(draft, status=Status.NOT_PROVEN, exported=exported)
    if not proof.whole.agrees:
        remedy = advice(estimator) or _BEYOND
        return replace(draft, reason=_difference(proof, travel.tolerance), remedy=remedy)
    return replace(draft, status=Status.EXACT if proof.whole.exact else Status.MATCH, exported=exported)


def _refused(draft: Converted, error: ProjectError | BundleError, estimator: Any) -> Converted:
    reason, _, remedy = str(error).partition("\nremedy: ")
    if isinstance(error, BundleError):
        reason = f"the exported model cannot run: {reason}"
    return replace(draft, reason=reason, remedy=remedy or advice(estimator) or _BEYOND)


def _prove(travel: _Travel, exported: Exported, dtype: Dtype) -> tuple[Proof | None, tuple[Feature, ...]]:
    """Compare on the sample, then on hard rows; None where nothing tells what is right."""
    model, sample = Model(exported.model, exported.tensors, travel.classes), travel.sample
    if getattr(travel.served, "proven", True):
        rows = _compare(travel, travel.served, model, travel.frame, dtype)
        if not rows.agrees:
            return Proof(rows), ()
        features = learned(travel.served, sample, travel.frame, travel.classes)
        made = hard_block(sample.block, features, sample.dtype, exported.splits, seed=0, bounded=bool(travel.classes))
        edges = frame_of(made, sample.inputs, Dtype.FLOAT64)
        return Proof(rows, _compare(travel, travel.served, model, edges, dtype)), features
    predicted = _predict(model, travel.frame, sample, dtype)
    told = told_by(sample, travel.classes)
    if told is None:
        return None, ()
    return Proof(compare(told, travel.frame, predicted, travel.classes, travel.tolerance)), ()


def _compare(travel: _Travel, source: Any, model: Model, frame: pd.DataFrame, dtype: Dtype) -> Parity:
    predicted = _predict(model, frame, travel.sample, dtype)
    try:
        return compare(source, frame, predicted, travel.classes, travel.tolerance)
    except ValueError as error:
        words = " ".join(str(error).split())[:300]
        place = f"row {_first_refused(source, frame) + 1} of the sample" if frame is travel.frame else "some hard rows"
        raise ProjectError(
            f"the model refuses {place}: {words}\n"
            "remedy: let the pipeline impute what is missing and ignore what is unknown, or mend the sample"
        ) from error


def _first_refused(source: Any, frame: pd.DataFrame) -> int:
    """Return the first row of `frame`, from 0, that `source` refuses."""
    taken, refused = 0, len(frame)
    while refused - taken > 1:
        middle = (taken + refused) // 2
        try:
            source.predict(frame.iloc[:middle])
            taken = middle
        except ValueError:
            refused = middle
    return refused - 1


def _predict(model: Model, frame: pd.DataFrame, sample: Sample, dtype: Dtype) -> Predicted:
    numbers, strings = matrices_of(frame, sample.inputs, Dtype.FLOAT64)
    with np.errstate(over="ignore"):
        return model.predict(numbers.astype(dtype.value), strings)


def _not_scored(features: Sequence[Feature]) -> Iterator[str]:
    for feature in features:
        if feature.missing is Missing.REFUSED:
            yield f"a missing {feature.name}"
        if feature.categories is not None and not feature.categories.scores_unknown:
            yield f"an unknown {feature.name}"


def _difference(proof: Proof, tolerance: Tolerance) -> str:
    """Say in words how the exported model differs."""
    parity, where = proof.rows, "rows of the sample"
    if parity.agrees and proof.edge_rows is not None:
        parity, where = proof.edge_rows, "rows made to be hard"
    words = []
    if parity.labels_changed:
        words.append(f"the class changes in {parity.labels_changed} of {parity.rows} {where}")
    if parity.beyond:
        words.append(
            f"{parity.beyond} numbers in {parity.rows} {where} differ by more than {tolerance.absolute:g} + "
            f"{tolerance.relative:g} x value, at most by {parity.absolute:.3g}"
        )
    return "; ".join(words) or f"the values differ by up to {parity.absolute:.3g}, and vary by {parity.spread:.3g} only"
