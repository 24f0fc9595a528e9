"""`hakobu hub add`: which bundles the hub takes counts of."""

from pathlib import Path

import click

from hakobu.cli.at_depot import PATH, as_json, now
from hakobu.cli.at_hub import Hub, at_hub
from hakobu.cli.trusted import trusted
from hakobu.depot.depot import open_depot
from hakobu.hub.bundles import add_bundle, add_depot
from hakobu_runtime.bundle import open_bundle
from hakobu_runtime.console.shell import show_json
from hakobu_runtime.errors import UsageError


@click.command()
@click.argument("bundles", type=PATH, nargs=-1, metavar="BUNDLE...")
@click.option("--depot", type=PATH, metavar="DIR", help="All releases that lie in this depot, too.")
@click.option(
    "--key", "keys", type=PATH, multiple=True, help="Public key that must have signed BUNDLE; may be given again."
)
@click.option("--notes", default="", metavar="WORDS", help="What the pages say of BUNDLE.")
@at_hub
@as_json
def add(
    bundles: tuple[Path, ...], depot: Path | None, keys: tuple[Path, ...], notes: str, hub: Hub, *, as_json: bool
) -> None:
    """Take counts of BUNDLE from now on; a hub that serves a depot knows what is published there by itself."""
    if not bundles and depot is None:
        raise UsageError("name a BUNDLE, or a depot with --depot")
    opened = [open_bundle(path, trusted(path, keys)) for path in bundles]
    published = open_depot(depot) if depot is not None else None
    database, moment = hub.begun(), now()
    found = [add_bundle(database, bundle, moment, notes) for bundle in opened]
    many = add_depot(database, published, moment) if published is not None else 0
    if as_json:
        shown = [{"model": one.model, "version": one.version, "digest": one.digest} for one in found]
        show_json("hakobu.hub-add/1", bundles=shown, releases=many)
        return
    for one in found:
        click.echo(f"known: {one.model} {one.version} (sha256 {one.digest[:16]}…)")
    if published is not None:
        click.echo(f"added: {many} release{'' if many == 1 else 's'} of {depot}")
