"""The column that places rows in time."""

from hakobu.scaffold.column import Column
from hakobu.scaffold.pattern import TIME_PATTERNS, Written, how_written
from hakobu_runtime.errors import InputError
from hakobu_runtime.limits.breach import quote

_FEW = 0.01


def clock_format(column: Column, asked: str | None, where: str) -> tuple[str | None, tuple[str, ...]]:
    """Return how the times are written, None for ISO 8601, and the few cells that hold none.

    Raises InputError when the column holds no times, or leaves open how they are written.
    """
    if len(column.present) < 2:
        held = f"is {quote(column.present[0])} in every row" if column.present else "is empty in every row"
        raise InputError(f"{where}: the time column {quote(column.name)} {held}; rows cannot be put in order by it")
    written = Written((asked,)) if asked else how_written(column.name, column.present, patterns=TIME_PATTERNS)
    if written is None:
        raise InputError(_refusal(column, column.present[0], where, "like 2026-12-31 or 2026-12-31T23:59:00"))
    if not written.certain:
        fitting = " or ".join(f"'{pattern}'" for pattern in written.patterns)
        raise InputError(
            f"{where}: the time column {quote(column.name)} holds {quote(column.present[0])}, "
            f"which can be read in two ways: say which with --time-format {fitting}"
        )
    counts = column.counts()
    bad = sorted((text for text in counts if not written.fits(text)), key=column.row_of)
    if sum(counts[text] for text in bad) >= _FEW * sum(counts.values()) and bad:
        raise InputError(_refusal(column, bad[0], where, f"like {written.pattern or '2026-12-31'}"))
    return written.pattern, tuple(bad)


def _refusal(column: Column, text: str, where: str, example: str) -> str:
    return (
        f"{where}: the time column {quote(column.name)} holds {quote(text)} in row {column.row_of(text)}, "
        f"which is no time {example}; name another column with --time, or say how it is written with --time-format"
    )
