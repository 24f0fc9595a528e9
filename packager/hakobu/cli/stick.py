"""`hakobu stick`: updates go out on a stick, counts come home on it, receipts go back."""

from pathlib import Path

import click

from hakobu.cli.at_depot import PATH, as_json, at_depot, keychain, now, tell, with_keys
from hakobu.depot.depot import METADATA, Depot, open_depot
from hakobu.depot.history import read_history
from hakobu.depot.keychain import Keychain
from hakobu.depot.receipts import receipt_signer
from hakobu.depot.roles import RECEIPTS
from hakobu.fleet.folder import Fleet
from hakobu.fleet.standing import Standing
from hakobu.stick.read import Gathered, give_receipts, read_stick, refused, survey
from hakobu.stick.write import write_stick
from hakobu_runtime.console.shell import show_json, warn
from hakobu_runtime.console.table import table
from hakobu_runtime.errors import TransferError, TrustError
from hakobu_runtime.format.channel import Channel
from hakobu_runtime.uplink.stick import Stick


@click.group()
def command() -> None:
    """A USB stick, or any folder, that carries updates out to devices and their counts back."""


@command.command()
@click.argument("stick", type=PATH)
@at_depot
@click.option("--model", metavar="NAME", help="Of this model alone.")
@click.option("--channel", metavar="NAME", help="For the followers of this channel alone.")
@click.option("--for", "device", metavar="DEVICE", help="Only what this device is offered; its name is in its status.")
@as_json
def write(
    stick: Path, model: str | None, channel: str | None, device: str | None, depot: Path, *, as_json: bool
) -> None:
    """Bring STICK to the state of the depot, for hakobu-run sync --from STICK; run it again when it broke off."""
    tell("copy")
    written = write_stick(open_depot(depot), Stick(stick), model, channel, device)
    if as_json:
        show_json("hakobu.stick-write/1", stick=stick, written=written)
        return
    click.echo(f"on the stick: {', '.join(written.channels)} ({written.files} files, {written.size:,} bytes)")
    click.echo(f"copied now:   {written.copied:,} bytes")
    click.echo(f"next:         hakobu-run sync --from {stick}   on each device")


@command.command()
@click.argument("stick", type=PATH)
@click.option("--into", "folder", type=PATH, default="fleet", metavar="FLEET", help="Where parcels are kept (fleet).")
@click.option("--key", type=PATH, metavar="KEY.pem", help=f"Signs the receipts ({RECEIPTS}.pem of the depot's keys).")
@at_depot
@with_keys
@as_json
def read(stick: Path, folder: Path, key: Path | None, depot: Path, keys: tuple[Path, ...], *, as_json: bool) -> int:
    """Take the counts that came home on STICK into the folder FLEET, and write receipts on it."""
    published = open_depot(depot) if (depot / METADATA).is_dir() else None
    fleet = Fleet(folder)
    gathered = read_stick(Stick(stick), fleet, now(), _digests(published), warn)
    _receipts(Stick(stick), fleet, gathered, keychain(depot, keys), published, key)
    found = survey(fleet, gathered.devices, _channels(published))
    if as_json:
        show_json(
            "hakobu.stick-read/1",
            new=gathered.new,
            known=gathered.known,
            refused=[str(error) for error in gathered.refused],
            receipts=gathered.receipts,
            devices=[standing.plain() for standing in found],
        )
    else:
        _show(found, gathered)
    if error := refused(gathered):
        raise error
    return 0


def _receipts(
    stick: Stick, fleet: Fleet, gathered: Gathered, chain: Keychain, published: Depot | None, named: Path | None
) -> None:
    """Write the receipts, or say why there are none."""
    path = named or receipt_signer(chain, published)
    if path is None:
        warn(f"no receipts are written, for want of {chain.place(RECEIPTS)}: name it with --key, or --keys")
        return
    try:
        give_receipts(stick, fleet, gathered, chain.open(path), now())
    except TransferError as error:
        warn(str(error))
    except TrustError as error:
        warn(f"no receipts are written: {error}")


def _channels(depot: Depot | None) -> dict[tuple[str, str], Channel]:
    if depot is None:
        return {}
    return {(model, name): depot.channel(model, name) for model in depot.models for name in depot.channels(model)}


def _digests(depot: Depot | None) -> dict[str, frozenset[str]] | None:
    """Return what was ever published, by model; None where no depot is at hand."""
    if depot is None:
        return None
    return {
        model: frozenset(entry.digest for entry in read_history(depot.model(model)).values()) for model in depot.models
    }


def _show(found: tuple[Standing, ...], gathered: Gathered) -> None:
    if found:
        header = ("device", "model", "channel", "active", "should be", "held back", "last seen", "rows", "labels")
        rows = [
            (
                one.device,
                one.model,
                one.channel or "none",
                one.active or "none",
                one.behind or "",
                ", ".join(one.held_back),
                one.seen[:16],
                f"{one.rows:,}",
                f"{one.labels:,}",
            )
            for one in found
        ]
        click.echo(table(header, rows))
        for one in found:
            for version, reason in one.held_back.items():
                click.echo(f"{one.device}: {one.model} {version} is held back: {reason}")
    click.echo(f"parcels: {gathered.new} new, {gathered.known} known, {len(gathered.refused)} refused")
    click.echo(f"receipts: {gathered.receipts} written")
