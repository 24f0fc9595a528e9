"""The roles of a depot: their names, how long what they sign holds, and what hakobu adds to TUF's metadata."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from tuf.api.metadata import Signed

from hakobu_runtime.errors import UsageError
from hakobu_runtime.format.manifest import NAME

ROOT, TARGETS, SNAPSHOT, TIMESTAMP = "root", "targets", "snapshot", "timestamp"
TOP: Final = (ROOT, TARGETS, SNAPSHOT, TIMESTAMP)
"""TUF's own roles; every other one is a model's, and has its name."""

FORMAT: Final = "hakobu.depot/1"
FORMAT_FIELD: Final = "x-hakobu-depot"
"""In root: the format of the depot."""
PERIOD: Final = "x-hakobu-days"
"""In every role: for how many days each version of it holds, so that whoever has the role's key can renew it."""
HOLDER: Final = "x-hakobu-holder"
"""In every key: its name."""
RECEIPTS: Final = "receipts"
"""The name of the key that signs receipts for counts which came home; no role of TUF, it says nothing of bundles."""
RECEIPTS_FIELD: Final = "x-hakobu-receipts"
"""In targets: the public keys of receipts, as PEM, which every channel hands on to its devices."""

_MODEL_DAYS = 1825
DAYS: Mapping[str, int] = MappingProxyType({ROOT: 3650, TARGETS: _MODEL_DAYS, SNAPSHOT: 400, TIMESTAMP: 400})
"""For how many days each role holds, unless told otherwise; the reasons are in docs/decisions/0012."""
MOST_DAYS: Final = 7300

_OWN = re.compile(rf"(?:{'|'.join((*TOP, RECEIPTS))})(?:-\d+)?")
"""The names of the depot's own roles and keys, such as root-2: a model of that name would be signed with them."""
_RESERVED = frozenset({"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))})
"""Names that Windows gives to no file and no folder."""


def default_days(role: str) -> int:
    """Return for how many days `role` holds when nothing else was asked for."""
    return DAYS.get(role, _MODEL_DAYS)


def days_of(signed: Signed) -> int:
    """Return for how many days each version of a role holds, as its last one says."""
    found = signed.unrecognized_fields.get(PERIOD)
    return found if isinstance(found, int) and 1 <= found <= MOST_DAYS else default_days(signed.type)


def renew(signed: Signed, now: datetime, days: int | None = None) -> None:
    """Let `signed` hold from `now` for its days, or from now on for `days`."""
    period = days or days_of(signed)
    signed.unrecognized_fields[PERIOD] = period
    signed.expires = now.replace(microsecond=0) + timedelta(days=period)


def check_model(model: str) -> None:
    """Raise UsageError when no role, or on some PC no folder, can have the name of this model."""
    if not NAME.fullmatch(model):
        raise UsageError(f"{model!r} is no model's name: they are of a-z, 0-9 and inner hyphens")
    if model in _RESERVED or _OWN.fullmatch(model):
        whose = "a device of Windows" if model in _RESERVED else "a role or a key of every depot"
        raise UsageError(f"a model named {model!r} cannot be in a depot, since that is {whose}: give it another name")


def holder(key: Any) -> str:
    """Return the name of a key of a depot; the beginning of its id when it has none."""
    found = key.unrecognized_fields.get(HOLDER)
    return found if isinstance(found, str) and found else str(key.keyid)[:12]
