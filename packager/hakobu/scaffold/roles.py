"""What the builder says of the columns before anything is guessed."""

from dataclasses import dataclass

from hakobu.project import Task


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

    @property
    def names(self) -> frozenset[str]:
        """All the columns that are named here."""
        return frozenset({self.target, *self.ids} | {name for name in (self.time, self.group) if name})
