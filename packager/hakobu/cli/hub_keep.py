"""`hakobu hub backup`, `restore`, `prune`: what the hub keeps, and for how long."""

import re
from pathlib import Path

import click

from hakobu.cli.at_depot import PATH, as_json, now, tell
from hakobu.cli.at_hub import Hub, at_hub
from hakobu.hub import backup as writing
from hakobu.hub import restore as reading
from hakobu.hub import retention
from hakobu_runtime.console.shell import show_json
from hakobu_runtime.errors import UsageError


@click.command()
@click.argument("file", type=PATH)
@at_hub
@as_json
def backup(file: Path, hub: Hub, *, as_json: bool) -> None:
    """Write all that the hub knows to FILE, while it serves; keep that secret, as it holds who may log in.

    The same FILE is restored into SQLite and into PostgreSQL.
    """
    tell("back up")
    saved = writing.backup(hub.database(), file, now())
    if as_json:
        show_json("hakobu.hub-saved/1", file=saved.path, size=saved.size, rows=saved.rows)
        return
    click.echo(f"written: {saved.path} ({saved.size:,} bytes: {_words(saved.rows)})")


@click.command()
@click.argument("file", type=PATH)
@click.option("--replace", is_flag=True, help="Give up all that the hub knows now.")
@at_hub
@as_json
def restore(file: Path, hub: Hub, *, replace: bool, as_json: bool) -> None:
    """Fill an empty hub with the backup in FILE, all of it or nothing; stop the service while you do.

    Devices that send over a network notice what is missing since the backup was made, and send it again by themselves;
    others need to be told: hakobu-run export --all.
    """
    tell("restore")
    found = reading.restore(hub.placed(), file, replace=replace)
    if as_json:
        show_json("hakobu.hub-restored/1", file=file, made=found.made, rows=found.rows)
        return
    click.echo(f"restored: {file}, made {found.made} ({_words(found.rows)})")


@click.command()
@click.option("--older-than", "age", required=True, metavar="400d", help="In days; of counts whole months go.")
@at_hub
@as_json
def prune(age: str, hub: Hub, *, as_json: bool) -> None:
    """Take out counts, parcels, refusals and closed alarms that are older, for good: they are not taken again."""
    gone = retention.prune(hub.database(), _days(age), now())
    if as_json:
        show_json("hakobu.hub-pruned/1", **gone.plain())
        return
    counts = gone.plain()
    click.echo(f"kept: counts from {counts.pop('horizon')} on")
    click.echo(f"gone: {', '.join(f'{name} {many:,}' for name, many in counts.items())}")


def _words(rows: dict[str, int]) -> str:
    return ", ".join(f"{name} {rows[name]:,}" for name in ("devices", "bundles", "windows", "outcomes") if name in rows)


def _days(age: str) -> int:
    found = re.fullmatch(r"([1-9][0-9]{0,4})d?", age)
    if found is None:
        raise UsageError(f"--older-than {age!r} must be a number of days, like 400d")
    return int(found[1])
