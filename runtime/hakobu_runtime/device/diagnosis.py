"""What a look at a device found: a line a check, each with its remedy."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from hakobu_runtime.errors import HakobuError, StateError
from hakobu_runtime.version import __version__


class Health(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    """Scoring goes on, yet somebody should look at it."""
    FAILURE = "failure"
    """Scoring fails, or cannot be relied on."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    health: Health
    words: str
    """What was found."""
    remedy: str = ""
    """What to do about it; none of what is well."""


def ok(name: str, words: str) -> Check:
    """Return the check of something that is well."""
    return Check(name, Health.OK, words)


def warning(name: str, words: str, remedy: str) -> Check:
    """Return the check of something that somebody should look at."""
    return Check(name, Health.WARNING, words, remedy)


def failure(name: str, words: str, remedy: str) -> Check:
    """Return the check of something that keeps the device from scoring."""
    return Check(name, Health.FAILURE, words, remedy)


def guarded(name: str, look: Callable[[], Check]) -> Check:
    """Return what `look` finds; what keeps it from looking is a failure, told like the others."""
    try:
        return look()
    except HakobuError as error:
        return failure(name, str(error), "do what it says, then run doctor again")
    except MemoryError:
        return failure(name, "the memory of this machine is used up", "close other programs, then run doctor again")
    except (OSError, ImportError, ValueError, RuntimeError) as error:
        words = f"cannot be looked at: {error or type(error).__name__}"
        return failure(name, words, "check the disk and its permissions, or install hakobu-runtime again")


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All that was looked at."""

    folder: str
    """The state folder."""
    checks: tuple[Check, ...]

    @property
    def exit_code(self) -> int:
        """0 when nothing failed, 8 when something did."""
        return StateError.exit_code if any(check.health is Health.FAILURE for check in self.checks) else 0

    def plain(self) -> dict[str, object]:
        """Return the diagnosis for JSON."""
        checks = [
            {"name": check.name, "health": check.health.value, "words": check.words, "remedy": check.remedy}
            for check in self.checks
        ]
        return {"runtime": __version__, "folder": self.folder, "healthy": self.exit_code == 0, "checks": checks}
