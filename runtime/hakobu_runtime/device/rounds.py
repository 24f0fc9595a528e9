"""`sync --every`: one look after another, each at a time of its own, so that a fleet does not come all at once."""

from collections.abc import Callable
from random import Random

from hakobu_runtime.device.asking import RefusedError
from hakobu_runtime.device.lock import locked
from hakobu_runtime.device.state import State
from hakobu_runtime.device.stop import Stop, StopAsked
from hakobu_runtime.errors import HakobuError, StateError

FIRST_RETRY = 60.0
"""How many seconds after a look that failed the next one comes; it is twice as long after each further one."""
_SPREAD = 0.1


def keep_syncing(
    state: State, look: Callable[[], None], every: float, warn: Callable[[str], None], stop: Stop, chance: Random
) -> None:
    """Let `look` look until the end is asked for, `every` so many seconds; sooner after one that failed.

    What fails is told once, and tried again. Raises StateError when another process does the same for this state.
    """
    trouble, failures = "", 0
    try:
        state.updates.mkdir(exist_ok=True)
    except OSError as error:
        raise StateError(f"{state.updates}: cannot be made: {error.strerror}; mend the permissions there") from error
    with locked(state.updates / "rounds"):
        while not stop.asked:
            try:
                look()
                trouble, failures = "", 0
            except StopAsked:
                break
            except HakobuError as error:
                failures = 0 if isinstance(error, RefusedError) else failures + 1  # the same again changes nothing
                if str(error) != trouble:
                    warn(f"{error}; it is tried again")
                trouble = str(error)
            stop.pause(pause(every, failures, chance))


def pause(every: float, failures: int, chance: Random) -> float:
    """Return how many seconds to wait after so many looks in a row that failed: a tenth more or less than asked for."""
    wanted = min(every, FIRST_RETRY * 2.0 ** min(failures - 1, 30)) if failures else every
    return wanted * chance.uniform(1 - _SPREAD, 1 + _SPREAD)
