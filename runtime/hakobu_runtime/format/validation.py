"""Gates: the checks that a build had to pass, as they were judged."""

from enum import StrEnum
from typing import Final, Literal

from hakobu_runtime.format.codec import Value

SCHEMA: Final = "hakobu.validation/1"


class Outcome(StrEnum):
    """How a gate was judged."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_JUDGED = "not judged"
    """There was too little to judge by; never the same as passed."""


class Stage(StrEnum):
    """What a gate looks at."""

    DATA = "data"
    MODEL = "model"
    EXPORT = "export"


class Gate(Value, frozen=True):
    """One check of a build: the rule, the value found, its limit, and the outcome."""

    stage: Stage
    name: str
    rule: str
    value: str
    limit: str
    outcome: Outcome
    remedy: str = ""


class Validation(Value, frozen=True):
    """Every gate of a build, in the order of judging."""

    schema: Literal["hakobu.validation/1"]
    gates: tuple[Gate, ...]

    @property
    def failed(self) -> tuple[Gate, ...]:
        """The gates that stop the build."""
        return tuple(gate for gate in self.gates if gate.outcome is Outcome.FAILED)
