"""What must hold of every device on every day, judged from what can be seen of it, by rules of its own.

Nothing here asks the code that decides: which devices are in a share is computed anew, and what a device has heard is
what its client read to it.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from hakobu_runtime.device.slots import Slot
from hakobu_runtime.format.channel import Channel
from updates_device import BAD, Device
from updates_life import Breaks

MOST = 20
"""How many violations are told in words."""


@dataclass(slots=True)
class Proof:
    """The rules, and what broke them."""

    violations: list[str] = field(default_factory=list)
    broken: Counter[str] = field(default_factory=Counter)
    """How often each rule was."""
    heard: defaultdict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    """For each device, the digests that it was told are revoked."""
    believed: dict[int, int] = field(default_factory=dict)
    """For each device, the newest state of the depot that it believed."""
    had_bad: set[int] = field(default_factory=set)
    """The devices on which the bad release was active at some time."""
    taken: Counter[tuple[int, str]] = field(default_factory=Counter)
    """How often a device made a bundle the active one."""
    judged: Counter[str] = field(default_factory=Counter)
    """How often each rule was looked at."""
    _there: set[str] = field(default_factory=set)
    """Digests of bundles that were found where all devices have theirs."""

    def rule(self, name: str, holds: bool, words: str) -> None:
        """Judge one thing."""
        self.judged[name] += 1
        if not holds:
            self.broken[name] += 1
            if len(self.violations) < MOST:
                self.violations.append(f"{name}: {words}")

    def scored(self, device: Device, slot: Slot, day: int) -> None:
        """Judge that rows were scored with `slot`."""
        words = f"device {device.life.number}, day {day}: scored with {slot.version}"
        self.rule("nothing revoked is used once heard of", slot.digest not in self.heard[device.life.number], words)

    def ended(self, device: Device, day: int) -> None:
        """Judge a device after whatever it did on `day`; until it does something again, nothing about it changes."""
        active, number = device.active, device.life.number
        words = f"device {number}, day {day}: {active.version if active else 'nothing'} is active"
        self.rule("never without a model", device.usable and self._is_there(device.state.bundles, active), words)
        if active is None:
            return
        self.rule("nothing revoked is used once heard of", active.digest not in self.heard[number], words)
        if active.version == BAD:
            self.had_bad.add(number)
            self.rule("what fails its golden rows never runs", device.life.breaks is not Breaks.GOLDEN, words)
        if device.life.breaks is not Breaks.NOTHING:
            tries = device.refusals if device.life.breaks is Breaks.GOLDEN else self.taken[number, BAD]
            self.rule("what failed is not tried again", tries <= 1, f"device {number}, day {day}: {BAD}, {tries} times")

    def _is_there(self, bundles: Path, active: Slot | None) -> bool:
        """Say whether the bundle is a file; nothing here removes one, so what was there once is."""
        if active is None or active.digest in self._there:
            return active is not None
        found = (bundles / f"{active.digest}.hako").is_file()
        if found:
            self._there.add(active.digest)
        return found

    def looked(self, device: Device, before: Slot | None, channel: Channel | None, state: int, day: int) -> None:
        """Judge a look at a state of the depot, which told `channel`, None when it was not believed."""
        number, active = device.life.number, device.active
        words = f"device {number}, day {day}: {before and before.version} -> {active and active.version}, state {state}"
        moved = active is not None and (before is None or active.digest != before.digest)
        if channel is None:
            self.rule("what is not believed changes nothing", not moved, words)
            return
        self.rule("no older state after a newer one", state >= self.believed.get(number, 0), words)
        self.believed[number] = max(state, self.believed.get(number, 0))
        self.heard[number] |= {revoked.digest for revoked in channel.revoked}
        if not moved or active is None:
            return
        self.taken[number, active.version] += 1
        release = next((one for one in channel.releases if one.digest == active.digest), None)
        if release is not None and release.rollout < 100:
            reached = share_of(device.life.name, release.digest) < release.rollout
            self.rule("a release keeps to its share", reached, words)
        gone = {*channel.withdrawn, *(revoked.digest for revoked in channel.revoked)}
        down = before is not None and _order(active.version) < _order(before.version)
        self.rule("no step back without a reason", not down or (before is not None and before.digest in gone), words)

    def settled(self, device: Device, channel: Channel, failed: frozenset[str], day: int) -> None:
        """Judge that a look which was believed, and in which nothing broke off, left the device with what it is due."""
        due = next(
            (
                release
                for release in channel.releases
                if release.digest not in failed and share_of(device.life.name, release.digest) < release.rollout
            ),
            None,
        )
        active = device.active
        if due is None or active is None:
            return
        gone = {*channel.withdrawn, *(revoked.digest for revoked in channel.revoked)}
        ahead = _order(active.version) > _order(due.version) and active.digest not in gone
        words = f"device {device.life.number}, day {day}: has {active.version}, is due {due.version}"
        self.rule("whoever hears has what it is due", active.digest == due.digest or ahead, words)


def share_of(device: str, seed: str) -> int:
    """Return the hundredth of the devices that one belongs to, as docs/publish.md promises it: by name and release."""
    return int(sha256(f"{seed}\n{device}".encode()).hexdigest()[:16], 16) % 100


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
