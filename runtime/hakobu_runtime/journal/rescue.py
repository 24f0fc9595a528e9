"""What a journal leaves to others: what becomes of a file that is damaged."""

from contextlib import AbstractContextManager
from typing import Protocol

from hakobu_runtime.errors import DamageError
from hakobu_runtime.journal.windows import Lost


class Rescue(Protocol):
    """How to go on when a journal is damaged."""

    def alone(self) -> AbstractContextManager[None]:
        """Hold the file's place while it is opened, so that it is not moved away just then."""

    def file(self, error: DamageError) -> None:
        """Move the damaged file away, unless that is done by now, so that a new one can be made; or raise."""

    def window(self, lost: Lost) -> None:
        """Hear that one window was set aside."""
