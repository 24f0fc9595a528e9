"""The gates of fairness: whether the model treats named groups of rows alike, by fairlearn's measures.

M. Hardt, E. Price and N. Srebro, "Equality of Opportunity in Supervised Learning", NeurIPS 2016; the measures are those
of fairlearn.metrics. Groups too small to say anything are left out, by name.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import get_scorer

from hakobu.gates.answers import Answers
from hakobu.gates.evidence import GroupMetric
from hakobu.gates.judge import judge
from hakobu.gates.metrics import scored
from hakobu.settings import FairnessTable
from hakobu_runtime.format.validation import Gate, Outcome, Stage

FEWEST = 30
"""Rows below which a group's share is little more than chance: its standard error is 9 points or more."""

Groups = Mapping[str, NDArray[np.object_]]
"""For each named column, the group of each row of the hold-out, shape (rows,)."""


def group_metrics(groups: Groups, answers: Answers, y: NDArray[Any], main: str) -> tuple[GroupMetric, ...]:
    """Return the main metric, and of two classes the share that is given the last one, on the rows of each group."""
    scorer, estimator = get_scorer(main), answers.estimator()
    found = []
    for column, members in groups.items():
        for group in _known(members):
            rows = np.flatnonzero(members == group)
            enough = len(rows) >= FEWEST
            value = scored(scorer, estimator, rows[:, None], y[rows]) if enough else float("nan")
            found.append(GroupMetric(column, group, len(rows), main, value))
            if answers.classes is not None and len(answers.classes) == 2:
                given = answers.by_method["predict"][rows] == answers.classes[1]
                share = float(given.mean()) if enough else float("nan")
                found.append(GroupMetric(column, group, len(rows), f"given {answers.classes[1]}", share))
    return tuple(found)


def fairness_gates(
    groups: Groups, answers: Answers, y: NDArray[Any], main: str, limits: FairnessTable
) -> Iterator[Gate]:
    """Judge every named column of groups."""
    whole = scored(get_scorer(main), answers.estimator(), np.arange(len(y))[:, None], y)
    for column, members in groups.items():
        large = [group for group in _known(members) if int((members == group).sum()) >= FEWEST]
        left = [group for group in _known(members) if group not in large]
        if len(large) < 2:
            yield Gate(
                Stage.MODEL, f"fair: {column}", f"groups with {FEWEST} rows of the hold-out or more",
                ", ".join(large) or "none", "2 groups", Outcome.NOT_JUDGED,
                f"too few rows in {', '.join(left) or 'any other group'}: bring more rows of each group",
            )  # fmt: skip
            continue
        rows = np.flatnonzero(np.isin(members, large))
        note = f"; too few rows to judge: {', '.join(left)}" if left else ""
        if answers.classes is not None:
            yield from _alike(column, members[rows], answers, y, rows, limits, note)
        yield _worst(column, members, large, answers, y, main, whole, limits, note)


def _known(members: NDArray[np.object_]) -> list[str]:
    return sorted({str(group) for group in members.tolist() if group != ""})


def _alike(
    column: str, members: NDArray[np.object_], answers: Answers, y: NDArray[Any], rows: NDArray[np.int64],
    limits: FairnessTable, note: str,
) -> Iterator[Gate]:  # fmt: skip
    """Judge whether each class is given to the groups alike: at all, and where it is right or wrong."""
    from fairlearn.metrics import demographic_parity_difference, equalized_odds_difference

    kinds: tuple[tuple[str, Callable[..., float], float, str], ...] = (
        ("demographic parity", demographic_parity_difference, limits.demographic_parity,
         "the class is given to some groups more often"),
        ("equalized odds", equalized_odds_difference, limits.equalized_odds,
         "the model errs otherwise in some groups"),
    )  # fmt: skip
    classes = answers.classes if answers.classes is not None else np.array([])
    said, true = answers.by_method["predict"][rows], y[rows]
    asked = classes[1:] if len(classes) == 2 else classes
    for name, measure, limit, words in kinds:
        # Of two classes one says it all; of more, each against the rest, and the worst counts.
        apart = {str(one): float(measure(true == one, said == one, sensitive_features=members)) for one in asked}
        worst = max(apart, key=lambda one: apart[one])
        yield judge(
            Stage.MODEL, f"fair: {column}, {name}", f"largest difference between groups, class {worst}{note}",
            apart[worst], f"<= {limit:.4g}", passed=apart[worst] <= limit,
            remedy=f"{words}: look at the features that stand for '{column}', bring more rows of the groups, weigh "
            "them, or answer for it and raise the limit in [gates.fairness]",
        )  # fmt: skip


def _worst(
    column: str, members: NDArray[np.object_], large: list[str], answers: Answers, y: NDArray[Any], main: str,
    whole: float, limits: FairnessTable, note: str,
) -> Gate:  # fmt: skip
    scorer, estimator = get_scorer(main), answers.estimator()
    values = {}
    for group in large:
        rows = np.flatnonzero(members == group)
        values[group] = scored(scorer, estimator, rows[:, None], y[rows])
    name, rule = f"fair: {column}, worst group", f"{main} on all rows minus in the worst group"
    known = {group: value for group, value in values.items() if not np.isnan(value)}
    if len(known) < len(values) or np.isnan(whole):
        lacking = ", ".join(sorted(values.keys() - known.keys())) or "all rows"
        words = f"{main} cannot be computed in {lacking}: a class is missing there; bring more rows"
        return Gate(Stage.MODEL, name, rule + note, "nan", f"<= {limits.worst_group:.4g}", Outcome.NOT_JUDGED, words)
    worst = min(known, key=lambda group: known[group])
    loss = whole - known[worst]
    return judge(
        Stage.MODEL, name, f"{rule} ({worst}){note}", loss, f"<= {limits.worst_group:.4g}",
        passed=loss <= limits.worst_group,
        remedy=f"the model is worse for '{worst}': bring more of its rows, weigh them, or answer for it and raise "
        "[gates.fairness] worst_group",
    )  # fmt: skip
