"""The names of columns: those that are asked for must be there, once."""

from collections.abc import Iterable, Sequence

from hakobu_runtime.errors import InputError
from hakobu_runtime.format.block import Wanted

_DELIMITERS = {",": "','", ";": "';'", "\t": "'\\t'", "|": "'|'"}


def check_names(where: str, columns: Sequence[str], wanted: Wanted, delimiter: str | None = None) -> None:
    """Raise InputError when `columns` lack a required one, or hold a wanted one twice.

    `delimiter` is what a line of text was cut by; without it the hint at a wrong one is left out.
    """
    lacking = sorted(wanted.required.difference(columns))
    if lacking:
        raise InputError(_lacking(where, columns, lacking) + _delimiter_hint(columns, delimiter))
    for name in (*wanted.forms, *wanted.carried):
        if columns.count(name) > 1:
            raise InputError(
                f"{where}: column {name!r} stands {columns.count(name)} times in the header; "
                "rename or delete all but the one to be used"
            )


def _lacking(where: str, columns: Sequence[str], lacking: Sequence[str]) -> str:
    if len(lacking) == 1:
        start = f"{where}: column {lacking[0]!r} is missing"
    else:
        listed = ", ".join(repr(name) for name in lacking[:8])
        more = f" and {len(lacking) - 8} more" if len(lacking) > 8 else ""
        start = f"{where}: {len(lacking)} columns are missing: {listed}{more}"
    close = dict.fromkeys(near for name in lacking[:8] for near in nearest(name, columns))
    if close:
        return f"{start}; the nearest there: {', '.join(repr(name) for name in list(close)[:8])}"
    there = ", ".join(repr(name[:40]) for name in columns[:8])
    more = f" and {len(columns) - 8} more" if len(columns) > 8 else ""
    return f"{start}; the columns there: {there or 'none'}{more}"


def _delimiter_hint(columns: Sequence[str], delimiter: str | None) -> str:
    if delimiter is None or len(columns) != 1:
        return ""
    found = [sign for sign in _DELIMITERS if sign != delimiter and sign in columns[0]]
    if not found:
        return ""
    best = max(found, key=columns[0].count)
    return f"; the header was read as a single name, so the delimiter looks wrong: try --delimiter {_DELIMITERS[best]}"


def nearest(name: str, names: Iterable[str]) -> list[str]:
    """Return up to three of `names` that look like `name`, the likest first, whatever their case and spaces."""
    from difflib import get_close_matches  # here, since most names are right

    plain: dict[str, str] = {}
    for other in names:
        plain.setdefault(str(other).strip().casefold(), str(other))
    return [plain[found] for found in get_close_matches(name.strip().casefold(), plain, n=3, cutoff=0.6)]
