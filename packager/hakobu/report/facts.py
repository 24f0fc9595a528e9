"""Where a model comes from, and what a build came to, as pairs of words."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from math import isfinite

from hakobu.pack.build import Built
from hakobu.report.charts.intervals import interval_words
from hakobu.report.draw.figure import Tile
from hakobu.report.draw.scale import figure_of
from hakobu_runtime.format.manifest import Provenance
from hakobu_runtime.format.validation import Outcome


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the build came to, in a word and a sentence."""

    passed: bool
    word: str
    sentence: str


def verdict_of(built: Built) -> Verdict:
    """Return the verdict; what could not be judged is said, for it is not the same as passed."""
    counts = {outcome: sum(gate.outcome is outcome for gate in built.gates) for outcome in Outcome}
    open_points = counts[Outcome.NOT_JUDGED]
    rest = f" {_gates(open_points)} could not be judged." if open_points else ""
    if built.passed:
        return Verdict(
            True, "Passed", f"{_gates(counts[Outcome.PASSED])} let it through, and the bundle was signed.{rest}"
        )
    failed = counts[Outcome.FAILED]
    sentence = f"{_gates(failed)} of {len(built.gates)} stopped it, and no bundle was written.{rest}"
    return Verdict(False, "Stopped", f"{sentence} Gates after these were not asked.")


def _gates(count: int) -> str:
    return f"{count} gate{'' if count == 1 else 's'}"


def tiles(built: Built) -> Iterator[Tile]:
    """Yield the numbers at the top."""
    evidence, source = built.evidence, built.evidence.provenance
    if evidence.metric in built.metrics:
        metric, interval = built.metrics[evidence.metric], evidence.intervals.get(evidence.metric)
        bounds = interval_words(interval) if interval is not None else ""
        yield Tile(evidence.metric, figure_of(metric.holdout), f"95%: {bounds}" if bounds else "on the hold-out")
    if evidence.rival is not None:
        gain = evidence.rival.gain
        look = "good" if gain.low > 0 else "bad" if gain.high < 0 else ""
        against = f"against {evidence.rival.manifest.version}"
        words = f"{against}, 95%: {interval_words(gain)}" if isfinite(gain.low + gain.high) else against
        yield Tile("gain", f"{gain.value:+.4g}", words, look)
    if source is not None:
        yield Tile("learned from", f"{source.training_rows:,}", f"rows{_period(source)}")
        yield Tile("judged on", f"{source.holdout_rows:,}", "rows that it never saw")
        yield Tile("features", f"{len(built.project.inputs):,}", f"to tell {built.project.file.data.target}")


def _period(source: Provenance) -> str:
    if source.training_start is None or source.training_end is None:
        return ""
    # Hyphens that no line ends at.
    return f", {source.training_start[:10]} to {source.training_end[:10]}".replace("-", "\u2011")


@dataclass(frozen=True, slots=True)
class Fact:
    """A term and what it is; `code` says that it is to be copied rather than read."""

    term: str
    words: str
    code: bool = False


def facts(built: Built) -> Iterator[Fact]:
    """Yield where the model comes from."""
    file, source = built.project.file, built.evidence.provenance
    if built.path is not None:
        content = built.path.read_bytes()
        yield Fact("Bundle", f"{built.path.name}, {len(content):,} bytes")
        yield Fact("sha256 of the bundle", sha256(content).hexdigest(), code=True)
    yield Fact("Data", file.data.path, code=True)
    if built.data:
        yield Fact("sha256 of the data", built.data, code=True)
    if built.split:
        yield Fact("Hold-out", built.split)
    if source is None:
        return
    yield Fact("Rows", f"{source.training_rows:,} to learn from, {source.holdout_rows:,} to judge on")
    if source.training_start and source.training_end:
        yield Fact("Period of training", f"{source.training_start} to {source.training_end}")
    yield Fact("sha256 of the project's sources", source.source, code=True)
    if source.git is not None:
        yield Fact("git commit", source.git.commit, code=True)
        yield Fact("Working tree", "differed from the commit" if source.git.dirty else "as committed")
    if source.dvc is not None:
        match = "the data is what it says" if source.dvc.matches else "the data differs from it"
        yield Fact("DVC", f"{source.dvc.file}, md5 {source.dvc.md5}: {match}")
    if not source.proven:
        yield Fact("Proof", "none: the model was brought as ONNX, and only its maker can tell whether it is right")
    if built.evidence.rival is not None:
        yield Fact("sha256 of the champion", built.evidence.rival.digest, code=True)
    yield Fact("Seed", str(source.seed))
    yield Fact("Python", source.python)
