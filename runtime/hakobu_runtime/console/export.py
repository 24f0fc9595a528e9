"""`hakobu-run export`: what leaves this device, shown before it does."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hakobu_runtime.console.shell import show_json

if TYPE_CHECKING:
    from hakobu_runtime.format.outcome import Outcome
    from hakobu_runtime.format.parcel import ModelState, Parcel
    from hakobu_runtime.format.tally import Tally


@click.command("export")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write it, signed, to FILE.")
@click.option("--show", is_flag=True, help="Print all of it in plain text; so it is done without -o, too.")
@click.option("--all", "every", is_flag=True, help="With what came home before, for whoever has lost it.")
@click.option("--json", "as_json", is_flag=True, help="Print it as the JSON that is signed.")
@click.pass_obj
def command(folder: Path | None, output: Path | None, *, show: bool, every: bool, as_json: bool) -> None:
    """Show what this device sends home: what it has, and its counts, never a row; or write that to FILE."""
    from hakobu_runtime.device.outgoing import export, gather
    from hakobu_runtime.device.state import open_state

    state, now = open_state(folder), datetime.now(UTC)
    written = export(state, output, now, every=every) if output else None
    parcels = (written.parcel,) if written else gather(state, now, every=every)
    if as_json:
        show_json("hakobu.export/1", file=output, parcels=parcels)
        return
    if show or written is None:
        for parcel in parcels:
            click.echo("\n".join(_lines(parcel)))
    if written is not None:
        windows, days = len(written.parcel.tallies), len(written.parcel.outcomes)
        of_outcomes = f", {days} day{'s' if days != 1 else ''} of outcomes" if days else ""
        click.echo(
            f"written: {output} (parcel {written.parcel.serial}, {windows} windows{of_outcomes}, "
            f"{len(written.content):,} bytes)"
        )


def _lines(parcel: "Parcel") -> Iterator[str]:
    """Yield all that `parcel` holds, but for its key, of which it says whose it is."""
    from hakobu_runtime.trust import PublicKey

    key = PublicKey.from_pem(parcel.key.encode(), "the key")
    yield f"device    {parcel.device}"
    yield f"key       {key.identity} (its public half; the private one stays here)"
    yield f"parcel    {parcel.serial}, made {parcel.made}"
    yield f"runtime   {parcel.runtime}, on {parcel.platform}"
    for model in parcel.models:
        yield from _model_lines(model)
    for tally in parcel.tallies:
        yield from _tally_lines(tally)
    for outcome in parcel.outcomes:
        yield from _outcome_lines(outcome)
    if not parcel.tallies and not parcel.outcomes:
        yield "counts    none that are not known to have come home"
    yield "that is all. Numbers in a row count cells by bin: below, the bins, above, missing, not a value"


def _model_lines(model: "ModelState") -> Iterator[str]:
    yield f"model     {model.name}, follows {model.channel or 'no channel'}"
    for place, box in (("active", model.active), ("former", model.former)):
        if box is not None:
            yield f"  {place:<7} {box.version}, installed {box.installed}, sha256 {box.digest}"
    for held in model.held_back:
        yield f"  held    {held.version}, since {held.since}, sha256 {held.digest}: {held.reason}"
    for name in ("barred", "trial", "offered", "contact", "tried", "trouble"):
        if getattr(model, name):
            yield f"  {name:<7} {getattr(model, name)}"
    for event in model.events:
        words = f": {event.words}" if event.words else ""
        yield f"  event   {event.number}, {event.time}: {event.version} {event.kind}, sha256 {event.digest}{words}"


def _tally_lines(tally: "Tally") -> Iterator[str]:
    window = f"the {tally.window.span} {tally.window.start}, revision {tally.revision}"
    yield f"counts    {tally.model.name} {tally.model.version}, {window}: {tally.rows} rows"
    yield f"  bundle  sha256 {tally.model.digest}, beginning {tally.epoch}"
    yield f"  {', '.join(f'{verdict} {count}' for verdict, count in tally.verdicts.items())}"
    for group, found in (("", tally.features), ("output ", tally.outputs)):
        for column, counts in found.items():
            yield f"  {group}{_shown(column)}: {' '.join(map(str, counts))}"
    for column, rules in tally.breaches.items():
        yield f"  breaches of {_shown(column)}: {', '.join(f'{rule} {count}' for rule, count in rules.items())}"
    if any(tally.latency):
        yield f"  rows by time taken: {' '.join(map(str, tally.latency))}"


def _outcome_lines(outcome: "Outcome") -> Iterator[str]:
    day, counts = f"the day {outcome.window.start}, revision {outcome.revision}", outcome.counts
    yield f"outcomes  {outcome.model.name} {outcome.model.version}, {day}: {counts.rows} rows with a label"
    yield f"  bundle  sha256 {outcome.model.digest}, beginning {outcome.epoch}"
    if counts.confusion:
        pairs = ", ".join(f"{truth} as {code} {many}" for truth, code, many in counts.confusion)
        yield f"  true class as predicted class, by their places: {pairs}"
    for name, side in (("came true", counts.so), ("did not", counts.not_so)):
        if side:
            yield f"  rows by probability, of what {name}: {' '.join(map(str, side))}"
    if counts.absolute:
        yield (
            f"  errors in units of 2^{outcome.unit}: sum {counts.error}, of sizes {counts.absolute}, of squares "
            f"{counts.squares}"
        )


def _shown(name: str) -> str:
    """Return the name of a column so that it does nothing to a terminal."""
    return name if name.isprintable() else ascii(name)
