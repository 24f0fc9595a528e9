"""The time that all of an image bears: SOURCE_DATE_EPOCH, or 1980."""

import os

from hakobu.freeze.executable import EPOCH
from hakobu_runtime.errors import UsageError

_LATEST = 253402300799
"""The last second of the year 9999, where times end as images write them."""


def moment() -> int:
    """Return it in seconds since 1970; raise UsageError when SOURCE_DATE_EPOCH holds something else."""
    text = os.environ.get("SOURCE_DATE_EPOCH") or EPOCH
    if not (text.isascii() and text.isdigit() and int(text) <= _LATEST):
        raise UsageError(f"SOURCE_DATE_EPOCH: {text!r} is no number of seconds since 1970; correct it, or unset it")
    return int(text)
