"""`hakobu depot promote, rollout, rollback, revoke, minimum`: what becomes of a release."""

from collections.abc import Iterable
from pathlib import Path

import click

from hakobu.cli.at_depot import as_json, at_depot, keychain, now, tell, with_keys
from hakobu.cli.publish import notes, rollout, show_offered
from hakobu.depot.publish import Order
from hakobu.depot.publish import promote as promote_release
from hakobu.depot.steer import revoke as revoke_release
from hakobu.depot.steer import roll_back, set_minimum, set_rollout
from hakobu_runtime.console.shell import show_json
from hakobu_runtime.format.channel import Channel

ANY = "any"
"""The minimum version that lets everything be used."""


@click.command()
@click.argument("model")
@click.argument("channel")
@click.option("--to", default="stable", metavar="CHANNEL", help="The channel that it comes into (stable).")
@click.option("--version", metavar="VERSION", help="Of what CHANNEL holds, not the newest.")
@rollout
@notes
@at_depot
@with_keys
@as_json
def promote(
    model: str,
    channel: str,
    to: str,
    version: str | None,
    rollout: int,
    notes: str,
    depot: Path,
    keys: tuple[Path, ...],
    *,
    as_json: bool,
) -> None:
    """Offer the newest release of CHANNEL, like beta, in another channel too."""
    order = Order(to, rollout, notes)
    offered = promote_release(depot, model, channel, order, keychain(depot, keys), now(), version, tell)
    show_offered(offered, as_json=as_json)


@click.command()
@click.argument("model")
@click.argument("channel")
@click.argument("percent", type=click.IntRange(0, 100))
@at_depot
@with_keys
@as_json
def rollout_(model: str, channel: str, percent: int, depot: Path, keys: tuple[Path, ...], *, as_json: bool) -> None:
    """Let the newest release of CHANNEL come to PERCENT of its devices; those that have it keep it."""
    changed = set_rollout(depot, model, channel, percent, keychain(depot, keys), now())
    _show(
        (changed,),
        f"roll-out:  {model} {changed.releases[0].version}, {percent}% of channel {channel}",
        as_json=as_json,
    )


@click.command()
@click.argument("model")
@click.argument("channel")
@at_depot
@with_keys
@as_json
def rollback(model: str, channel: str, depot: Path, keys: tuple[Path, ...], *, as_json: bool) -> None:
    """Withdraw the newest release of CHANNEL: devices that have it go back to the former one."""
    gone, changed = roll_back(depot, model, channel, keychain(depot, keys), now())
    offered = changed.releases[0].version
    words = f"withdrawn: {model} {gone.version}; channel {channel} offers {offered} again"
    _show((changed,), words, as_json=as_json)


@click.command()
@click.argument("model")
@click.argument("version")
@click.option("--reason", required=True, metavar="TEXT", help="Why; devices tell it to people.")
@at_depot
@with_keys
@as_json
def revoke(model: str, version: str, reason: str, depot: Path, keys: tuple[Path, ...], *, as_json: bool) -> None:
    """Let no device use VERSION any more, in no channel: even one that then has nothing to score with."""
    channels = revoke_release(depot, model, version, reason, keychain(depot, keys), now())
    lines = [f"revoked:   {model} {version} in {', '.join(channel.name for channel in channels)}"]
    for channel in channels:
        offers = channel.releases[0].version if channel.releases else "nothing: its devices stop scoring"
        lines.append(f"{channel.name + ':':<10} offers {offers}")
    _show(channels, "\n".join(lines), as_json=as_json)


@click.command()
@click.argument("model")
@click.argument("channel")
@click.argument("version")
@at_depot
@with_keys
@as_json
def minimum(model: str, channel: str, version: str, depot: Path, keys: tuple[Path, ...], *, as_json: bool) -> None:
    """Let the devices of CHANNEL use nothing older than VERSION; 'any' takes that back."""
    changed = set_minimum(depot, model, channel, "" if version == ANY else version, keychain(depot, keys), now())
    _show((changed,), f"minimum:   {model} {version} in channel {channel}", as_json=as_json)


def _show(channels: Iterable[Channel], words: str, *, as_json: bool) -> None:
    if as_json:
        show_json("hakobu.depot-channels/1", channels=tuple(channels))
    else:
        click.echo(words)
