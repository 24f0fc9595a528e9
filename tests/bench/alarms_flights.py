"""Real flights as a device sees them: scored once, each row kept as the slots that it is counted in.

Any set of rows can then be counted as a device would have counted it, without scoring it again.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hakobu_runtime.bundle import Bundle
from hakobu_runtime.format.counts import WindowCounts
from hakobu_runtime.format.histogram import Bins, Counts
from hakobu_runtime.format.manifest import Classification, Manifest
from hakobu_runtime.format.outcome import OutcomeCounts, Subject, counts_of
from hakobu_runtime.limits.derive import lengths_of
from hakobu_runtime.rows.source import open_rows
from hakobu_runtime.scorer.scorer import Scorer
from hakobu_runtime.scorer.scores import VERDICTS, Scored, score_of

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Flights:
    """Scored rows: of each, where it is counted."""

    manifest: Manifest
    subject: Subject
    days: NDArray[np.str_]
    """Of departure, like 2013-04-01, shape (n,)."""
    slots: Mapping[str, NDArray[np.int64]]
    """By feature, shape (n,)."""
    scored: NDArray[np.bool_]
    """Whether a row got a score; the next two hold something for those alone."""
    codes: NDArray[np.int64]
    scores: NDArray[np.float32]
    verdicts: NDArray[np.int64]
    broken: Mapping[tuple[str, str], NDArray[np.bool_]]
    """By feature and rule, shape (n,): whether a row breaks it."""

    def __len__(self) -> int:
        return len(self.days)

    def of(self, feature: str) -> NDArray[np.object_]:
        """Return the label of the slot that each row has in a feature."""
        labels = np.array(self._bins(feature).labels(), dtype=object)
        return labels[self.slots[feature]]

    def count(self, rows: Rows, changed: Mapping[str, NDArray[np.int64]] | None = None) -> WindowCounts:
        """Count some rows as a device does; of the features in `changed` the slots are those, one a row of `rows`."""
        found = WindowCounts(rows=len(rows))
        words = np.bincount(self.verdicts[rows], minlength=len(VERDICTS)).tolist()
        found.verdicts = dict(zip(VERDICTS, words, strict=True))
        for name, slots in self.slots.items():
            taken = changed[name] if changed and name in changed else slots[rows]
            found.features[name] = np.bincount(taken, minlength=self._bins(name).size).astype(np.int64)
        outputs, kept = self.manifest.outputs, rows[self.scored[rows]]
        if isinstance(outputs, Classification) and outputs.scores is not None:
            found.outputs["labels"] = np.bincount(self.codes[kept], minlength=outputs.labels.bins.size)
            found.outputs["scores"] = outputs.scores.bins.count(self.scores[kept])  # type: ignore[arg-type]
        for (name, rule), broken in self.broken.items():
            if many := int(np.count_nonzero(broken[rows])):
                found.breaches.setdefault(name, {})[rule] = many
        return found

    def outcomes(self, rows: Rows, truths: NDArray[np.float64]) -> OutcomeCounts:
        """Count what became of some rows; `truths` are places among the classes, one for each row there is, or NaN."""
        known = rows[self.scored[rows] & ~np.isnan(truths[rows])]
        return counts_of(self.subject, self.codes[known], self.scores[known], truths[known])

    def by_day(self, rows: Rows) -> dict[str, Rows]:
        """Return some rows by their day."""
        days, place = np.unique(self.days[rows], return_inverse=True)
        return {str(day): rows[place == number] for number, day in enumerate(days)}

    def _bins(self, name: str) -> Bins:
        return next(feature.baseline.bins for feature in self.manifest.features if feature.name == name)


def read_flights(bundle: Bundle, files: Iterable[Path]) -> Flights:
    """Score the tables in `files`, in their order."""
    manifest = bundle.manifest
    parts = [part for file in files for part in _score(bundle, file)]
    scored = np.concatenate([part.checked.scorable for part in parts])
    codes, scores = np.zeros(len(scored), dtype=np.int64), np.zeros(len(scored), dtype=np.float32)
    codes[scored] = np.concatenate([_known(part.predicted.codes) for part in parts])
    scores[scored] = np.concatenate([_known(score_of(part.predicted)) for part in parts])
    column = manifest.time.column if manifest.time else ""
    return Flights(
        manifest,
        Subject.of(manifest, bundle.digest),
        np.array([text[:10] for part in parts for text in part.block.texts[column]]),
        {
            feature.name: np.concatenate([_slots(manifest, part, feature.name) for part in parts])
            for feature in manifest.features
        },
        scored,
        codes,
        scores,
        np.concatenate([part.checked.verdicts for part in parts]).astype(np.int64),
        _broken(parts),
    )


def _broken(parts: Sequence[Scored]) -> dict[tuple[str, str], NDArray[np.bool_]]:
    """Return which rows break which rule of which feature."""
    many, first = sum(len(part.checked) for part in parts), 0
    found: dict[tuple[str, str], NDArray[np.bool_]] = {}
    for part in parts:
        for breach in part.checked.breaches:
            place = (breach.name, breach.rule.value)
            found.setdefault(place, np.zeros(many, dtype=np.bool_))[first + breach.row] = True
        first += len(part.checked)
    return found


def _score(bundle: Bundle, file: Path) -> Iterator[Scored]:
    scorer = Scorer(bundle.manifest, bundle.model)
    with open_rows(file, scorer.wanted()) as rows:
        for block in rows:
            yield scorer.score_block(block)


def _known(found: NDArray[np.generic] | None) -> NDArray[np.generic]:
    if found is None:
        raise AssertionError("the flights' model gives classes and probabilities")
    return found


def _slots(manifest: Manifest, part: Scored, name: str) -> Counts:
    feature = next(one for one in manifest.features if one.name == name)
    if feature.reads_text:
        texts = part.checked.seen_strings[manifest.string_features.index(feature)]
        return (
            feature.category_bins.slots(texts) if feature.is_category else feature.number_bins.slots(lengths_of(texts))
        )
    found = feature.number_bins.slots(part.checked.seen_numbers[manifest.number_features.index(feature)])
    found[part.checked.invalid[name]] = feature.number_bins.invalid
    return found
