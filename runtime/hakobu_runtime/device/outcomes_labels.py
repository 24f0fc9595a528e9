"""The labels of a table: for each id the true class or value as it is written, and what of it makes no sense."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isfinite, isnan
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hakobu_runtime.device.outcomes_ids import Hasher, Hashes, ids_of
from hakobu_runtime.errors import UsageError
from hakobu_runtime.format.block import Block, Form, Wanted
from hakobu_runtime.format.manifest import Manifest
from hakobu_runtime.format.outcome import Subject
from hakobu_runtime.limits.breach import quote
from hakobu_runtime.rows.cells import parse_number
from hakobu_runtime.rows.source import Layout, open_rows

CHUNK = 500_000
"""How many labels are joined at once: what they take of the memory, 16 MB, is the most that a file of any size does."""

_YES = frozenset({"true", "1", "yes", "t", "y"})
_NO = frozenset({"false", "0", "no", "f", "n"})


@dataclass(frozen=True, slots=True)
class Table:
    """A table of labels: where it is, and what stands in which of its columns."""

    path: Path
    layout: Layout
    ids: tuple[str, ...]
    label: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """A label that cannot be joined, with the reason in words."""

    row: int
    """From 1."""
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """n labels, each id once."""

    ids: Hashes
    """Rising."""
    truths: NDArray[np.float64]
    """The place of the true class, or the true value."""
    rows: NDArray[np.int64]
    """The row of the table that each came from, from 1."""


@dataclass(slots=True)
class Read:
    """What was read so far."""

    rows: int = 0
    empty: int = 0
    """Rows without an id or without a label: not known yet, most of them."""
    repeated: int = 0
    """Rows whose id came again further down: the last one holds."""
    refused: int = 0


class Reading:
    """The reading of one table, whose labels are understood as those of `subject`."""

    def __init__(self, table: Table, manifest: Manifest, subject: Subject, hasher: Hasher) -> None:
        self.read = Read()
        self.refusals: list[Refusal] = []
        """The first hundred."""
        self._table = table
        self._subject = subject
        self._hasher = hasher
        self._is_truth = set(subject.classes) == {"true", "false"}
        self._classes = _classes(subject)
        self._wanted = _wanted(table, manifest)

    def chunks(self, most: int = CHUNK) -> Iterator[Labels]:
        """Yield the labels, about `most` at a time; raise InputError when the table cannot be read."""
        waiting: list[Labels] = []
        with open_rows(self._table.path, self._wanted, layout=self._table.layout) as rows:
            for block in rows:
                waiting.append(self._of(block))
                if sum(len(part.ids) for part in waiting) >= most:
                    yield self._once(waiting)
                    waiting = []
        yield self._once(waiting)

    def refuse(self, row: int, reason: str) -> None:
        """Note that the label of a row cannot be joined."""
        self.read.refused += 1
        if len(self.refusals) < 100:
            self.refusals.append(Refusal(row, reason))

    def _of(self, block: Block) -> Labels:
        """Return the labels of a block, in its order."""
        names, texts = ids_of(block, self._table.ids) or [], block.texts[self._table.label].tolist()
        kept, found = [], []
        for place, (name, text) in enumerate(zip(names, texts, strict=True)):
            self.read.rows += 1
            row = block.first + place + 1
            if place in block.broken:
                self.refuse(row, f"cannot be read: {block.broken[place]}")
                continue
            truth = self._truth(text, row) if name and text.strip() else None
            self.read.empty += not (name and text.strip())
            if truth is not None:
                kept.append(place)
                found.append(truth)
        hashes = self._hasher.hashes([names[place] for place in kept])
        return Labels(hashes, np.array(found, dtype=np.float64), np.array(kept, dtype=np.int64) + block.first + 1)

    def _truth(self, text: str, row: int) -> float | None:
        """Return the place of the class that `text` names, or its number; None when it is refused."""
        if self._classes:
            written = text.strip()
            place = self._classes.get(written.lower() if self._is_truth else written)
            if place is None:
                known = ", ".join(quote(name) for name in self._subject.classes[:8])
                more = ", …" if len(self._subject.classes) > 8 else ""
                self.refuse(
                    row, f"{self._table.label} = {quote(text)} is no class of the model; write one of {known}{more}"
                )
            return place
        number = parse_number(text)
        if number is None or not isfinite(number):
            if number is not None and isnan(number):
                self.read.empty += 1
                return None
            hint = "; write it without commas, with a decimal point" if "," in text else "; write a finite number"
            self.refuse(row, f"{self._table.label} = {quote(text)} is not a finite number{hint}")
            return None
        return number

    def _once(self, parts: list[Labels]) -> Labels:
        """Return the labels of `parts`, each id once, with what was said of it last."""
        if not parts:
            return Labels(np.empty(0, np.uint64), np.empty(0), np.empty(0, np.int64))
        ids, truths, rows = (
            np.concatenate(some) for some in zip(*((p.ids, p.truths, p.rows) for p in parts), strict=True)
        )
        order = np.argsort(ids, kind="stable")
        last = np.ones(len(ids), dtype=np.bool_)
        last[:-1] = ids[order][1:] != ids[order][:-1]
        chosen = order[last]
        self.read.repeated += len(ids) - len(chosen)
        return Labels(ids[chosen], truths[chosen], rows[chosen])


def table_of(
    path: Path, layout: Layout, ids: tuple[str, ...], label: str | None, manifest: Manifest, kept_by: tuple[str, ...]
) -> Table:
    """Return the table of labels at `path`; raise UsageError when `ids` are not as many as rows are `kept_by`."""
    if ids and len(ids) != len(kept_by):
        raise UsageError(
            f"rows of {manifest.name} are known by {', '.join(kept_by)}: name as many columns, in that order, "
            "each with --id"
        )
    table = Table(path, layout, ids or kept_by, label or manifest.target)
    if table.label in table.ids:
        raise UsageError(f"--label {table.label}: is the column of the ids; name the one that holds what came true")
    return table


def _wanted(table: Table, manifest: Manifest) -> Wanted:
    """Ask for the ids in the form in which scoring reads them: 007 is 7 where the model reads a number there."""
    numbers = {
        feature.column
        for feature in manifest.number_features
        if feature.part is None and feature.kind in ("number", "integer")
    }
    kept_by = manifest.id_columns or table.ids
    forms = {name: Form.NUMBER if mine in numbers else Form.TEXT for name, mine in zip(table.ids, kept_by, strict=True)}
    forms[table.label] = Form.TEXT
    return Wanted(forms, frozenset(forms), frozenset(manifest.missing_values))


def _classes(subject: Subject) -> Mapping[str, float]:
    """Return the place of each class by all that it may be written as."""
    found = {name: float(place) for place, name in enumerate(subject.classes)}
    if set(found) == {"true", "false"}:
        found |= dict.fromkeys(_YES, found["true"]) | dict.fromkeys(_NO, found["false"])
    return found
