"""What one scoring is asked to do, and what of it makes no sense."""

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from hakobu_runtime.bundle import Bundle
from hakobu_runtime.digest import sha256_hex
from hakobu_runtime.errors import InputError, UsageError
from hakobu_runtime.format.codec import Value
from hakobu_runtime.rows.growing import WRITTEN
from hakobu_runtime.rows.source import Layout
from hakobu_runtime.version import __version__

STREAM = Path("-")
"""Stands for stdin where a file is read, and for stdout where one is written."""


class Likeness(Value, frozen=True):
    """What must be the same for a broken run to be gone on with."""

    source: str
    size: int
    modified: int
    bundle: str
    version: str
    options: str

    def difference(self, other: "Likeness") -> str:
        """Say in words what of `other`, the present scoring, is not as it was; "" when nothing."""
        if other.source != self.source:
            return "it was made from another input"
        if (other.size, other.modified) != (self.size, self.modified):
            return "the input has changed"
        if other.bundle != self.bundle:
            return "the bundle is another one"
        if other.version != self.version:
            return "hakobu was updated"
        return "the options are others" if other != self else ""


@dataclass(frozen=True, slots=True)
class Order:
    """Score `source` into `target`; either may be STREAM."""

    source: Path
    target: Path
    layout: Layout = field(default_factory=Layout)
    """How the source is written."""
    to: str | None = None
    """The format of the target; None leaves it to its ending, and makes a stream CSV."""
    columns: tuple[str, ...] = ()
    """Columns of the source that go into the target, too."""
    problems: Path | None = None
    """Where every breach goes, as CSV."""
    stale: str = ""
    """What every row is marked with, for the age of the model; "" for nothing."""

    @property
    def written(self) -> str:
        """The format of the target; raises InputError when nothing tells it."""
        if self.to is not None:
            return self.to
        if self.target == STREAM:
            return "csv"
        if self.target.suffix.lower() not in WRITTEN:
            raise InputError(
                f"{self.target}: an output must end in .csv, .jsonl or .parquet, or --to must say what it is"
            )
        return WRITTEN[self.target.suffix.lower()]

    @property
    def targets(self) -> tuple[Path, ...]:
        """The files that are written."""
        every = (self.target, *([self.problems] if self.problems else []))
        return tuple(path for path in every if path != STREAM)

    @property
    def resumes(self) -> bool:
        """Whether the same order can go on where it was broken off: only what is there again can be read again."""
        if STREAM in (self.source, self.target):
            return False
        try:
            return stat.S_ISREG(self.source.stat().st_mode)
        except OSError:
            return True  # the reader says what is wrong with it

    @property
    def counts_at_end(self) -> bool:
        """Whether nothing is counted before all is: what would be scored again, were it broken off, and not gone on."""
        return not self.resumes and self.target != STREAM

    @property
    def key(self) -> str:
        """Names the run in the journal: the same for every run into this target."""
        return sha256_hex(os.fsencode(self.target.absolute()))

    def check(self) -> None:
        """Raise InputError or UsageError when the targets make no sense; nothing is written."""
        for target in self.targets:
            _check_target(target, self.source)
        if self.problems == STREAM:
            raise UsageError("--only-problems needs a file: stdout is for the scores")
        if self.problems and self.problems.suffix.lower() != ".csv":
            raise InputError(f"{self.problems}: the problems are written as CSV; name a file that ends in .csv")
        if self.problems and _same(self.problems, self.target):
            raise InputError(f"{self.target}: is to take the scores and the problems; name two files")
        if self.target == STREAM and self.written == "parquet":
            raise UsageError("Parquet cannot be written to stdout; name a file with -o, or take --to csv or jsonl")

    def likeness(self, bundle: Bundle) -> Likeness:
        """Return what must be the same for a broken run to be gone on with."""
        try:
            found = self.source.stat()
        except OSError:
            return Likeness("", 0, 0, "", "", "")  # the reader says what is wrong with it
        problems = self.problems and self.problems.absolute()
        options = repr((self.layout, self.written, self.columns, problems, self.stale))
        source = os.fsencode(self.source.absolute()).decode("utf-8", "backslashreplace")
        options = options.encode("utf-8", "backslashreplace").decode()
        return Likeness(source, found.st_size, found.st_mtime_ns, bundle.digest, __version__, options)


def _check_target(target: Path, source: Path) -> None:
    if target.is_dir():
        raise InputError(f"{target}: is a folder; name the file to write, like {target / 'scored.csv'}")
    if not target.parent.is_dir():
        raise InputError(f"{target}: the folder {target.parent} is not there; make it first")
    if target.exists() and not target.is_file():
        raise InputError(f"{target}: is no file but a device or a pipe; write to stdout with -o -")
    if source != STREAM and source.exists() and target.exists() and source.samefile(target):
        raise InputError(f"{target}: is the input itself; name another file to write")


def _same(one: Path, other: Path) -> bool:
    """Say whether two paths, of which neither need be there, are one on some system."""
    return str(one.absolute()).casefold() == str(other.absolute()).casefold()
