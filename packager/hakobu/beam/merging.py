"""Merging the parcels of a fleet, however many: by device first, as each is the state of one, then by day and period.

What a device sent is merged by `hakobu.fleet.gather`, what is odd on each day, and then in the period around it, is
told by `hakobu.fleet.strange`, and what all devices counted in a period is judged by `hakobu.fleet.judging`: the same
functions as for a folder, so that both come to the same counts and verdicts. Of each period its sums are written, and
which devices are odd in it; so little that one machine can make the report of it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import msgspec
import numpy as np

from hakobu.beam.lines import Line, ModelLine, OutcomeLine, PeriodLine, RefusedLine, read_line, written
from hakobu.beam.places import join, pattern, read_lines
from hakobu.beam.runner import Runner, beam_of, run
from hakobu.fleet.gather import gather
from hakobu.fleet.judging import FleetPeriod, Judged, judge_window, judged_without
from hakobu.fleet.merge import outcome_totals
from hakobu.fleet.strange import Part, Strange, days_of, odd_day, parts_of, strange
from hakobu_runtime.errors import FormatError, InputError, TrustError
from hakobu_runtime.format.codec import decode
from hakobu_runtime.format.manifest import Manifest
from hakobu_runtime.format.outcome import Outcome
from hakobu_runtime.format.parcel import ENDING, LARGEST_FILE, Parcel
from hakobu_runtime.format.results import Judge
from hakobu_runtime.format.tally import ModelName
from hakobu_runtime.format.validation import Validation
from hakobu_runtime.format.window import Span, Window
from hakobu_runtime.journal.packed import pack, unpack
from hakobu_runtime.uplink.parcel import read_parcel

MERGED = "merged"
"""Where in OUT all goes: `merged-00000-of-00001`, a line of JSON each."""
_KEY = "/device.pub"
"""In a fleet's folder, beside the parcels of a device: the key that it is known by."""

Known = Mapping[str, tuple[Manifest, Validation]]
"""The bundles that devices counted with, by digest."""


class Sent(NamedTuple):
    """A parcel whose signature holds, or a key that somebody keeps for a device."""

    path: str
    key: str
    parcel: bytes
    """Its JSON; b"" of a key."""


@dataclass(frozen=True, slots=True)
class Job:
    """Which parcels are to be merged, with what, and where to."""

    sources: tuple[str, ...]
    known: Known
    target: str
    span: Span = Span.MONTH


@dataclass(frozen=True)
class Merged:
    """What came of it: the lines that the pipeline wrote."""

    lines: tuple[Line, ...]
    known: Known
    span: Span

    @cached_property
    def refused(self) -> tuple[str, ...]:
        """What was left out, in words."""
        told = [line.words for line in self.lines if isinstance(line, RefusedLine)]
        for line in self.lines:
            if isinstance(line, ModelLine) and line.model.digest not in self.known:
                told.append(
                    f"counts of {line.model.name} {line.model.version} (sha256 {line.model.digest[:16]}…) of "
                    f"{line.devices} devices cannot be judged: its bundle is not at hand; name it with --bundle"
                )
        return tuple(sorted(told))

    def judged(self) -> tuple[Judged, ...]:
        """Return what the counts of each known bundle say, by name."""
        models = [line for line in self.lines if isinstance(line, ModelLine) and line.model.digest in self.known]
        return tuple(self._judged(line) for line in sorted(models, key=lambda line: line.model))

    def _judged(self, line: ModelLine) -> Judged:
        digest = line.model.digest
        manifest, validation = self.known[digest]
        found = [one for one in self.lines if isinstance(one, PeriodLine) and one.digest == digest]
        ordered = sorted(found, key=lambda one: (one.window.begins, one.window.span))
        periods = tuple(_period(manifest, one) for one in ordered)
        labelled = [
            (one.window, one.counts) for one in self.lines if isinstance(one, OutcomeLine) and one.digest == digest
        ]
        results = Judge.of(manifest, validation, digest).results(
            {period.window: period.counts for period in periods},
            sorted(labelled, key=lambda item: item[0]),
            self.span,
            {period.window.start for period in periods if period.judged.inputs_drifted},
        )
        return Judged(line.model, manifest, self.span, line.devices, periods, results, {})


