"""One case through one exporter, to a verdict."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import is_classifier

from fidelity import ours, standard
from fidelity.answer import Answer, Difference, ask, differ, has_inference, predicts
from fidelity.case import Case
from fidelity.outcome import Outcome, Verdict
from fidelity.rows import accepted, hard_rows
from fidelity.tables import Table, as_numbers
from hakobu.export.advice import advice
from hakobu_runtime.errors import HakobuError
from hakobu_runtime.format.manifest import Dtype

SEED = 2026
"""Of the rows that decide; our own proof draws others."""


def judge(case: Case, exporter: str, dtype: type[np.floating] = np.float64) -> Outcome:
    """Return what becomes of `case`, fitted and asked in `dtype`, through `exporter`, "standard" or "ours"."""
    if case.unfit:
        return Outcome(Verdict.BROKEN, case.unfit)
    np.seterr(all="ignore")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            estimator, table = case.fit(dtype)
            if not has_inference(estimator):
                return Outcome(Verdict.NO_INFERENCE)
            X = accepted(estimator, hard_rows(estimator, table, SEED), table, flat=case.flat)
            source = ask(estimator, X[:, 0] if case.flat else X)
        except Exception as error:  # noqa: BLE001 - any estimator may raise anything, and the table shall end
            return Outcome(Verdict.BROKEN, _words(error))
        if exporter == "standard":
            return _through_standard(estimator, table, X, source)
        outcomes = [_through_ours(case, estimator, table, X, source, kind) for kind in _first_of(dtype)]
        return next((found for found in outcomes if found.verdict is not Verdict.REFUSED), outcomes[0])


def _first_of(dtype: type[np.floating]) -> Sequence[Dtype]:
    """Return what the exported model may read: float32, or double where the source did and float32 is refused."""
    return (Dtype.FLOAT32, Dtype.FLOAT64) if dtype is np.float64 else (Dtype.FLOAT32,)


def _through_standard(estimator: Any, table: Table, X: Any, source: Answer) -> Outcome:
    try:
        content = standard.carry(estimator, as_numbers(table.X, np.float32))
        labels, odds = source.labels is not None, source.numbers is not None
        carried = standard.answer(content, as_numbers(X, np.float32), labels=labels, odds=odds)
    except ModuleNotFoundError as error:
        return Outcome(Verdict.BROKEN, _words(error))
    except Exception as error:  # noqa: BLE001 - as above
        return Outcome(Verdict.REFUSED, _words(error))
    return _outcome(differ(source, carried))


def _through_ours(case: Case, estimator: Any, table: Table, X: Any, source: Answer, dtype: Dtype) -> Outcome:
    labels = source.labels is not None
    try:
        classes = ours.classes_of(estimator, table.X, labels=labels)
        exported = ours.carry(estimator, table, dtype, labels=labels)
        made = ours.proof_rows(exported, table, bounded=is_classifier(estimator))
        rows = accepted(estimator, made, table, flat=case.flat)
        known = ask(estimator, rows[:, 0] if case.flat else rows)
        proven = differ(known, ours.answer(exported, rows, classes, dtype))
    except HakobuError as error:
        return Outcome(Verdict.REFUSED, _words(error))
    except Exception as error:  # noqa: BLE001 - a fault of ours, or of the bench, is no refusal
        return Outcome(Verdict.BROKEN, _words(error))
    if predicts(estimator) and known.numbers is not None and np.isnan(known.numbers).any():
        return Outcome(Verdict.REFUSED, f"the source itself predicts no number for some hard rows{_remedy(estimator)}")
    if proven.differing:
        words = proven.words or f"{proven.differing} of {proven.rows} rows differ, by up to {proven.largest:.2g}"
        words = f"the proof on hard rows: {words}{_remedy(estimator)}"
        return Outcome(Verdict.REFUSED, words, proven.rows, proven.differing, proven.largest)
    return _outcome(differ(source, ours.answer(exported, X, classes, dtype)), exported.repairs)


def _outcome(found: Difference, repairs: tuple[str, ...] = ()) -> Outcome:
    verdict = Verdict.WRONG if found.differing else Verdict.EXACT if found.identical else Verdict.MATCH
    return Outcome(verdict, found.words, found.rows, found.differing, found.largest, repairs)


def _remedy(estimator: Any) -> str:
    """Return what `hakobu convert` says to do, "" where it knows nothing special."""
    known = advice(estimator)
    return f" remedy: {known}" if known else ""


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:600]
