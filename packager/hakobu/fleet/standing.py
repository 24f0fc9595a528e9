"""How the devices of a fleet stand: what each runs, what it should run, and what it counted."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from hakobu.fleet.merge import merge, merge_outcomes
from hakobu_runtime.format.channel import Channel
from hakobu_runtime.format.parcel import ModelState, Parcel


@dataclass(frozen=True, slots=True)
class Standing:
    """One model on one device, by the newest parcel that came home."""

    device: str
    model: str
    channel: str
    active: str
    """The version; "" when none is."""
    behind: str
    """The version that its channel has for it, when that is another one; "" when it is not, or nobody knows."""
    held_back: dict[str, str]
    """Why, by version."""
    seen: str
    """When that parcel was made, by the device's clock."""
    rows: int
    """That it scored, with all versions of the model."""
    labels: int
    """How many of them are known to have come true or not, with all versions."""

    def plain(self) -> dict[str, object]:
        """Return it for JSON."""
        return asdict(self)


def standings(parcels: Iterable[Parcel], channels: Mapping[tuple[str, str], Channel]) -> tuple[Standing, ...]:
    """Return how one device stands, by all its parcels; `channels` are those that are known, by model and name."""
    every = sorted(parcels, key=lambda parcel: parcel.serial)
    if not every:
        return ()
    newest = every[-1]
    rows: dict[str, int] = {}
    for tally in merge(tally for parcel in every for tally in parcel.tallies):
        rows[tally.model.name] = rows.get(tally.model.name, 0) + tally.rows
    labels: dict[str, int] = {}
    for outcome in merge_outcomes(outcome for parcel in every for outcome in parcel.outcomes):
        labels[outcome.model.name] = labels.get(outcome.model.name, 0) + outcome.counts.rows
    states = {model.name: model for model in newest.models}
    return tuple(
        _standing(newest, states.get(name) or ModelState(name), (rows.get(name, 0), labels.get(name, 0)), channels)
        for name in sorted({*states, *rows, *labels})
    )


def _standing(
    newest: Parcel, model: ModelState, counted: tuple[int, int], channels: Mapping[tuple[str, str], Channel]
) -> Standing:
    """Return how a model stands of which so many rows, and so many labels, were `counted`."""
    channel = channels.get((model.name, model.channel))
    offered = channel.offered(newest.device) if channel else None
    behind = offered.version if offered and (model.active is None or model.active.digest != offered.digest) else ""
    return Standing(
        newest.device,
        model.name,
        model.channel,
        model.active.version if model.active else "",
        behind,
        {held.version: held.reason for held in model.held_back},
        newest.made,
        *counted,
    )