def merge(job: Job, runner: Runner) -> Merged:
    """Merge and judge what `job` says, and leave what came of it in its target.

    Raises InputError where there are no parcels, ToolError or UsageError where the runner fails.
    """
    beam = beam_of()
    from apache_beam.io import WriteToText

    manifests = {digest: msgspec.json.encode(manifest) for digest, (manifest, _) in job.known.items()}

    def build(pipeline: Any) -> None:
        opened = _sent(beam, pipeline, [place for source in job.sources for place in pattern(source, (ENDING, _KEY))])
        merged = opened.sent | "by device" >> beam.GroupByKey() | "merge" >> _by_device(beam, manifests, job.span)
        models = merged.models | "count devices" >> beam.combiners.Count.PerElement() | "models" >> beam.Map(_counted)
        outcomes = merged.outcomes | "by day" >> beam.GroupByKey() | "add" >> beam.FlatMap(_added)
        _ = (
            (opened.refused, merged.refused, _periods(beam, merged, manifests, job.span), outcomes, models)
            | "all lines" >> beam.Flatten()
            | "write" >> WriteToText(join(job.target, MERGED), num_shards=1)
        )

    run(runner, build)
    lines = tuple(map(read_line, read_lines(join(job.target, f"{MERGED}-"))))
    if not lines:
        raise InputError(f"{', '.join(job.sources)}: holds no parcels, so nothing was merged")
    return Merged(lines, job.known, job.span)


def _sent(beam: Any, pipeline: Any, places: Sequence[str]) -> Any:
    """Return what lies at `places`, by device, and what is refused of it."""
    from apache_beam.io import fileio

    files = [
        pipeline | f"match {place}" >> fileio.MatchFiles(place, fileio.EmptyMatchTreatment.ALLOW) for place in places
    ]
    return (
        files
        | "all files" >> beam.Flatten()
        | "spread" >> beam.Reshuffle()
        | "open" >> beam.FlatMap(_opened).with_outputs("refused", main="sent")
    )


def _by_device(beam: Any, manifests: Mapping[str, bytes], span: Span) -> Any:
    """Return what merges all that a device sent."""
    return beam.FlatMap(_merged, manifests, span).with_outputs("refused", "models", "outcomes", "days", main="counts")


def _periods(beam: Any, merged: Any, manifests: Mapping[str, bytes], span: Span) -> Any:
    """Return the lines of the periods, judged without what was odd in them or on one of their days."""
    odd_days = merged.days | "one day" >> beam.GroupByKey() | "odd days" >> beam.FlatMap(_odd_day, manifests, span)
    return (
        {"counts": merged.counts, "days": odd_days}
        | "by period" >> beam.CoGroupByKey()
        | "judge" >> beam.FlatMap(_judged, manifests)
    )


def _opened(metadata: Any) -> Iterator[Any]:
    """Yield the device of a file and what it sent; or say why it is refused."""
    from apache_beam.io.filesystems import FileSystems

    path = metadata.path
    try:
        if metadata.size_in_bytes > LARGEST_FILE:
            raise FormatError(f"{path}: has more than {LARGEST_FILE:,} bytes, which no parcel needs")
        with FileSystems.open(path) as file:
            content = file.read()
        if path.endswith(_KEY):
            yield path.removesuffix(_KEY).rpartition("/")[2], Sent(path, content.decode("ascii", "replace"), b"")
            return
        parcel = read_parcel(content, path).parcel
        yield parcel.device, Sent(path, parcel.key, msgspec.json.encode(parcel))
    except (FormatError, TrustError) as error:
        yield _refused(str(error))


