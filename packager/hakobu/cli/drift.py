"""`hakobu drift`: what the counts of a fleet say of its inputs, its outputs and its outcomes."""

from pathlib import Path

import click

from hakobu.cli.at_depot import PATH, as_json, now
from hakobu.cli.hub import hub_module
from hakobu_runtime.console.shell import show_json
from hakobu_runtime.errors import FINDING, UsageError

SCHEMA = "hakobu.fleet-drift/1"


@click.command()
@click.argument("source", type=PATH, default="fleet", metavar="[SOURCE]")
@click.option("--hub", type=PATH, metavar="DIR", help="The counts that came home to this hub, not those in SOURCE.")
@click.option("--database", metavar="URL", help="Those in this database of a hub, like postgresql://USER@HOST/NAME.")
@click.option("--group", metavar="NAME", help="Of the devices of this group of the hub alone.")
@click.option("--since", metavar="30d|DAY", help="Only what was counted since then: 30d, 12w, or 2026-03-01.")
@click.option("--model", metavar="NAME", help="Of this model alone.")
@click.option("--bundle", "files", type=PATH, multiple=True, metavar="FILE", help="A bundle that counted.")
@click.option("--key", "keys", type=PATH, multiple=True, help="Public key that must have signed the bundles.")
@click.option("--depot", type=PATH, envvar="HAKOBU_DEPOT", metavar="DIR", help="Has the bundles (depot, HAKOBU_DEPOT).")
@click.option("--by", type=click.Choice(["day", "week", "month"]), default="month", help="How long each period is.")
@click.option("--last", type=click.IntRange(1), default=6, help="How many periods to show and to judge by (6).")
@click.option("--html", "page", type=PATH, metavar="FILE.html", help="Write a page with pictures of it, too.")
@as_json
def command(
    source: Path,
    hub: Path | None,
    database: str | None,
    group: str | None,
    since: str | None,
    model: str | None,
    files: tuple[Path, ...],
    keys: tuple[Path, ...],
    depot: Path | None,
    by: str,
    last: int,
    page: Path | None,
    *,
    as_json: bool,
) -> int:
    """Hold the counts of a fleet against training: in SOURCE, a folder of parcels or a stick (fleet), or in a hub.

    Exit code 3: in one of the last periods an input, an output or the outcomes of the fleet raise an alarm. Devices
    whose counts are odd are told apart, and raise none.
    """
    from hakobu.cli.drift_sources import Asked, Boxes, judge_folder, read_since
    from hakobu.report.fleet.words import fleet_words
    from hakobu_runtime.format.window import Span

    asked = Asked(Span(by), model, None if since is None else read_since(since, now()))
    place = str(source)
    if hub is not None or database is not None:
        place, found = hub_module("drift_hub").judge_hub(hub, database, asked, group)
    elif group is not None:
        raise UsageError("--group is one of a hub's: name that with --hub or --database")
    else:
        found = judge_folder(source, Boxes(files, keys, depot), asked)
    if page is not None:
        from hakobu.report.fleet.page import write_page

        write_page(found, last, now(), page)
    if as_json:
        show_json(SCHEMA, source=place, by=by, last=last, bundles=[one.plain() for one in found])
    else:
        click.echo(fleet_words(found, last))
    return FINDING if any(one.alarm(last) for one in found) else 0
