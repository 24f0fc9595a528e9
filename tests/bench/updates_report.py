"""What the simulation prints: adoption, the bad release, the revoked one, what came home, and the proof."""

from collections.abc import Iterator

import numpy as np

from updates_device import BAD
from updates_life import Breaks
from updates_operator import HARMFUL
from updates_proof import share_of
from updates_world import World

_ROWS = 13


def report(world: World) -> str:
    """Return all of it, as text."""
    parts = (_adoption(world), _bad(world), _revoked(world), _contacts(world), _proof(world))
    return "\n\n".join("\n".join(part) for part in parts)


def _adoption(world: World) -> Iterator[str]:
    versions = ["1.0.0", *(version for version in world.depot.published if version != "1.0.0")]
    marks: dict[int, list[str]] = {}
    days = len(world.adoption)
    shown = sorted({round(day) for day in np.linspace(0, days - 1, _ROWS)})
    for mark in world.operator.marks:
        marks.setdefault(next(day for day in shown if day >= mark.day), []).append(mark.words)
    yield f"{len(world.devices):,} devices, {days} days, seed {world.plan.seed}; % of devices by version"
    yield "day   " + "".join(f"{version:>7}" for version in versions) + "  since the line before"
    for day in shown:
        shares = "".join(f"{100 * world.share(version)[day]:7.1f}" for version in versions)
        yield f"{day:4}  {shares}  {', '.join(marks.get(day, []))}"


def _bad(world: World) -> Iterator[str]:
    release, stopped = world.depot.published.get(BAD), world.operator.stopped
    if release is None:
        return
    fleet, widest = world.devices.values(), world.operator.widest
    reached = {n for n, device in world.devices.items() if share_of(device.life.name, release.digest) < widest}
    had = world.proof.had_bad
    begun = next(mark.day for mark in world.operator.marks if mark.words.startswith(BAD))
    withdrawn = f"withdrawn on day {stopped}" if stopped is not None else "never withdrawn"
    yield f"{BAD} came to {widest}% on day {begun}, {withdrawn}:"
    yield f"  {len(reached):,} devices are in that share; {len(had & reached):,} of them ever ran it"
    yield f"  {len(had - reached):,} of all others ever ran it"
    refused = sum(device.refusals > 0 for device in fleet)
    yield f"  {refused:,} refused it for its golden rows and never ran it"
    for breaks, words in ((Breaks.REJECTS, "it rejected too much"), (Breaks.CRASHES, "processes died of it")):
        left = [device for device in fleet if device.life.breaks is breaks and release.digest in device.failed]
        yield f"  {len(left):,} went back by themselves in its probation, for {words}"


def _revoked(world: World) -> Iterator[str]:
    day = next((mark.day for mark in world.operator.marks if mark.words.endswith("revoked")), None)
    if day is None or day == 0:
        return
    share = 100 * world.share(HARMFUL)
    after = ", ".join(
        f"{share[day + later]:.1f}% after {later} days" for later in (7, 30, 90) if day + later < len(share)
    )
    yield f"{HARMFUL} was revoked on day {day}, with {share[day - 1]:.1f}% of the devices on it: {after}"
    yield f"  {share[-1]:.1f}% at the end: they have not heard of it; none that has scores with it"


def _contacts(world: World) -> Iterator[str]:
    told, home = world.told, world.home.told
    yield f"looks: {told['looks']:,}, at sticks: {told['looks at sticks']:,}, installs: {told['installs']:,}"
    broke, refused = told["looks that broke off"], told["looks not believed"]
    yield f"  broke off: {broke:,}; not believed (older than what is known, or expired): {refused:,}"
    asked, states = world.memory.beliefs.asked, len(world.depot.states)
    yield f"  different questions to TUF's client: {asked:,}; states of the depot: {states}"
    rows = sum(batch.rows for batch in world.home.rows.values())
    merged = sum(batch.rows for batch in world.home.came.values())
    yield f"parcels: {home['parcels']:,}, on sticks: {home['parcels on sticks']:,}"
    yield f"  lost: {home['parcels lost']:,}; twice: {home['parcels doubled']:,}; tallies in all: {home['tallies']:,}"
    yield f"  rows that were scored: {rows:,}; rows in the merged counts: {merged:,}"


def _proof(world: World) -> Iterator[str]:
    proof = world.proof
    yield "rule                                        judged  violated"
    for name, judged in sorted(proof.judged.items()):
        yield f"{name:<40} {judged:9,} {proof.broken[name]:9,}"
    yield from proof.violations