def _merged(found: tuple[str, Iterable[Sent]], manifests: Mapping[str, bytes], span: Span) -> Iterator[Any]:
    """Yield what a device counted, by bundle and period, from all that it sent."""
    from apache_beam.pvalue import TaggedOutput

    device, sent = found[0], sorted(found[1])
    kept = {one.key for one in sent if not one.parcel}
    parcels = [one for one in sent if one.parcel]
    known = kept or {one.key for one in parcels}
    if len(known) > 1:
        yield _refused(
            f"device {device}: its parcels are signed with {len(known)} keys: one is forged, or the device lost its "
            f"key; put the right one beside them as {device}{_KEY}; none of them is counted"
        )
        return
    for one in parcels:
        if one.key not in known:
            yield _refused(f"{one.path}: is not signed by the key that {device} is known by")
    for counted in gather(decode(one.parcel, Parcel, one.path) for one in parcels if one.key in known):
        yield TaggedOutput("models", (counted.model.name, counted.model.version, counted.model.digest))
        digest = counted.model.digest
        if digest not in manifests:
            continue
        fitting, wrong = counted.fitting(_manifest(manifests[digest]))
        for words in wrong:
            yield _refused(words)
        for windows in fitting.devices.values():
            for window, part in parts_of(windows, span).items():
                told = (device, pack(part.counts, 0), part.begins.isoformat(), part.ends.isoformat())
                yield (digest, window.start, window.span.value), told
            for day, counts in days_of(windows, span).items():
                yield TaggedOutput("days", ((digest, day.start), (device, pack(counts, 0))))
        for outcome in fitting.outcomes:
            key = (digest, outcome.window.start, outcome.window.span.value)
            yield TaggedOutput("outcomes", (key, msgspec.json.encode(outcome)))


def _odd_day(
    found: tuple[tuple[str, str], Iterable[tuple[str, bytes]]], manifests: Mapping[str, bytes], span: Span
) -> Iterator[Any]:
    """Yield what is odd on one day, for the period around it; nothing of most days."""
    (digest, start), counted = found
    day = Window(start, Span.DAY)
    by_device = {device: unpack(content)[0] for device, content in sorted(counted)}
    if (strange_day := odd_day(_manifest(manifests[digest]), day, by_device, span)).odd:
        period = day.widen(span)
        yield (digest, period.start, period.span.value), strange_day


def _judged(
    found: tuple[tuple[str, str, str], Mapping[str, Iterable[Any]]], manifests: Mapping[str, bytes]
) -> Iterator[str]:
    """Yield the line of one period: of what each device counted in it, and of its odd days."""
    (digest, start, span), sent = found
    window, manifest = Window(start, Span(span)), _manifest(manifests[digest])
    parts = {
        device: Part(unpack(content)[0], datetime.fromisoformat(begins), datetime.fromisoformat(end))
        for device, content, begins, end in sorted(sent["counts"])
    }
    try:
        period = judge_window(manifest, window, parts, strange(manifest, window, parts, sent["days"]))
    except FormatError as error:
        yield written(RefusedLine(f"{window.start}: {error}; this period is left out"))
        return
    apart = tuple((*pair, tuple(counts.tolist())) for pair, counts in sorted(period.apart.items()))
    yield written(PeriodLine(digest, window, period.devices, pack(period.counts, 0), period.odd, apart, period.told))


def _added(found: tuple[tuple[str, str, str], Iterable[bytes]]) -> Iterator[str]:
    """Yield the line of the outcomes of one day."""
    (digest, start, span), outcomes = found
    try:
        totals = outcome_totals(decode(content, Outcome, start) for content in sorted(outcomes))
    except FormatError as error:
        yield written(RefusedLine(f"{error}; the outcomes of that day are left out"))
        return
    for counts in totals.values():
        yield written(OutcomeLine(digest, Window(start, Span(span)), counts))


def _counted(found: tuple[tuple[str, str, str], int]) -> str:
    return written(ModelLine(ModelName(*found[0]), found[1]))


def _period(manifest: Manifest, line: PeriodLine) -> FleetPeriod:
    apart = {(device, feature): np.array(counts, dtype=np.int64) for device, feature, counts in line.apart}
    left_out = Strange(line.odd, apart)
    return judged_without(manifest, line.window, line.devices, unpack(line.counts)[0], left_out, line.told)


@lru_cache(maxsize=64)
def _manifest(content: bytes) -> Manifest:
    return decode(content, Manifest, "manifest.json")


def _refused(words: str) -> Any:
    from apache_beam.pvalue import TaggedOutput

    return TaggedOutput("refused", written(RefusedLine(words)))
