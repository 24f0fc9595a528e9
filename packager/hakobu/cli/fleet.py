"""`hakobu fleet`: what is too large for one machine, by Apache Beam."""

from pathlib import Path

import click

from hakobu.cli.trusted import trusted
from hakobu_runtime.console.shell import show_json, warn
from hakobu_runtime.device.summary import verdicts_in_words
from hakobu_runtime.errors import FINDING, InputError

LOCAL = "DirectRunner"
PATH = click.Path(path_type=Path)


@click.group()
def command() -> None:
    """Merge the counts of a fleet, or score tables, on as many machines as Apache Beam has at hand."""


_sources = click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
_runner = click.option("--runner", "runner", default=LOCAL, show_default=True, help="Of Apache Beam.")
_options = click.option(
    "--option", "options", multiple=True, metavar="NAME=VALUE", help="Of the runner, as --option project=fleet."
)
_keys = click.option(
    "--key", "keys", multiple=True, type=PATH, help="Public key that must have signed the bundle; may be given again."
)
_target = click.option(
    "-o", "--output", "target", required=True, metavar="FOLDER", help="Where all goes: a folder, or gs://, s3://."
)
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")


@command.command()
@_sources
@click.option("--bundle", "files", type=PATH, multiple=True, metavar="FILE", help="A bundle that counted.")
@_keys
@click.option("--depot", type=PATH, envvar="HAKOBU_DEPOT", metavar="DIR", help="Has the bundles (HAKOBU_DEPOT).")
@_target
@click.option("--by", type=click.Choice(["day", "week", "month"]), default="month", help="How long each period is.")
@click.option("--last", type=click.IntRange(1), default=6, help="How many periods to show and to judge by (6).")
@_runner
@_options
@_json
def merge(
    sources: tuple[str, ...],
    files: tuple[Path, ...],
    keys: tuple[Path, ...],
    depot: Path | None,
    target: str,
    by: str,
    last: int,
    runner: str,
    options: tuple[str, ...],
    *,
    as_json: bool,
) -> int:
    """Merge and judge the parcels in and below each SOURCE, as `hakobu drift` does those of a folder.

    Exit code 3: in one of the last periods an input, an output or the outcomes of the fleet raise an alarm.
    """
    from hakobu.beam.merging import Job
    from hakobu.beam.merging import merge as run
    from hakobu.beam.runner import Runner
    from hakobu.cli.drift_sources import Boxes
    from hakobu.report.fleet.words import fleet_words
    from hakobu_runtime.format.window import Span

    known = Boxes(files, keys, depot).every()
    job = Job(tuple(map(_everywhere, sources)), known, _everywhere(target), Span(by))
    merged = run(job, Runner(runner, tuple(f"--{option}" for option in options)))
    for words in merged.refused:
        warn(f"refused: {words}")
    found = merged.judged()
    if as_json:
        show_json("hakobu.fleet-merge/1", by=by, last=last, bundles=[one.plain() for one in found])
    else:
        click.echo(fleet_words(found, last))
    return FINDING if any(one.alarm(last) for one in found) else 0


@command.command()
@_sources
@click.option("--bundle", required=True, metavar="FILE", help="The bundle to score with; an address, too.")
@_keys
@_target
@click.option("--to", type=click.Choice(["csv", "jsonl", "parquet"]), default="csv", show_default=True)
@_runner
@_options
@_json
def score(
    sources: tuple[str, ...],
    bundle: str,
    keys: tuple[Path, ...],
    target: str,
    to: str,
    runner: str,
    options: tuple[str, ...],
    *,
    as_json: bool,
) -> int:
    """Score all Parquet in and below each SOURCE, a folder or an address, by its row groups."""
    from hakobu.beam.runner import Runner
    from hakobu.beam.scoring import Job
    from hakobu.beam.scoring import score as run

    pems = tuple(pin.key.pem for pin in trusted(Path(bundle), keys).pins)
    job = Job(tuple(map(_everywhere, sources)), _everywhere(bundle), pems, _everywhere(target), to)
    total = run(job, Runner(runner, tuple(f"--{option}" for option in options)))
    if as_json:
        show_json(
            "hakobu.fleet-score/1",
            rows=total.rows,
            verdicts=total.verdicts,
            windows={window.start: counts.rows for window, counts in sorted(total.counted.items())},
            refused=[one.plain() for one in total.refused],
        )
    else:
        click.echo(f"{total.rows:,} rows: {verdicts_in_words(total.verdicts)}")
        click.echo(f"outputs, and the counts of all of them: {target}")
    for one in total.refused:
        warn(f"refused: {one.file}, row group {one.group}: {one.words}")
    if total.refused:
        raise InputError(f"{len(total.refused)} row groups could not be scored; the reasons stand above")
    return 0


def _everywhere(place: str) -> str:
    """Return a place as every worker finds it."""
    return place if "://" in place else str(Path(place).absolute())
