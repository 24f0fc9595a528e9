"""A model that its builder wants to be used for a certain time only: warned of, then marked, then refused."""

from collections.abc import Callable
from datetime import UTC, datetime

from hakobu_runtime.device.diagnosis import Check, failure, warning
from hakobu_runtime.device.facts import EARLIEST, facts_of, floor_in
from hakobu_runtime.device.state import State
from hakobu_runtime.errors import StateError
from hakobu_runtime.format.best_before import Age, BestBefore
from hakobu_runtime.format.manifest import Manifest

_NEWER = "take a newer one: hakobu-run sync, or hakobu-run install FILE.hako"


def heed(state: State | None, manifest: Manifest, now: datetime, warn: Callable[[str], None]) -> str:
    """Return what every output of the model is to be marked with, "" for nothing; `warn` hears that it is old.

    The day is that of `now`, or a later one that something was signed on which this device verified. Raises StateError
    when the model must not be used any more.
    """
    words, age = _judged(state, manifest, now)
    if age is Age.REFUSED:
        raise StateError(f"{words}; {_NEWER}")
    if age is Age.FRESH:
        return ""
    warn(f"{words}; {_NEWER}")
    day = manifest.best_before.mark
    return f"since {day}" if age is Age.MARKED else ""


def age_check(state: State, manifest: Manifest, now: datetime) -> Check | None:
    """Return what `doctor` should say of the model's age; None when there is nothing to say."""
    words, age = _judged(state, manifest, now)
    if age is Age.FRESH:
        return None
    name = f"{manifest.name} {manifest.version}: age"
    make = failure if age is Age.REFUSED else warning
    return make(name, words, _NEWER)


def age_words(state: State, manifest: Manifest, now: datetime) -> str:
    """Say how old the model is for its builder's taste; "" when it is not."""
    return _judged(state, manifest, now)[0]


def _judged(state: State | None, manifest: Manifest, now: datetime) -> tuple[str, Age]:
    if manifest.best_before == BestBefore():
        return "", Age.FRESH
    floor = floor_in(facts_of(state, manifest.name)) if state and state.slots.exists() else EARLIEST
    today = max(now, floor).astimezone(UTC).date()
    age, day = manifest.best_before.age(today)
    name = f"{manifest.name} {manifest.version}"
    return {
        Age.FRESH: "",
        Age.WARNED: f"{name} is past its best since {day}, as its builder says",
        Age.MARKED: f"{name} is past its best since {day}, as its builder says, so that every output is marked",
        Age.REFUSED: f"{name} must not be used since {day}, as its builder says (it is {today}): nothing is scored",
    }[age], age
