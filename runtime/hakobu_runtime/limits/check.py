"""Checking a block against a manifest: matrices for the model, a verdict a row, and every breach."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from hakobu_runtime.format.block import Block, Numbers
from hakobu_runtime.format.feature import Feature, Kind, Missing, Policy, Range
from hakobu_runtime.format.manifest import Dtype, Manifest
from hakobu_runtime.limits.breach import Breach, Rule, Verdict
from hakobu_runtime.limits.derive import Derived, derive_number, lengths_of
from hakobu_runtime.limits.reason import invalid_reason, length_reason, missing_reason, range_reason, unknown_reason

LONGEST_TEXT = 1_000_000
"""Characters of a free text that is scored: more are a mistake, and would take the memory that other rows need."""

_NO_ROWS: NDArray[np.int64] = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Checked:
    """A block after its check."""

    numbers: NDArray[np.floating]
    """Shape (n, number features), C order, in the manifest's dtype, after every policy: what the model reads."""
    strings: NDArray[np.object_]
    """Shape (n, string features), after every policy; the model itself puts in lower case what it wants so."""
    verdicts: NDArray[np.uint8]
    """Shape (n,), of Verdict."""
    breaches: tuple[Breach, ...]
    """In the order of the rows."""
    seen_numbers: NDArray[np.floating]
    """Shape (number features, n), before any policy: what is counted."""
    seen_strings: NDArray[np.object_]
    """Shape (string features, n), before any policy."""
    invalid: Mapping[str, NDArray[np.int64]]
    """For each number feature that has any, the rows whose cell held nothing of its kind."""
    whole: bool
    """Whether it is known that no number is missing."""

    @property
    def scorable(self) -> NDArray[np.bool_]:
        """Shape (n,): the rows that are not rejected."""
        return np.asarray(self.verdicts != Verdict.REJECTED, dtype=np.bool_)

    def __len__(self) -> int:
        return len(self.verdicts)


def check(block: Block, manifest: Manifest) -> Checked:
    """Hold each cell of `block` against its feature; a bad row never costs a good one."""
    numbers, strings = manifest.number_features, manifest.string_features
    draft = _Draft(block, manifest.dtype, len(numbers), len(strings))
    draft.numbers(numbers, *manifest.number_limits)
    for place, feature in enumerate(strings):
        draft.string(place, feature)
    return draft.finish()


