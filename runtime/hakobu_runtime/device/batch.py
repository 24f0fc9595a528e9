"""Several inputs at once: which files they are, and where the output of each goes."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hakobu_runtime.device.arrivals import is_passing
from hakobu_runtime.device.order import STREAM, Order
from hakobu_runtime.errors import InputError, UsageError
from hakobu_runtime.rows.growing import WRITTEN
from hakobu_runtime.rows.source import is_table, table_name

Warn = Callable[[str], None]
"""Hears one line about what a person should know."""


def is_batch(sources: Sequence[Path], target: Path) -> bool:
    """Say whether each input gets an output of its own in the folder `target`."""
    return len(sources) > 1 or _is_folder(target) or (sources[0] != STREAM and _is_folder(sources[0]))


def orders_of(sources: Sequence[Path], like: Order, warn: Warn) -> tuple[Order, ...]:
    """Return an order for each file in `sources`, in which folders stand for the tables in them.

    Of `like`, the target and the problems are the folders to write to; they are made here. Raises InputError or
    UsageError, and then nothing was made, when two outputs would have one name or one would take an input's place.
    """
    if STREAM in (*sources, like.target, like.problems):
        raise UsageError("stdin and stdout take one table; give several inputs as files, and a folder with -o")
    _check_folder(like.target, "-o")
    if like.problems:
        _check_folder(like.problems, "--only-problems")
    files = tuple(_Files(sources, like, warn).all())
    orders = tuple(_order_of(file, like) for file in files)
    _check_names(orders)
    for folder in (like.target, like.problems):
        if folder is not None:
            _make(folder)
    for order in orders:
        order.check()
    return orders


@dataclass(frozen=True, slots=True)
class _Files:
    """The files that the inputs of a batch are."""

    sources: Sequence[Path]
    like: Order
    warn: Warn

    def all(self) -> Iterator[Path]:
        """Yield each file once."""
        seen: set[Path] = set()
        for source in self.sources:
            for file in self._within(source) if _is_folder(source) else (source,):
                if file.resolve() not in seen:
                    seen.add(file.resolve())
                    yield file

    def _within(self, folder: Path) -> Sequence[Path]:
        """Return the tables in a folder, by name; what is none is told."""
        for target in (self.like.target, self.like.problems):
            if target is not None and target.exists() and target.samefile(folder):
                raise InputError(f"{target}: the scored files would come back as input; name another folder")
        try:
            files = sorted(path for path in folder.iterdir() if path.is_file() and not is_passing(path.name))
        except OSError as error:
            raise InputError(f"{folder}: cannot be looked into: {error.strerror}; check its permissions") from error
        tables = [path for path in files if self.like.layout.format or is_table(path)]
        if not tables:
            raise InputError(
                f"{folder}: there is no table in it: no .csv, .jsonl or .parquet, nor .csv.gz or .jsonl.gz"
            )
        for path in files:
            if path not in tables:
                self.warn(f"{path}: is left alone; its name says nothing about its format: csv, jsonl or parquet")
        return tables


def _order_of(file: Path, like: Order) -> Order:
    name = table_name(file)
    problems = like.problems / f"{name}.csv" if like.problems else None
    return replace(like, source=file, target=like.target / f"{name}.{like.to or 'csv'}", problems=problems)


def _check_folder(folder: Path, flag: str) -> None:
    if _is_folder(folder):
        return
    if os.path.lexists(folder) or folder.suffix.lower() in WRITTEN:
        raise InputError(f"{folder}: is no folder; several inputs need one for their outputs: {flag} FOLDER")
    if not _is_folder(folder.absolute().parent):
        raise InputError(f"{folder}: the folder {folder.parent} is not there; make it first")


def _is_folder(path: Path) -> bool:
    return os.path.isdir(path)  # noqa: PTH112 - which, unlike Path's own, takes any path; using it says what is wrong


def _check_names(orders: Sequence[Order]) -> None:
    """Raise InputError when two outputs have one name, on any system, or one is an input."""
    taken: dict[str, Path] = {}
    inputs = {order.source.resolve(): order.source for order in orders}
    for order in orders:
        for target in order.targets:
            if target.resolve() in inputs:
                raise InputError(f"{target}: is the input itself; name another folder to write to")
            other = taken.setdefault(str(target.absolute()).casefold(), order.source)
            if other != order.source:
                raise InputError(
                    f"{target}: is where {other} and {order.source} both would be written; rename one, or score them "
                    "into two folders"
                )
        if order.problems and str(order.problems.absolute()).casefold() == str(order.target.absolute()).casefold():
            raise InputError(f"{order.target}: is to take the scores and the problems; name two folders")


def _make(folder: Path) -> None:
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be made: {error.strerror}; name another folder") from error
