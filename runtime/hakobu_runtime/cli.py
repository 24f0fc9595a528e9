"""The command `hakobu-run`: everything that a device does, with no network and no scikit-learn.

Commands import what they need when they run, so that `--version` and `--help` answer at once.
"""

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from hakobu_runtime.console import about, doctor, drifting, enrolling, explain, export, outcomes, updates
from hakobu_runtime.console.progress import Progress
from hakobu_runtime.console.shell import Group, json_text, names, own_name, reading, show_json, show_json_line, warn
from hakobu_runtime.console.table import table
from hakobu_runtime.errors import INTERRUPTED, InputError, UsageError
from hakobu_runtime.version import __version__

PATH = click.Path(path_type=Path)
PLACE = click.Path(path_type=Path, readable=False)  # what is wrong with it, doctor and the state itself say better
JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
SECONDS = click.FloatRange(0, 86_400)
FORMAT = click.Choice(["csv", "jsonl", "parquet"])
MODEL = click.option("--model", help="The model, when several are installed.")


@click.group(cls=Group, name="hakobu-run", context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hakobu-run")
@click.option("--state", type=PLACE, envvar="HAKOBU_STATE", help="Folder of keys, bundles and counts (HAKOBU_STATE).")
@click.pass_context
def main(context: click.Context, state: Path | None) -> None:
    """Score signed bundles offline, check every cell, and keep counts for drift."""
    # numpy's threads for linear algebra, which no command uses, take a quarter of a short command's time to start.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    context.obj = state


@main.group()
def trust() -> None:
    """The public keys whose bundles this device takes."""


@trust.command("add")
@click.argument("key", type=PATH)
@click.option("--model", "models", multiple=True, help="Take only this model from the key; may be given again.")
@click.pass_obj
def trust_add(folder: Path | None, key: Path, models: tuple[str, ...]) -> None:
    """Pin the public key in the file KEY."""
    from hakobu_runtime.device.state import change_keyring, open_state
    from hakobu_runtime.trust import Pin, PublicKey

    with reading(key):
        pin = Pin(PublicKey.from_pem(key.read_bytes(), str(key)), models or ("*",))
    change_keyring(open_state(folder), lambda keyring: keyring.add(pin))
    click.echo(f"trusted: {pin.key.identity[:16]}… for {', '.join(pin.models).replace('*', 'every model')}")


@trust.command("list")
@JSON
@click.pass_obj
def trust_list(folder: Path | None, *, as_json: bool) -> None:
    """Show the pinned keys."""
    from hakobu_runtime.device.state import open_state, read_keyring

    pins = read_keyring(open_state(folder)).pins
    if as_json:
        keys = [{"identity": pin.key.identity, "models": pin.models} for pin in pins]
        show_json("hakobu.trust-list/1", keys=keys)
    elif pins:
        click.echo(table(["key", "models"], [[pin.key.identity, ", ".join(pin.models)] for pin in pins]))
    else:
        click.echo("no key is trusted yet; pin one with 'hakobu-run trust add KEY.pub'")


@trust.command("remove")
@click.argument("identity")
@click.pass_obj
def trust_remove(folder: Path | None, identity: str) -> None:
    """Take back the trust in the key whose IDENTITY (or its beginning) `trust list` shows."""
    from hakobu_runtime.device.state import change_keyring, open_state

    change_keyring(open_state(folder), lambda keyring: keyring.remove(identity))
    click.echo(f"no longer trusted: {identity}")


@main.command()
@click.argument("file", type=PATH)
@JSON
@click.pass_obj
def verify(folder: Path | None, file: Path, *, as_json: bool) -> None:
    """Say whether FILE is whole and signed by a trusted key."""
    from hakobu_runtime.bundle import open_bundle
    from hakobu_runtime.device.state import open_state, read_keyring

    bundle = open_bundle(file, read_keyring(open_state(folder)))
    manifest, key = bundle.manifest, bundle.pin.key.identity
    if as_json:
        show_json("hakobu.verify/1", model=manifest.name, version=manifest.version, digest=bundle.digest, key=key)
    else:
        click.echo(f"verified: {manifest.name} {manifest.version}, signed by {key[:16]}…, sha256 {bundle.digest}")


@main.command()
@click.argument("file", type=PATH)
@click.option("--again", is_flag=True, help="Also when it failed here before, and is held back.")
@click.pass_obj
def install(folder: Path | None, file: Path, *, again: bool) -> None:
    """Verify FILE, try its golden rows on this machine, and score with it from now on."""
    from hakobu_runtime.device.install import install as install_file
    from hakobu_runtime.device.slots import active_slots
    from hakobu_runtime.device.state import open_state

    state = open_state(folder)
    before = {slot.model: slot.version for slot in active_slots(state)}
    bundle = install_file(state, file, datetime.now(UTC), again=again)
    manifest = bundle.manifest
    former = before.get(manifest.name)
    replaced = f", in place of {former}" if former and former != manifest.version else ""
    click.echo(f"installed: {manifest.name} {manifest.version}{replaced}; {len(bundle.golden)} golden rows agree")


@main.command()
@click.argument("sources", type=PATH, nargs=-1, required=True, metavar="IN...")
@click.option(
    "-o",
    "--output",
    "target",
    type=PATH,
    required=True,
    metavar="OUT",
    help="CSV, JSON lines or Parquet, by its end; a folder for several inputs; - for stdout.",
)
@click.option("--bundle", type=PATH, help="Score with this file instead of the installed bundle.")
@MODEL
@click.option("--format", "layout", type=FORMAT, help="What IN is, if not by its end; stdin is CSV.")
@click.option("--to", type=FORMAT, help="What OUT is, if not by its end; in a folder, and on stdout, CSV.")
@click.option("--delimiter", help="What stands between the fields of a CSV file (a comma).")
@click.option("--encoding", help="How the text of IN is encoded (UTF-8).")
@click.option("--columns", callback=names, metavar="A,B,...", help="Columns of IN to carry over into OUT.")
@click.option(
    "--only-problems", "problems", type=PATH, metavar="FILE", help="Write every breach as CSV, for who must mend them."
)
@click.option("--strict", is_flag=True, help="End with exit code 6 when any cell broke a rule.")
@JSON
@click.pass_obj
def score(folder: Path | None, /, *, as_json: bool, strict: bool, **asked: Any) -> None:
    """Score the rows of IN into OUT.

    IN is a table, several, or a folder of them: CSV or JSON lines, also packed with gzip (.csv.gz), or Parquet; or -
    for stdin. The same command after a power cut, or after one of several inputs was mended, goes on where it stopped;
    with stdin or stdout it cannot. With -o - the summary goes to stderr.
    """
    from hakobu_runtime.device.order import STREAM
    from hakobu_runtime.device.score import Asked, Listener, score_command

    piped = asked["target"] == STREAM
    with Progress("scoring", 1, quiet=piped and sys.stdout.isatty()) as progress:
        tell = progress.aside(lambda words: None if as_json else click.echo(words))
        listener = Listener(progress.share, progress.aside(warn), lambda summary: tell(summary.words()))
        outcome = score_command(folder, Asked(**asked), listener)
    schema = "hakobu.score-all/1" if outcome.batch else "hakobu.score/1"
    click.echo(json_text(schema, outcome.plain()) if as_json else outcome.words(), err=piped)
    outcome.refuse(strict=strict)


@main.command()
@click.option("--bundle", type=PATH, help="Score with this file instead of the installed bundle.")
@MODEL
@click.pass_obj
def stream(folder: Path | None, bundle: Path | None, model: str | None) -> int:
    """Answer each JSON object on stdin with its score on stdout, a line at a time, until stdin ends."""
    from hakobu_runtime.device.stop import listening
    from hakobu_runtime.device.stream import Pipes, stream_command

    if sys.stdin is None or sys.stdout is None:
        raise InputError("stdin or stdout is closed: stream reads rows from the one and answers on the other")
    with listening() as stop:
        stream_command(folder, bundle, model, Pipes(sys.stdin.buffer, sys.stdout.buffer, stop), warn)
    return INTERRUPTED if stop.interrupted else 0


@main.command()
@click.argument("root", type=PATH, metavar="FOLDER")
@click.option("--once", is_flag=True, help="Score what is there and end; exit code 6 when a file failed.")
@click.option("--every", type=SECONDS, default=2.0, metavar="SECONDS", help="How often to look (2).")
@click.option("--settle", type=SECONDS, default=2.0, metavar="SECONDS", help="How long a file must not change (2).")
@click.option("-o", "--output", "scored", type=PATH, metavar="OUTFOLDER", help="Where the output goes (FOLDER/scored).")
@MODEL
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a file, each on a line.")
@click.pass_obj
def watch(folder: Path | None, /, root: Path, scored: Path | None, *, once: bool, as_json: bool, **how: Any) -> int:
    """Score the files that arrive in FOLDER, and move each to FOLDER/done or, with the reason, to FOLDER/failed."""
    from hakobu_runtime.device.stop import listening
    from hakobu_runtime.device.watch import Handled, keep_watching, open_watch, watch_once

    def tell(handled: Handled) -> None:
        if as_json:
            show_json_line("hakobu.watch/1", **handled.plain())
        else:
            click.echo(handled.words())

    with listening() as stop:
        (watch_once if once else keep_watching)(open_watch(folder, root, scored, **how), tell, warn, stop)
    return INTERRUPTED if stop.interrupted else 0


@main.command()
@click.argument("root", type=PATH, metavar="[FOLDER]", required=False)
@click.option("--sync", "syncs", is_flag=True, help="Look for updates, instead of scoring a FOLDER.")
@click.option(
    "--daily", type=click.DateTime(["%H:%M"]), required=True, metavar="HH:MM", help="When, by the PC's clock."
)
@click.option(
    "--for", "platform", type=click.Choice(["linux", "macos", "windows"]), help="For which system (this one)."
)
@click.option("--program", type=PATH, help="The hakobu-run to run (this one).")
@MODEL
@click.option("-o", "--output", "target", type=PATH, default=Path(), metavar="DIR", help="Where to write it (here).")
@click.option("--install", "at_once", is_flag=True, help="Install it, too.")
@JSON
@click.pass_obj
def schedule(
    folder: Path | None,
    /,
    root: Path | None,
    daily: datetime,
    target: Path,
    *,
    syncs: bool,
    at_once: bool,
    as_json: bool,
    **how: Any,
) -> None:
    """Write what lets this PC score the files in FOLDER every day, and show the command that installs it."""
    from hakobu_runtime.device.schedule import daily_sync, daily_watch, this_platform, write_schedule

    platform = how.pop("platform") or this_platform()
    if (root is None) != syncs:
        raise UsageError("name either a FOLDER to score, or --sync to look for updates")
    if root is None:
        job = daily_sync(folder, daily.time(), platform, **how)
    else:
        job = daily_watch(folder, root, daily.time(), platform, **how)
    written = write_schedule(job, platform, target)
    if at_once:
        written.run()
    if as_json:
        show_json("hakobu.schedule/1", installed=at_once, **written.plain())
    else:
        click.echo(f"{written.words()}{' (done)' if at_once else ''}")


@main.command()
@JSON
@click.pass_obj
def status(folder: Path | None, *, as_json: bool) -> None:
    """Show what is installed, trusted, followed and counted here."""
    from hakobu_runtime.device.state import open_state
    from hakobu_runtime.device.status import device_status

    found = device_status(open_state(folder), datetime.now(UTC))
    if as_json:
        show_json("hakobu.status/1", **found.plain())
    else:
        click.echo(own_name(found.words()))


for command in (
    doctor.command,
    about.command,
    drifting.command,
    explain.command,
    export.command,
    outcomes.keep_command,
    outcomes.command,
    updates.follow_command,
    enrolling.command,
    updates.sync_command,
    updates.rollback_command,
):
    main.add_command(command)
