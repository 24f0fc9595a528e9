"""`hakobu publish`: a bundle comes into a channel of a depot."""

from pathlib import Path

import click

from hakobu.cli.at_depot import PATH, as_json, at_depot, keychain, no_passphrase, now, tell, with_keys
from hakobu.cli.trusted import trusted
from hakobu.depot.publish import Offered, Order, publish
from hakobu_runtime.bundle import open_bundle
from hakobu_runtime.console.shell import show_json, warn
from hakobu_runtime.console.table import table
from hakobu_runtime.errors import FINDING
from hakobu_runtime.format.validation import Gate

SCHEMA = "hakobu.publish/1"


def read_notes(context: click.Context, option: click.Parameter, value: str) -> str:
    """Return the notes in a text, or in the file that it names with an @."""
    if not value.startswith("@"):
        return value
    try:
        return Path(value[1:]).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"{value[1:]!r} cannot be read: {error}") from error


rollout = click.option(
    "--rollout", type=click.IntRange(0, 100), default=100, metavar="N", help="Percent of the devices that get it (100)."
)
notes = click.option("--notes", default="", metavar="TEXT|@FILE", callback=read_notes, help="What is new, for people.")


@click.command()
@click.argument("bundle", type=PATH, metavar="BUNDLE")
@at_depot
@click.option("--channel", required=True, metavar="NAME", help="The channel, like stable or beta; made if it is new.")
@rollout
@notes
@click.option("--minimum-version", metavar="VERSION", help="Let the channel's devices use nothing older from now on.")
@click.option(
    "--key",
    "trusted_keys",
    type=PATH,
    multiple=True,
    help="Public key that must have signed BUNDLE; may be given again.",
)
@with_keys
@no_passphrase
@as_json
def command(
    bundle: Path,
    depot: Path,
    channel: str,
    rollout: int,
    notes: str,
    minimum_version: str | None,
    trusted_keys: tuple[Path, ...],
    keys: tuple[Path, ...],
    *,
    no_passphrase: bool,
    as_json: bool,
) -> int:
    """Offer BUNDLE to the devices that follow a channel of the depot.

    It must be signed by a trusted key, have passed its gates, and be newer than all that was published of its model.
    Exit code 3 when a gate had failed; then nothing is published.
    """
    opened = open_bundle(bundle, trusted(bundle, trusted_keys))
    if opened.validation.failed:
        show_failed(bundle, opened.validation.failed, as_json=as_json)
        return FINDING
    order = Order(channel, rollout, notes, minimum_version)
    show_offered(
        publish(depot, opened, order, keychain(depot, keys, plain=no_passphrase), now(), tell), as_json=as_json
    )
    return 0


def show_failed(bundle: Path, failed: tuple[Gate, ...], *, as_json: bool) -> None:
    """Print which gates keep a bundle from being published."""
    if as_json:
        show_json(SCHEMA, published=False, failed=failed)
    else:
        rows = [(gate.name, gate.rule, gate.value, gate.limit) for gate in failed]
        click.echo(table(("failed gate", "rule", "value", "limit"), rows))
    warn(f"{bundle}: not published, since gates failed: {', '.join(gate.name for gate in failed)}")


def show_offered(offered: Offered, *, as_json: bool) -> None:
    """Print what a channel offers now."""
    channel, release = offered.channel, offered.release
    for words in offered.words:
        warn(words)
    if as_json:
        show_json(
            SCHEMA,
            published=True,
            model=channel.model,
            channel=channel.name,
            release=release,
            delegated=offered.delegated,
            remarks=offered.words,
        )
        return
    if offered.delegated:
        click.echo(f"new model:  {channel.model}, signed with the key {offered.delegated}")
    click.echo(
        f"published:  {channel.model} {release.version} in channel {channel.name}, to {release.rollout}% of its devices"
    )
    click.echo(f"bundle:     {release.target} ({release.size:,} bytes)")
    versions = {former.digest: former.version for former in channel.releases}
    for patch in release.patches:
        share = 100 * patch.size / release.size
        click.echo(f"patch:      from {versions.get(patch.base, '?')}, {patch.size:,} bytes ({share:.1f}%)")
    if release.rollout < 100:
        click.echo(f"next:       hakobu depot rollout {channel.model} {channel.name} 100")
