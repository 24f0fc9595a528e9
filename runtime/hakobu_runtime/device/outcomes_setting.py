"""Whether this device keeps predictions until their labels come, for how long, and by which columns rows are known."""

import os
import re
from typing import Final, Literal

from hakobu_runtime.device.state import State
from hakobu_runtime.disk import write_whole
from hakobu_runtime.errors import FormatError, StateError, UsageError
from hakobu_runtime.format.codec import Value, decode, encode

SCHEMA: Final = "hakobu.keep-setting/1"
MOST_DAYS: Final = 3650
_SALT = re.compile(r"[0-9a-f]{64}")


class Keep(Value, frozen=True):
    """The setting of a device that keeps predictions."""

    schema: Literal["hakobu.keep-setting/1"]
    days: int
    """Days of use after which a prediction goes."""
    salt: str
    """32 random bytes in hex, which never leave the device: without them a hash says nothing about an id."""
    ids: tuple[str, ...] = ()
    """The columns that tell rows apart, of a model that names none."""

    def __post_init__(self) -> None:
        if not 1 <= self.days <= MOST_DAYS:
            raise FormatError(f"predictions are kept for 1 to {MOST_DAYS} days, not {self.days}")
        if not _SALT.fullmatch(self.salt):
            raise FormatError("the salt of a device is 64 hexadecimal digits")


def read_keep(state: State) -> Keep | None:
    """Return the setting; None where nothing is kept. Raise StateError when it cannot be read."""
    try:
        content = state.keep.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StateError(f"{state.keep}: cannot be read: {error.strerror}") from error
    try:
        return decode(content, Keep, str(state.keep))
    except FormatError as error:
        raise StateError(
            f"{error}; delete the file and turn keeping on again: hakobu-run keep --days 90 (labels of what was kept "
            "until now then find nothing)"
        ) from error


def turn_on(state: State, days: int, ids: tuple[str, ...]) -> Keep:
    """Keep predictions from now on; what was kept before stays known by its ids."""
    before = read_keep(state)
    try:
        keep = Keep(
            SCHEMA, days, before.salt if before else os.urandom(32).hex(), ids or (before.ids if before else ())
        )
    except FormatError as error:
        raise UsageError(str(error)) from error
    try:
        write_whole(state.keep, encode(keep), mode=0o600)
    except OSError as error:
        raise StateError(f"{state.keep}: cannot be written: {error.strerror}") from error
    return keep


def turn_off(state: State) -> None:
    """Keep nothing from now on."""
    try:
        state.keep.unlink(missing_ok=True)
    except OSError as error:
        raise StateError(f"{state.keep}: cannot be deleted: {error.strerror}") from error
