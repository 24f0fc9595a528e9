"""What the user states of a model, held against what the model says of itself."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hakobu.settings import Task
from hakobu_runtime.errors import UsageError
from hakobu_runtime.format.manifest import ClassLabel


@dataclass(frozen=True, slots=True)
class Stated:
    """What was said of a model on the command line; None where nothing was."""

    task: Task | None = None
    classes: tuple[str, ...] | None = None
    """In the order of the model's outputs."""
    expected: str | None = None
    """The column of the sample with the right outputs."""

    def check_source(self, path: Path, estimator: Any) -> None:
        """Raise UsageError where outputs are expected of the model at `path` that can be asked for them itself."""
        if self.expected is not None and getattr(estimator, "proven", True):
            raise UsageError(
                f"--expected {self.expected}: tells what is right for a bare .onnx, and {path} is asked itself; "
                "leave --expected out"
            )

    def check_classes(self, known: tuple[ClassLabel, ...]) -> None:
        """Raise UsageError where a model of the classes `known`, none of a regression, is said to be another."""
        is_a = Task.CLASSIFICATION if known else Task.REGRESSION
        if self.task not in (None, is_a):
            raise UsageError(f"--task {self.task}: the model is a {is_a}; leave --task out, it knows by itself")
        if self.classes is None or self.classes == tuple(map(str, known)):
            return
        given = f"--classes {','.join(self.classes)}"
        if not known:
            raise UsageError(f"{given}: the model predicts a number, and has no classes; leave --classes out")
        shown = ", ".join(map(str, known[:8])) + (", ..." if len(known) > 8 else "")
        raise UsageError(f"{given}: the model knows its classes by itself: {shown}; leave --classes out")


def stated(task: str | None, classes: str | None, expected: str | None) -> Stated:
    """Return what the options say; raise UsageError where they make no sense together."""
    names = None if classes is None else tuple(name.strip() for name in classes.split(","))
    if names is not None:
        given = f"--classes {classes}"
        if task == Task.REGRESSION:
            raise UsageError(f"{given}: a regression has no classes; leave --classes out, or say --task classification")
        if len(names) < 2 or "" in names or len(set(names)) < len(names):
            raise UsageError(f"{given}: name two classes or more, each once, with commas between: --classes no,yes")
    return Stated(None if task is None else Task(task), names, expected)
