"""`hakobu hub import`: counts come to the hub on a stick, or in a folder, and receipts go back."""

from pathlib import Path

import click

from hakobu.cli.at_depot import PATH, as_json, now
from hakobu.cli.at_hub import Hub, at_hub
from hakobu.cli.passphrase import passphrase
from hakobu.hub.carried import Keeper, files, import_parcels
from hakobu.hub.database import Database
from hakobu.keys import is_encrypted, read_private_key
from hakobu.stick.read import Gathered, give_receipts, refused
from hakobu_runtime.console.progress import Progress
from hakobu_runtime.console.shell import show_json, warn
from hakobu_runtime.errors import TransferError
from hakobu_runtime.uplink.stick import Stick


@click.command("import")
@click.argument("place", type=PATH, metavar="FOLDER|STICK")
@click.option("--enrol-new", is_flag=True, help="Make devices known that are not, by the key that comes first.")
@click.option("--group", default="", metavar="NAME", help="The group that --enrol-new puts them in (none).")
@click.option("--receipts", type=PATH, metavar="KEY.pem", help="Write receipts on the stick, signed with this key.")
@at_hub
@as_json
def import_(place: Path, group: str, receipts: Path | None, hub: Hub, *, enrol_new: bool, as_json: bool) -> int:
    """Take the parcels that lie on a stick, or in a folder, into the hub."""
    database, stick = hub.begun() if enrol_new else hub.database(), Stick(place)
    paths = files(stick)
    with Progress("import", len(paths), quiet=as_json) as bar:
        gathered = import_parcels(
            database, stick, paths, now(), bar.aside(warn), bar.reach, group if enrol_new else None
        )
    if receipts is not None:
        _receipts(stick, database, gathered, receipts)
    if as_json:
        show_json(
            "hakobu.hub-import/1",
            new=gathered.new,
            known=gathered.known,
            refused=[str(error) for error in gathered.refused],
            receipts=gathered.receipts,
            devices=sorted(gathered.devices),
        )
    else:
        click.echo(f"parcels:  {gathered.new} new, {gathered.known} known, {len(gathered.refused)} refused")
        click.echo(f"devices:  {len(gathered.devices)}")
        click.echo(f"receipts: {gathered.receipts} written")
    if error := refused(gathered):
        raise error
    return 0


def _receipts(stick: Stick, database: Database, gathered: Gathered, path: Path) -> None:
    """Write the receipts, or say why there are none: the counts are taken all the same."""
    key = read_private_key(path, passphrase(f"passphrase of {path}") if is_encrypted(path) else None)
    try:
        give_receipts(stick, Keeper(database), gathered, key, now())
    except TransferError as error:
        warn(str(error))
