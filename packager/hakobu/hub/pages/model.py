"""One version of a model: what its release says, how it was judged, what it takes in, and who is offered it."""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from hakobu.hub.bundles import KnownBundle, of_model
from hakobu.hub.pages.standings import Channels
from hakobu.hub.tables import states, totals
from hakobu_runtime.format.channel import Release
from hakobu_runtime.format.feature import Feature
from hakobu_runtime.format.histogram import number_text
from hakobu_runtime.format.manifest import Manifest
from hakobu_runtime.format.validation import Gate, Outcome, Stage

_ORDER = {Outcome.FAILED: 0, Outcome.NOT_JUDGED: 1, Outcome.PASSED: 2}
_FEW = 6
"""Categories that are named."""


@dataclass(frozen=True, slots=True)
class InputLine:
    """One input, and what a device allows of it."""

    name: str
    """That findings know it by."""
    feature: Feature
    low: str
    high: str
    """ "" of a category."""
    categories: tuple[str, ...]
    """The first few of them."""
    more: int
    """How many others there are."""
    missing: float
    """The share of the training rows in which it was missing."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What a channel does with this version."""

    channel: str
    release: Release | None
    """None where it is withdrawn or revoked."""
    is_newest: bool
    withdrawn: bool
    revoked: str
    """Why; "" when it is not."""


@dataclass(frozen=True, slots=True)
class ModelView:
    """The page."""

    bundle: KnownBundle
    versions: tuple[str, ...]
    """The newest first."""
    devices: int
    """How many run it."""
    rows: int
    """How many rows it scored, as far as is known."""
    gates: tuple[tuple[Stage, tuple[Gate, ...]], ...]
    """By stage, those that failed or were not judged first."""
    inputs: tuple[InputLine, ...]
    offers: tuple[Offer, ...]
    card: str
    """In Markdown, without its header."""

    @property
    def manifest(self) -> Manifest:
        """What the bundle promises."""
        return self.bundle.manifest

    def counted(self, outcome: str) -> int:
        """Return how many gates ended so."""
        return sum(gate.outcome == outcome for _, gates in self.gates for gate in gates)


def view(connection: Connection, bundle: KnownBundle, channels: Channels) -> ModelView:
    """Return the page of `bundle`; `channels` are those of the depot, if it is here."""
    running = select(func.count()).where(states.c.digest == bundle.digest)
    rows = select(func.sum(totals.c.rows)).where(totals.c.bundle_id == bundle.id, func.length(totals.c.start) == 7)
    gates = tuple(
        (stage, tuple(sorted(found, key=lambda gate: _ORDER[gate.outcome])))
        for stage in Stage
        if (found := [gate for gate in bundle.validation.gates if gate.stage is stage])
    )
    return ModelView(
        bundle=bundle,
        versions=tuple(dict.fromkeys(one.version for one in of_model(connection, bundle.model))),
        devices=connection.scalar(running) or 0,
        rows=int(connection.scalar(rows) or 0),
        gates=gates,
        inputs=tuple(_input(feature) for feature in bundle.manifest.features),
        offers=tuple(_offers(bundle, channels)),
        card=_without_header(bundle.card),
    )


def _input(feature: Feature) -> InputLine:
    values = feature.categories.values if feature.categories is not None else ()
    bounds = feature.range
    counts = feature.baseline.counts
    return InputLine(
        feature.counted,
        feature,
        number_text(bounds.low) if bounds is not None else "",
        number_text(bounds.high) if bounds is not None else "",
        values[:_FEW],
        max(0, len(values) - _FEW),
        counts[feature.baseline.bins.missing] / sum(counts),
    )


def _offers(bundle: KnownBundle, channels: Channels) -> Iterator[Offer]:
    for (model, name), channel in sorted(channels.items()):
        if model != bundle.model:
            continue
        release = next((one for one in channel.releases if one.digest == bundle.digest), None)
        withdrawn = bundle.digest in channel.withdrawn
        revoked = next((one.reason or "-" for one in channel.revoked if one.digest == bundle.digest), "")
        if release is not None or withdrawn or revoked:
            yield Offer(name, release, release is not None and release is channel.releases[0], withdrawn, revoked)


def _without_header(card: str) -> str:
    """Return a card without the YAML between its first two lines of hyphens."""
    if card.startswith("---\n"):
        _, found, rest = card[4:].partition("\n---\n")
        return rest if found else card
    return card