class _Draft:
    """The arrays of a Checked while they are filled."""

    def __init__(self, block: Block, dtype: Dtype, numbers: int, strings: int) -> None:
        self._block = block
        self._dtype = dtype
        self._broken = np.fromiter(block.broken, dtype=np.int64, count=len(block.broken))
        self._seen_numbers = np.empty((numbers, block.size), dtype=dtype.value)
        self._seen_strings = np.empty((strings, block.size), dtype=object)
        self._breaches: list[Breach] = [
            Breach(row, "", Rule.UNREADABLE, "", Policy.REJECT, Verdict.REJECTED, reason)
            for row, reason in block.broken.items()
        ]
        self._said: set[tuple[int, str]] = set()
        self._edits: list[tuple[NDArray[np.int64], int, float]] = []
        self._blanks: list[tuple[NDArray[np.int64], int]] = []
        self._invalid: dict[str, NDArray[np.int64]] = {}
        self._whole = True

    def numbers(self, features: Sequence[Feature], low: NDArray[np.floating], high: NDArray[np.floating]) -> None:
        """Check the number features: one whose every cell is a number of its kind needs nothing but its range."""
        plain = [self._plain(feature) for feature in features]
        with np.errstate(over="ignore", invalid="ignore"):  # beyond float32 is infinite, and NaN stays NaN
            lay_out(plain, self._seen_numbers)
            least = self._seen_numbers.min(axis=1, initial=np.inf)
            most = self._seen_numbers.max(axis=1, initial=-np.inf)
        whole = np.isfinite(least) & np.isfinite(most)
        for place, values in enumerate(plain):
            if values is None:
                whole[place] = False
        self._whole = bool(whole.all())
        below, above = ~(whole & (least >= low)), ~(whole & (most <= high))
        for place in np.flatnonzero(below | above).tolist():
            feature = features[place]
            if not whole[place]:
                self._number(place, feature)
            if feature.range is not None and below[place]:
                self._out_of_range(place, feature, Rule.BELOW, low[place])
            if feature.range is not None and above[place]:
                self._out_of_range(place, feature, Rule.ABOVE, high[place])

    def _plain(self, feature: Feature) -> Numbers | None:
        """Return the column of a feature, but None where a cell is known to hold something else than it should."""
        block, column = self._block, feature.column
        values = block.numbers.get(column)
        if values is None or block.broken or column in block.wrong:
            return None
        return values if feature.kind is not Kind.INTEGER or (values == np.floor(values)).all() else None

    def _number(self, place: int, feature: Feature) -> None:
        """Check one number feature for cells that are missing or no number of its kind."""
        derived = derive_number(feature, self._block, self._dtype)
        values = self._seen_numbers[place]
        values[:] = derived.values
        self._number_invalid(feature, derived)
        gaps = np.isnan(values)
        if feature.missing is not Missing.EXPECTED and gaps.any():
            gaps[self._invalid.get(feature.name, _NO_ROWS)] = False
            self._missing(feature, np.flatnonzero(gaps))

    def _number_invalid(self, feature: Feature, derived: Derived) -> None:
        rows = {int(row) for row in self._broken} | derived.invalid.keys()
        if rows:
            self._invalid[feature.name] = np.array(sorted(rows), dtype=np.int64)
        lost = feature.policy is Policy.REJECT or feature.missing is Missing.REFUSED
        verdict = Verdict.REJECTED if lost else Verdict.WARNED
        name = feature.column if feature.part else feature.name
        for row, (rule, text) in derived.invalid.items():
            # Several parts of one date share its cell: it is one breach, unless another part is stricter.
            self._add(
                Breach(row, name, rule, text, feature.policy, verdict, invalid_reason(feature, rule, text, verdict))
            )

    def _out_of_range(self, place: int, feature: Feature, rule: Rule, limit: np.floating) -> None:
        """Hold a number feature against one end of its range, which is of the dtype of the values."""
        values = self._seen_numbers[place]
        rows = np.flatnonzero(values < limit if rule is Rule.BELOW else values > limit)
        if len(rows) == 0:
            return
        self._range_breaches(feature, rule, rows, _out_of_range[feature.policy])
        if feature.policy is Policy.CLIP:
            self._edits.append((rows, place, float(limit)))
        elif feature.policy is Policy.MISSING:
            self._edits.append((rows, place, np.nan))

    def _range_breaches(self, feature: Feature, rule: Rule, rows: NDArray[np.int64], verdict: Verdict) -> None:
        plain = self._block.numbers.get(feature.column)
        values = derive_number(feature, self._block, self._dtype).values if plain is None else plain
        reasons: dict[float, str] = {}
        for row, value in zip(rows.tolist(), values[rows].tolist(), strict=True):
            reason = reasons.get(value)
            if reason is None:
                reason = reasons[value] = range_reason(feature, value, rule, verdict, self._dtype)
            self._add(Breach(row, feature.name, rule, repr(value), feature.policy, verdict, reason))

    def string(self, place: int, feature: Feature) -> None:
        """Check one category or free text."""
        values = self._seen_strings[place]
        values[:] = self._block.texts[feature.column]
        if feature.categories is not None:
            known = {*feature.categories.values, ""}
            unknown = [row for row, text in enumerate(values) if text not in known]
            if unknown:
                self._unknown(place, feature, np.array(unknown, dtype=np.int64))
        if feature.range is not None:
            self._lengths(place, feature, feature.range)
        if feature.missing is not Missing.EXPECTED:
            gaps = values == ""
            gaps[self._broken] = False
            self._missing(feature, np.flatnonzero(gaps))

    def _unknown(self, place: int, feature: Feature, rows: NDArray[np.int64]) -> None:
        unscorable = feature.policy is Policy.WARN and not (feature.categories and feature.categories.scores_unknown)
        verdict = Verdict.REJECTED if feature.policy is Policy.REJECT or unscorable else Verdict.WARNED
        for row in rows.tolist():
            text = self._seen_strings[place, row]
            reason = unknown_reason(feature, text, verdict)
            self._add(Breach(row, feature.name, Rule.UNKNOWN, text[:60], feature.policy, verdict, reason))
        if feature.policy is Policy.MISSING:
            self._blanks.append((rows, place))

    def _lengths(self, place: int, feature: Feature, limits: Range) -> None:
        lengths = lengths_of(self._seen_strings[place])
        for rule, rows in (
            (Rule.TOO_SHORT, np.flatnonzero(lengths < limits.low)),
            (Rule.TOO_LONG, np.flatnonzero(lengths > min(limits.high, LONGEST_TEXT))),
        ):
            for row in rows.tolist():
                text = self._seen_strings[place, row]
                endless = len(text) > LONGEST_TEXT and feature.policy is not Policy.MISSING
                verdict = Verdict.REJECTED if endless or feature.policy is Policy.REJECT else Verdict.WARNED
                reason = length_reason(feature, text, rule, verdict)
                self._add(Breach(row, feature.name, rule, text[:60], feature.policy, verdict, reason))
            if feature.policy is Policy.MISSING and len(rows):
                self._blanks.append((rows, place))

    def _missing(self, feature: Feature, rows: NDArray[np.int64]) -> None:
        lost = feature.policy is Policy.REJECT or feature.missing is Missing.REFUSED
        verdict = Verdict.REJECTED if lost else Verdict.WARNED
        reason = missing_reason(feature, verdict)
        for row in rows.tolist():
            self._add(Breach(row, feature.name, Rule.MISSING, "", feature.policy, verdict, reason))

    def _add(self, breach: Breach) -> None:
        key = (breach.row, breach.reason)
        if key not in self._said:
            self._said.add(key)
            self._breaches.append(breach)

    def finish(self) -> Checked:
        """Apply the policies and put the breaches in the order of the rows."""
        numbers = rows_of(self._seen_numbers)
        strings = np.array(self._seen_strings.T, order="C", copy=True)
        for rows, place, value in self._edits:
            numbers[rows, place] = value
        for rows, place in self._blanks:
            strings[rows, place] = ""
        verdicts = worst(self._breaches, self._block.size)
        breaches = tuple(sorted(self._breaches, key=attrgetter("row")))
        return Checked(
            numbers,
            strings,
            verdicts,
            breaches,
            self._seen_numbers,
            self._seen_strings,
            self._invalid,
            self._whole,
        )


def lay_out(columns: Sequence[Numbers | None], into: NDArray[np.floating]) -> None:
    """Put the `columns` into the rows of a matrix, rounded to its dtype; None becomes NaN."""
    for place, values in enumerate(columns):
        into[place] = np.nan if values is None else values


def rows_of(columns: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the matrix whose columns are the rows of `columns`, (n, k) of (k, n), as models read it.

    Always a copy: the transpose of one row is contiguous already, and the edits would reach what is counted.
    """
    return np.array(columns.T, order="C", copy=True)


_out_of_range = {
    Policy.REJECT: Verdict.REJECTED,
    Policy.CLIP: Verdict.CLIPPED,
    Policy.WARN: Verdict.WARNED,
    Policy.MISSING: Verdict.WARNED,
}


def worst(breaches: Iterable[Breach], rows: int) -> NDArray[np.uint8]:
    """Return the worst verdict of each of `rows` rows, shape (rows,)."""
    verdicts = np.zeros(rows, dtype=np.uint8)
    for breach in breaches:
        if breach.verdict > verdicts[breach.row]:
            verdicts[breach.row] = breach.verdict
    return verdicts
