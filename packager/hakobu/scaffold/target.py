"""What is to be predicted, and whether that is a class or a number."""

from dataclasses import dataclass

from hakobu.scaffold.column import Column
from hakobu.scaffold.describe import seen
from hakobu.scaffold.infer import Guess, infer, looks_like_numbers
from hakobu.scaffold.leave import MOST_TEXTS, most_texts
from hakobu.settings import Task
from hakobu_runtime.errors import InputError
from hakobu_runtime.limits.breach import quote

MOST_INTEGERS = 20
"""Whole numbers of so few kinds are taken for classes."""


@dataclass(frozen=True, slots=True)
class Target:
    """The target, in the rows where it is known."""

    column: Column
    guess: Guess
    task: Task
    seen: str
    why: str
    """Why the task is this one."""

    @property
    def largest(self) -> float:
        """The largest number without its sign; 0 of texts."""
        return max((abs(number) for number in (self.guess.numbers or {}).values()), default=0.0)


def judge_target(column: Column, asked: Task | None, where: str) -> Target:
    """Return the target that `column`, missing words read as missing, holds; raise InputError when it cannot be one."""
    if not column.present:
        raise InputError(f"{where}: column {quote(column.name)}, the target, is empty in every row")
    if len(column.present) == 1:
        raise InputError(
            f"{where}: the target {quote(column.name)} is {quote(column.present[0])} in every row; "
            "there is nothing to tell apart: bring rows with other values, or name another column with --target"
        )
    guess = infer(column)
    task, why = _task(column, guess) if asked is None else (asked, f"as --task {asked} asked")
    if task is Task.REGRESSION and guess.numbers is None:
        raise InputError(
            f"{where}: the target {quote(column.name)} cannot be a number to predict: {_no_number(column)}"
        )
    most = MOST_TEXTS if asked else most_texts(len(column))
    if task is Task.CLASSIFICATION and len(column.present) > most:
        hint = looks_like_numbers(column) if guess.numbers is None else "is it a number? then give --task regression"
        raise InputError(
            f"{where}: the target {quote(column.name)} holds {len(column.present):,} different texts in "
            f"{len(column):,} rows, too many to be classes" + (f"; {hint}" if hint else "")
        )
    return Target(column, guess, task, seen(column, guess), why)


def _task(column: Column, guess: Guess) -> tuple[Task, str]:
    distinct = len(column.present)
    if guess.numbers is None:
        return Task.CLASSIFICATION, "the target holds texts"
    whole = all(number.is_integer() for number in guess.numbers.values())
    if whole and distinct <= MOST_INTEGERS:
        return Task.CLASSIFICATION, f"the target holds {distinct} different whole numbers"
    return Task.REGRESSION, f"the target holds {distinct:,} different numbers"


def _no_number(column: Column) -> str:
    first = column.present[0]
    return looks_like_numbers(column) or f"row {column.row_of(first)} holds {quote(first)}"
