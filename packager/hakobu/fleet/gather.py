"""What the devices of a fleet counted, put together from their parcels by bundle and by device."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from hakobu.fleet.merge import counts_of, merge, merge_outcomes
from hakobu_runtime.format.counts import WindowCounts
from hakobu_runtime.format.manifest import Manifest, precedence
from hakobu_runtime.format.outcome import Outcome
from hakobu_runtime.format.parcel import Parcel
from hakobu_runtime.format.periods import baselines, live_counts
from hakobu_runtime.format.tally import ModelName, Tally
from hakobu_runtime.format.window import Window, ends

ByWindow = dict[Window, WindowCounts]

_MANY = 500
"""Of how many tallies, or outcomes, of a device those are kept that count, in the place of all."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What was counted with one bundle."""

    model: ModelName
    devices: Mapping[str, ByWindow]
    """By device, the windows as they came home."""
    outcomes: tuple[Outcome, ...] = ()
    """Merged."""
    groups: Mapping[str, str] = field(default_factory=dict)
    """By device, the name of the group that it is in, where it is in one."""

    def since(self, moment: datetime | None) -> "Counted":
        """Return what was counted in windows that end after `moment`."""
        if moment is None:
            return self
        devices = {
            device: {window: counts for window, counts in windows.items() if ends(window) > moment}
            for device, windows in self.devices.items()
        }
        return replace(
            self,
            devices={device: windows for device, windows in devices.items() if windows},
            outcomes=tuple(one for one in self.outcomes if ends(one.window) > moment),
        )

    def by_group(self) -> Iterator[tuple[str, "Counted"]]:
        """Yield each group with what its devices counted, by name; nothing where there are not two or more."""
        names = sorted({self.groups.get(device, "") for device in self.devices})
        for name in names if len(names) > 1 else ():
            inside = {device for device in self.devices if self.groups.get(device, "") == name}
            devices = {device: self.devices[device] for device in self.devices if device in inside}
            yield name, replace(self, devices=devices, outcomes=tuple(o for o in self.outcomes if o.device in inside))

    def fitting(self, manifest: Manifest) -> tuple["Counted", tuple[str, ...]]:
        """Return what was counted over the bins of `manifest`, and in words what was not, by device."""
        kept: dict[str, ByWindow] = {}
        words = []
        for device, windows in self.devices.items():
            wrong = [(window, found) for window, counts in windows.items() if (found := _misfit(manifest, counts))]
            words += [f"device {device}, {window.start}: {found}; it is left out" for window, found in wrong[:1]]
            left = {window: counts for window, counts in windows.items() if window not in dict(wrong)}
            if left:
                kept[device] = left
        return replace(self, devices=kept), tuple(words)


class Gathering:
    """Takes parcels in any order, also twice, and keeps what counts of them."""

    def __init__(self) -> None:
        self._tallies: dict[str, list[Tally]] = {}
        self._outcomes: dict[str, list[Outcome]] = {}

    def add(self, parcel: Parcel) -> None:
        """Take a parcel in."""
        tallies = self._tallies.setdefault(parcel.device, [])
        tallies.extend(parcel.tallies)
        if len(tallies) > _MANY:
            tallies[:] = merge(tallies)
        outcomes = self._outcomes.setdefault(parcel.device, [])
        outcomes.extend(parcel.outcomes)
        if len(outcomes) > _MANY:
            outcomes[:] = merge_outcomes(outcomes)

    def counted(self) -> tuple[Counted, ...]:
        """Return what was counted, by bundle: of each model the newest version first; the parcels are let go of."""
        devices: dict[ModelName, dict[str, ByWindow]] = {}
        for device in sorted(self._tallies):
            for tally in merge(self._tallies.pop(device)):  # beside what is made of them, they would double the memory
                windows = devices.setdefault(tally.model, {}).setdefault(device, {})
                windows.setdefault(tally.window, WindowCounts()).add(counts_of(tally))  # of each epoch one
        outcomes: dict[ModelName, list[Outcome]] = {}
        for one in merge_outcomes(one for found in self._outcomes.values() for one in found):
            outcomes.setdefault(one.model, []).append(one)
        models = sorted({*devices, *outcomes}, key=lambda model: precedence(model.version), reverse=True)
        return tuple(
            Counted(model, devices.get(model, {}), tuple(outcomes.get(model, ())))
            for model in sorted(models, key=lambda model: model.name)
        )


def gather(parcels: Iterable[Parcel]) -> tuple[Counted, ...]:
    """Return what these parcels say was counted, by bundle."""
    gathering = Gathering()
    for parcel in parcels:
        gathering.add(parcel)
    return gathering.counted()


def _misfit(manifest: Manifest, counts: WindowCounts) -> str:
    """Say what was counted over other bins than the bundle's; "" when nothing was."""
    known = baselines(manifest)
    for name, found in live_counts(manifest, counts).items():
        if name not in known:
            return f"{name[:80]!r} is counted, which is nothing of the bundle's"
        if found.size != known[name].bins.size:
            return f"{name} is counted over {found.size} slots, where the bundle has {known[name].bins.size}"
    return ""
