"""Where `hakobu drift` takes counts and bundles from: a folder of parcels, and the boxes they were counted with."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import click

from hakobu.cli.trusted import trusted
from hakobu.depot.boxes import read_boxes
from hakobu.depot.depot import METADATA, Depot, open_depot
from hakobu.depot.history import read_history
from hakobu.fleet.gather import Counted, gather
from hakobu.fleet.judging import Judged, judge_bundle
from hakobu.stick.parcels import parcels_at
from hakobu_runtime.bundle import open_bundle
from hakobu_runtime.console.shell import warn
from hakobu_runtime.errors import HakobuError, UsageError
from hakobu_runtime.format.manifest import Manifest
from hakobu_runtime.format.tally import ModelName
from hakobu_runtime.format.validation import Validation
from hakobu_runtime.format.window import Span

_UNITS = {"d": 1, "w": 7}


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be judged."""

    span: Span
    model: str | None = None
    """Of this model alone."""
    since: datetime | None = None
    """Windows that ended by then are left out."""


@dataclass(frozen=True, slots=True)
class Boxes:
    """Where the bundles are that devices counted with."""

    files: tuple[Path, ...] = ()
    keys: tuple[Path, ...] = ()
    """That must have signed the files."""
    depot: Path | None = None

    def known(self, wanted: Iterable[ModelName]) -> Mapping[str, tuple[Manifest, Validation]]:
        """Return manifest and validation of those that are at hand, by digest."""
        found: dict[str, tuple[Manifest, Validation]] = {}
        for file in self.files:
            bundle = open_bundle(file, trusted(file, self.keys))
            found[bundle.digest] = (bundle.manifest, bundle.validation)
        depot = self._depot()
        if depot is not None:
            digests: dict[str, set[str]] = {}
            for model in wanted:
                digests.setdefault(model.name, set()).add(model.digest)
            for name in digests.keys() & set(depot.models):
                boxes = read_boxes(depot, name, frozenset(digests[name]))
                found |= {box.digest: (box.manifest, box.validation) for box in boxes}
        return found

    def every(self) -> Mapping[str, tuple[Manifest, Validation]]:
        """Return manifest and validation of all that are at hand, by digest; raise UsageError when none is."""
        depot = self._depot()
        released = {name: read_history(depot.model(name)) for name in depot.models} if depot is not None else {}
        found = self.known(
            ModelName(name, version, entry.digest)
            for name, history in released.items()
            for version, entry in history.items()
        )
        if not found:
            raise UsageError("no bundle is at hand: name those that counted with --bundle FILE, or --depot DIR")
        return found

    def _depot(self) -> Depot | None:
        """Return the depot that is named, or the one that is here; with files that were named none is looked for."""
        if self.depot is not None:
            return open_depot(self.depot)
        here = Path("depot")
        return open_depot(here) if not self.files and (here / METADATA).is_dir() else None


def judge_folder(source: Path, boxes: Boxes, asked: Asked) -> tuple[Judged, ...]:
    """Judge the counts of the parcels at `source`, by bundle; what cannot be judged is warned of.

    Raises UsageError when no bundle is at hand for any of the counts, and as `parcels_at` does.
    """
    refused: list[HakobuError] = []
    counted = [one.since(asked.since) for one in gather(parcels_at(source, refused.append))]
    for error in refused:
        warn(f"refused: {error}")
    wanted = [one for one in counted if (one.devices or one.outcomes) and asked.model in (None, one.model.name)]
    known = boxes.known(one.model for one in wanted)
    if wanted and not any(one.model.digest in known for one in wanted):
        raise UsageError(
            f"{source}: holds counts of {_names(wanted)}, and none of these bundles is at hand: name them with "
            "--bundle FILE, or the depot with --depot DIR"
        )
    return tuple(_judge(one, *known[one.model.digest], asked.span) for one in wanted if _is_known(one, known))


def read_since(text: str, now: datetime) -> datetime:
    """Return the moment that `30d`, `12w` or `2026-03-01` means."""
    try:
        if text[-1:] in _UNITS:
            return now - timedelta(days=int(text[:-1]) * _UNITS[text[-1]])
        return datetime.fromisoformat(text).replace(tzinfo=now.tzinfo)
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(f"{text!r} is no time ago like 30d or 12w, and no day like 2026-03-01") from error


def _judge(counted: Counted, manifest: Manifest, validation: Validation, span: Span) -> Judged:
    fitting, words = counted.fitting(manifest)
    for line in words:
        warn(line)
    return judge_bundle(manifest, validation, fitting, span)


def _is_known(counted: Counted, known: Mapping[str, object]) -> bool:
    if counted.model.digest in known:
        return True
    warn(
        f"counts of {_names([counted])} of {len(counted.devices)} devices cannot be judged: its bundle is not at hand; "
        "name it with --bundle"
    )
    return False


def _names(counted: Iterable[Counted]) -> str:
    return ", ".join(f"{one.model.name} {one.model.version} (sha256 {one.model.digest[:16]}…)" for one in counted)
