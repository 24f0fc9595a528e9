"""Scoring large Parquet: each row group by itself, by the device's own runtime, wherever a worker is free.

A row group is one piece of work. Its output is `OUT/PATH-NNNNN.csv`, so that all of them in the order of their names
are what one long scoring writes. Done twice, as runners do with work they lost, it comes out the same and counts once.
"""

import json
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from operator import methodcaller
from pathlib import Path
from typing import Any

from hakobu.beam.places import below, join, pattern, read_lines, root_of
from hakobu.beam.runner import Runner, beam_of, run
from hakobu_runtime.device.counting import open_journal
from hakobu_runtime.device.score import Asked, score_command
from hakobu_runtime.device.state import change_keyring, open_state
from hakobu_runtime.errors import HakobuError, InputError
from hakobu_runtime.format.counts import WindowCounts
from hakobu_runtime.format.tally import ModelName
from hakobu_runtime.format.window import Window
from hakobu_runtime.journal.packed import pack, unpack
from hakobu_runtime.trust import Pin, PublicKey

ENDINGS = (".parquet",)
COUNTS = "counts"
"""Where in OUT the counts go: `counts-00000-of-00001`, a window a line."""

Group = tuple[str, str, int]
"""A file, its name from the source on, and the number of a row group in it."""


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be scored, with what, and where to; all of it reachable for every worker."""

    sources: tuple[str, ...]
    bundle: str
    keys: tuple[bytes, ...]
    """Public keys (PEM), one of which must have signed the bundle."""
    target: str
    to: str = "csv"
    """`csv`, `jsonl` or `parquet`."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row group that could not be scored."""

    file: str
    group: int
    words: str

    def plain(self) -> dict[str, object]:
        """Return it for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Sum:
    """What all of it came to."""

    counted: dict[Window, WindowCounts]
    refused: tuple[Refusal, ...]

    @property
    def rows(self) -> int:
        """How many rows were scored."""
        return sum(counts.rows for counts in self.counted.values())

    @property
    def verdicts(self) -> dict[str, int]:
        """How many rows got which verdict."""
        found: dict[str, int] = {}
        for counts in self.counted.values():
            for word, many in counts.verdicts.items():
                found[word] = found.get(word, 0) + many
        return found


def score(job: Job, runner: Runner) -> Sum:
    """Score what `job` says, and return what it came to; the outputs and the counts are below its target then.

    Raises InputError where there is nothing to score, ToolError or UsageError where the runner fails.
    """
    beam = beam_of()
    from apache_beam.io import WriteToText, fileio

    places = [(found, root_of(source)) for source in job.sources for found in pattern(source, ENDINGS)]

    def build(pipeline: Any) -> None:
        groups = [
            pipeline
            | f"match {place}" >> fileio.MatchFiles(found, fileio.EmptyMatchTreatment.ALLOW)
            | f"name {place}" >> beam.Map(_named, root)
            for place, (found, root) in enumerate(places)
        ]
        scored = (
            groups
            | "all files" >> beam.Flatten()
            | "row groups" >> beam.FlatMap(_groups)
            | "spread" >> beam.Reshuffle()
            | "score" >> beam.FlatMap(_scored, job)
        )
        _ = (
            scored
            | "sum" >> beam.CombinePerKey(_summed)
            | "as lines" >> beam.Map(_line)
            | "write" >> WriteToText(join(job.target, COUNTS), num_shards=1)
        )

    run(runner, build)
    return _read(job)


def _named(metadata: Any, root: str) -> tuple[str, str]:
    return metadata.path, below(metadata.path, root)


def _groups(file: tuple[str, str]) -> Iterator[Group]:
    """Yield the row groups of a file; one that is no Parquet is a group of its own, which then says so."""
    from apache_beam.io.filesystems import FileSystems
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    path, name = file
    try:
        with FileSystems.open(path) as opened:
            many = ParquetFile(opened).num_row_groups
    except (ArrowException, OSError):
        many = 1
    for group in range(many):
        yield path, name, group


def _scored(group: Group, job: Job) -> list[tuple[str, bytes]]:
    """Score one row group, write its output, and return its counts by window; or what was wrong with it."""
    path, name, number = group
    try:
        with tempfile.TemporaryDirectory(prefix="hakobu-") as folder:
            return _score_in(Path(folder), group, job)
    except InputError as error:
        refusal = Refusal(path, number, str(error).replace(f"{folder}/", ""))
        return [(json.dumps(["refused", refusal.plain()]), b"")]
    except HakobuError as error:
        raise type(error)(f"{name}, row group {number}: {error}") from error


def _score_in(folder: Path, group: Group, job: Job) -> list[tuple[str, bytes]]:
    table, output = folder / "rows.parquet", folder / f"scored.{job.to}"
    _cut_out(group, table)
    state = open_state(folder / "state")
    for key in job.keys:
        change_keyring(state, methodcaller("add", Pin(PublicKey.from_pem(key, "--key"))))
    outcome = score_command(state.root, Asked((table,), output, bundle=_here(job.bundle)))
    manifest = outcome.bundle.manifest
    model = ModelName(manifest.name, manifest.version, outcome.bundle.digest)
    with open_journal(state) as journal:
        found = journal.windows(model)
    _write(output, join(job.target, f"{group[1].rpartition('.')[0]}-{group[2]:05d}.{job.to}"))
    return [(json.dumps(["counted", window.start, window.span]), pack(counts, 0)) for window, counts in found.items()]


def _cut_out(group: Group, table: Path) -> None:
    """Write one row group to a file of its own, with all its columns as they are."""
    from apache_beam.io.filesystems import FileSystems
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile, write_table

    path, name, number = group
    try:
        with FileSystems.open(path) as opened:
            write_table(ParquetFile(opened).read_row_group(number), table)
    except (ArrowException, OSError) as error:
        raise InputError(f"{name}: this is no sound Parquet file ({error}): copy or export it again") from error


@lru_cache(maxsize=4)
def _here(bundle: str) -> Path:
    """Return the bundle as a file of this machine; what it holds is verified each time that it is opened."""
    from apache_beam.io.filesystems import FileSystems

    if "://" not in bundle:
        return Path(bundle)
    folder = Path(tempfile.mkdtemp(prefix="hakobu-"))  # as long as the worker lives
    with FileSystems.open(bundle) as file:
        (folder / "model.hako").write_bytes(file.read())
    return folder / "model.hako"


def _write(output: Path, target: str) -> None:
    """Put a finished output where it belongs, whole or not at all."""
    from apache_beam.io.filesystems import FileSystems

    draft = f"{target}.partial"
    if "://" not in target:
        Path(target).parent.mkdir(parents=True, exist_ok=True)
    with FileSystems.create(draft, mime_type="application/octet-stream") as file, output.open("rb") as source:
        while chunk := source.read(1 << 20):
            file.write(chunk)
    if FileSystems.exists(target):
        FileSystems.delete([target])
    FileSystems.rename([draft], [target])


def _summed(parts: Iterable[bytes]) -> bytes:
    """Return the sum of packed counts; sums of sums are the same."""
    total = WindowCounts()
    for part in parts:
        if part:
            total.add(unpack(part)[0])
    return pack(total, 0)


def _line(found: tuple[str, bytes]) -> str:
    return json.dumps([json.loads(found[0]), found[1].hex()])


def _read(job: Job) -> Sum:
    counted, refused = {}, []
    for line in read_lines(join(job.target, f"{COUNTS}-")):
        (kind, *rest), content = json.loads(line)
        if kind == "refused":
            refused.append(Refusal(**rest[0]))
        else:
            counted[Window(*rest)] = unpack(bytes.fromhex(content))[0]
    if not counted and not refused:
        raise InputError(f"{', '.join(job.sources)}: holds no Parquet files, so nothing was scored")
    return Sum(counted, tuple(sorted(refused, key=lambda one: (one.file, one.group))))
