"""The gate of leaks: one feature alone that predicts suspiciously well is seldom known when it is needed."""

from collections.abc import Iterator

from sklearn.metrics import balanced_accuracy_score, make_scorer, r2_score

from hakobu.gates.judge import judge
from hakobu.gates.single import alone
from hakobu.project import Project
from hakobu.settings import Task
from hakobu.train import Trained
from hakobu_runtime.format.validation import Gate, Stage

_LEAVES = 256
"""So many that a copy of a number is seen through, whatever its spread."""


def leak_gates(trained: Trained, project: Project) -> Iterator[Gate]:
    """Judge what each feature alone predicts of the hold-out, 0 being a guess and 1 perfect."""
    classifier = project.file.model.task is Task.CLASSIFICATION
    scorer = make_scorer(balanced_accuracy_score, adjusted=True) if classifier else make_scorer(r2_score)
    limit = project.file.gates.leakage
    scores = alone(trained, scorer, _LEAVES, project.file.model.seed)
    best = max(scores, key=lambda name: scores[name])
    leaks = [name for name in sorted(scores, key=lambda name: -scores[name]) if scores[name] > limit]
    measure = "balanced accuracy above a guess" if classifier else "R²"
    yield judge(
        Stage.DATA, "leak", f"{measure} of the most telling feature alone ({best})", scores[best], limit,
        passed=not leaks,
        remedy=f"{', '.join(leaks)} alone all but tells the target: is it known only afterwards, or made from it? "
        "Leave it out of [features]; or raise [gates] leakage to 1 if it truly is known before",
    )  # fmt: skip
