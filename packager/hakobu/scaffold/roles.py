"""What the builder says of the columns before anything is guessed."""

from dataclasses import dataclass

from hakobu.settings import Task
from hakobu_runtime.errors import UsageError


@dataclass(frozen=True, slots=True)
class Roles:
    """The columns that are not learned from, and what they are for."""

    target: str
    time: str | None = None
    group: str | None = None
    ids: tuple[str, ...] = ()
    time_format: str | None = None
    task: Task | None = None
    """None leaves it to what the target holds."""

    def __post_init__(self) -> None:
        if self.target in (self.time, self.group, *self.ids):
            raise UsageError(f"column '{self.target}' cannot be the target and the time, group or id as well")
        if self.time_format is not None and self.time is None:
            raise UsageError("--time-format says how --time COLUMN is written: name that column too")

    @property
    def names(self) -> frozenset[str]:
        """All the columns that are named here."""
        return frozenset({self.target, *self.ids} | {name for name in (self.time, self.group) if name})
