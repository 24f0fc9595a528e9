"""What a new project will say of somebody's table: the features, what is left out, and why."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from hakobu.scaffold.clock import clock_format
from hakobu.scaffold.column import Column
from hakobu.scaffold.describe import seen, too_large
from hakobu.scaffold.infer import Guess, Kind, infer
from hakobu.scaffold.leak import decides, leak
from hakobu.scaffold.leave import is_code, reason_to_leave, varying_parts
from hakobu.scaffold.roles import Roles
from hakobu.scaffold.source import Source
from hakobu.scaffold.target import Target, judge_target
from hakobu.settings import Task
from hakobu_runtime.errors import InputError
from hakobu_runtime.format.feature import Part
from hakobu_runtime.limits.breach import quote

FEWEST_ROWS = 50
FEWEST_OF_A_CLASS = 10
"""The gates of the build; a test holds them equal."""

_UNTIL = "; the build stops there until it is mended, or its text listed in [data] missing"

Guesses = Mapping[str, tuple[Column, Guess]]
"""By name: a column as it was read, and what it seems to hold."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A column that becomes a feature."""

    name: str
    kind: Kind
    seen: str
    parts: tuple[Part, ...] = ()
    format: str | None = None
    remarks: tuple[str, ...] = ()
    """What a reader of `hakobu.toml` should know."""
    warnings: tuple[str, ...] = ()
    """What the builder must hear at once."""


@dataclass(frozen=True, slots=True)
class Left:
    """A column that does not become a feature."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Draft:
    """All that a new project says of its table."""

    source: Source
    roles: Roles
    """With the format of the times filled in."""
    target: Target
    kept: tuple[Kept, ...]
    left: tuple[Left, ...]
    missing: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def rows(self) -> int:
        """How many rows have a target."""
        return len(self.target.column)


def draft(source: Source, roles: Roles) -> Draft:
    """Return what a project for `source` should say; raise InputError when no model can come of it."""
    where = str(source.path)
    others = [column for column in source.columns if column.name not in roles.names]
    named = [source.column(name) for name in (roles.target, roles.time) if name]
    guesses = {column.name: (column, infer(column)) for column in (*others, *named)}
    missing = _missing_words(others, named, guesses)
    known = source.column(roles.target).without(missing)
    rows = np.flatnonzero(known.there)
    target = judge_target(known.take(rows), roles.task, where)
    warnings = [*_about_rows(source), *_about_target(target)]
    if roles.group and len(source.column(roles.group).take(rows).present) < 2:
        raise InputError(
            f"{where}: the group column {quote(roles.group)} holds one group only; rows cannot be split by it"
        )
    if roles.time:
        times = source.column(roles.time).without(missing).take(rows)
        pattern, bad = clock_format(times, roles.time_format, where)
        roles = replace(roles, time_format=pattern)
        warnings += _about_times(times, bad)
    kept, left = _sort_out([column.without(missing).take(rows) for column in others], target, guesses)
    if not kept:
        reasons = "; ".join(f"{quote(column.name)}: {column.reason}" for column in left[:3])
        raise InputError(f"{where}: no column is left to learn from: {reasons or 'the table has no others'}")
    warnings += [warning for column in kept for warning in column.warnings]
    return Draft(source, roles, target, kept, left, tuple(sorted(missing)), tuple(warnings))


def _missing_words(others: list[Column], named: list[Column], guesses: Guesses) -> frozenset[str]:
    """Return the texts that must mean "missing", judged by the columns that will be used."""
    words = {word for column in named for word in guesses[column.name][1].missing_words}
    for column in others:
        guess = guesses[column.name][1]
        found = guess.missing_words
        if found and not reason_to_leave(column.without(found), guess):
            words |= found
    return frozenset(words)


def _sort_out(columns: list[Column], target: Target, guesses: Guesses) -> tuple[tuple[Kept, ...], tuple[Left, ...]]:
    kept: list[Kept] = []
    left: list[Left] = []
    taken = {column.name for column in columns}
    for column in columns:
        before, guess = guesses[column.name]
        if column is not before:
            guess = infer(column)
        reason = reason_to_leave(column, guess) or leak(column, guess, target.column, target.guess)
        parts = tuple(part for part in varying_parts(column, guess) if f"{column.name}.{part}" not in taken)
        if not reason and guess.kind is Kind.DATE and not parts:
            reason = "neither the month, the weekday, the hour nor the year of it varies"
        if reason:
            left.append(Left(column.name, reason))
        else:
            kept.append(_kept(column, guess, parts, target))
    return tuple(kept), tuple(left)


def _kept(column: Column, guess: Guess, parts: tuple[Part, ...], target: Target) -> Kept:
    warnings = [
        f"{quote(column.name)} = {quote(text)} in row {column.row_of(text)} is no {guess.kind}{_UNTIL}"
        for text in guess.bad[:3]
    ]
    if len(guess.bad) > 3:
        warnings.append(f"{quote(column.name)} holds {len(guess.bad) - 3} more such cells")
    if decides(column, target.column):
        warnings.append(
            f"{quote(column.name)} tells the target in every row: leave it out unless it is known before the target is"
        )
    pattern = guess.written.pattern if guess.written and guess.kind is Kind.DATE else None
    return Kept(
        column.name,
        guess.kind,
        seen(column, guess),
        parts,
        pattern,
        tuple(_remarks(column, guess)),
        tuple(warnings),
    )


def _remarks(column: Column, guess: Guess) -> Iterator[str]:
    if guess.kind is Kind.INTEGER and is_code(column):
        yield 'named like a code: where the numbers only name something, kind = "category" (move it in pipeline.py too)'
    elif guess.kind is Kind.INTEGER and set(column.present) <= {"0", "1"}:
        yield 'kind = "boolean" would read true, false, yes and no as well, but not 1.0'
    if too_large(guess):
        yield (
            "beyond 16,777,216 a model cannot tell whole numbers apart that lie close together; "
            'with [model] dtype = "float64" it can'
        )
    if guess.numbers and any(
        text.strip().startswith("0") and text.strip().isdigit() and len(text.strip()) > 1 for text in guess.numbers
    ):
        yield "zeros in front are dropped: 007 is 7"


def _about_rows(source: Source) -> Iterator[str]:
    if source.broken:
        more = f", and {len(source.broken) - 1:,} more" if len(source.broken) > 1 else ""
        yield f"a row cannot be read and is left out: {source.broken[0]}{more}"


def _about_target(target: Target) -> Iterator[str]:
    column, counts = target.column, target.column.counts()
    if len(column) < FEWEST_ROWS:
        yield f"only {len(column)} rows have a target; the build asks for {FEWEST_ROWS}"
    if target.task is Task.REGRESSION:
        for text in target.guess.bad[:3]:
            yield f"the target is {quote(text)} in row {column.row_of(text)}, which is no number{_UNTIL}"
        return
    rare = min(counts, key=lambda text: counts[text])
    if counts[rare] < FEWEST_OF_A_CLASS:
        yield (
            f"class {quote(rare)} of the target has {counts[rare]} of the rows; "
            f"the build asks for {FEWEST_OF_A_CLASS}: bring more, or leave the class out"
        )


def _about_times(times: Column, bad: tuple[str, ...]) -> Iterator[str]:
    for text in bad[:3]:
        yield f"the time {quote(times.name)} is {quote(text)} in row {times.row_of(text)}{_UNTIL.partition(',')[0]}"
    empty = int((~times.there).sum())
    if empty:
        yield f"the time {quote(times.name)} is missing in {empty:,} rows; the build asks for it in every row"
