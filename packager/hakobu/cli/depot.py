"""`hakobu depot`: where releases are published, and whom devices believe."""

from pathlib import Path

import click

from hakobu.cli.at_depot import PATH, as_json, at_depot, keychain, no_passphrase, now, tell, with_keys
from hakobu.cli.depot_channels import minimum, promote, revoke, rollback, rollout_
from hakobu.cli.depot_next import next_
from hakobu.depot.create import Plan, create
from hakobu.depot.depot import Depot, open_depot
from hakobu.depot.editing import editing
from hakobu.depot.invite import invitation, write_invitation
from hakobu.depot.pending import Standing, drop
from hakobu.depot.pending import sign as sign_root
from hakobu.depot.renew import check_days, renew_role
from hakobu.depot.renew import refresh as refresh_depot
from hakobu.depot.roles import DAYS, ROOT, TOP
from hakobu.depot.rotate import renew_root, rotate
from hakobu.depot.status import expiring, status_words
from hakobu.depot.status import status as depot_status
from hakobu.depot.verify import verify as verify_depot
from hakobu_runtime.console.shell import show_json, warn
from hakobu_runtime.errors import UsageError
from hakobu_runtime.format.follow import ENDING


@click.group()
def command() -> None:
    """Where releases are published for devices: a folder of static files, signed with The Update Framework."""


command.add_command(promote, "promote")
command.add_command(rollout_, "rollout")
command.add_command(rollback, "rollback")
command.add_command(revoke, "revoke")
command.add_command(minimum, "minimum")
command.add_command(next_, "next")


@command.command()
@click.argument("depot", type=PATH, default="depot", envvar="HAKOBU_DEPOT", metavar="[DEPOT]")
@with_keys
@click.option("--root-keys", type=click.IntRange(1, 20), default=3, show_default=True, help="How many root keys.")
@click.option("--root-threshold", type=click.IntRange(1, 20), default=2, show_default=True, help="How many must sign.")
@click.option(
    "--plain-online", is_flag=True, help="Leave the keys of snapshot and timestamp unencrypted, for a schedule."
)
@click.option(
    "--days",
    "told",
    multiple=True,
    metavar="ROLE=N",
    help=f"How long a role holds ({', '.join(f'{role}={days}' for role, days in DAYS.items())}).",
)
@no_passphrase
@as_json
def init(
    depot: Path,
    keys: tuple[Path, ...],
    root_keys: int,
    root_threshold: int,
    told: tuple[str, ...],
    *,
    plain_online: bool,
    no_passphrase: bool,
    as_json: bool,
) -> None:
    """Make an empty depot in the folder DEPOT, and its private keys in DEPOT-keys beside it."""
    chain = keychain(depot, keys, plain=no_passphrase)
    made = create(depot, chain, Plan(root_keys, root_threshold, plain_online, _days(told)), now())
    found = depot_status(made, chain, now())
    if as_json:
        show_json("hakobu.depot-init/1", depot=depot, keys=chain.folders[0], roles=found.roles)
        return
    click.echo(f"depot:  {depot} (any web server can serve it, and any stick carry it)")
    click.echo(f"keys:   {chain.folders[0]} (keep them secret; keep the root keys apart, offline, with copies)")
    click.echo(f"next:   hakobu publish BUNDLE --depot {depot} --channel stable")


@command.command()
@at_depot
@with_keys
@as_json
def status(depot: Path, keys: tuple[Path, ...], *, as_json: bool) -> None:
    """Show channels, releases and roll-outs, who keeps the keys, and what is about to expire."""
    found = depot_status(open_depot(depot), keychain(depot, keys), now())
    if as_json:
        show_json(
            "hakobu.depot-status/1",
            depot=found.depot,
            made=found.made,
            roles=found.roles,
            models=found.models,
            waiting=found.waiting,
        )
    else:
        click.echo(status_words(found))


@command.command()
@at_depot
@with_keys
@as_json
def refresh(depot: Path, keys: tuple[Path, ...], *, as_json: bool) -> None:
    """Sign a new timestamp, so that nothing expires; for a schedule: the keys of timestamp and snapshot are enough."""
    _show_dates(refresh_depot(depot, keychain(depot, keys), now()), "timestamp", as_json=as_json)


@command.command()
@click.argument("role")
@click.option("--days", type=int, metavar="N", help="How long it holds from now on (as before).")
@at_depot
@with_keys
@as_json
def renew(role: str, days: int | None, depot: Path, keys: tuple[Path, ...], *, as_json: bool) -> None:
    """Sign what ROLE says anew, before it expires: root, targets, snapshot, timestamp, or a model."""
    check_days(days)
    chain = keychain(depot, keys)
    if role == ROOT:
        _show_standing(renew_root(depot, days, chain, now()), as_json=as_json)
    else:
        _show_dates(renew_role(depot, role, days, chain, now()), role, as_json=as_json)


@command.command("rotate-key")
@click.argument("role")
@click.option("--out", metavar="NAME", help="The key that goes, where the role has several: its name or id.")
@click.option("--new", "public", type=PATH, metavar="KEY.pub", help="The key that comes, made by whoever keeps it.")
@at_depot
@with_keys
@no_passphrase
@as_json
def rotate_key(
    role: str,
    out: str | None,
    public: Path | None,
    depot: Path,
    keys: tuple[Path, ...],
    *,
    no_passphrase: bool,
    as_json: bool,
) -> None:
    """Put a new key in the place of one of ROLE: root, targets, snapshot, timestamp, a model, or receipts.

    What the old key signs counts for nothing then. Where the root keys at hand are too few, the change waits for
    'hakobu depot sign'.
    """
    done = rotate(depot, role, keychain(depot, keys, plain=no_passphrase), now(), out, public)
    if not as_json:
        click.echo(f"{role}: {done.out} goes, {done.new} comes{f' ({done.made})' if done.made else ''}")
    if done.standing is not None:
        _show_standing(done.standing, as_json=as_json, role=role, out=done.out, new=done.new)
    elif as_json:
        show_json("hakobu.depot-root/1", role=role, out=done.out, new=done.new, published=True)


@command.command()
@click.argument("key", type=PATH, required=False, metavar="[KEY.pem]")
@click.option("--drop", "dropped", is_flag=True, help="Take away the change that waits, instead.")
@at_depot
@with_keys
@as_json
def sign(key: Path | None, depot: Path, keys: tuple[Path, ...], *, dropped: bool, as_json: bool) -> None:
    """Sign with a root key, in KEY.pem, the change that waits for it."""
    if dropped == (key is not None):
        raise UsageError("give the file of a root key to sign with, or --drop")
    with editing(depot, keychain(depot, keys), now()) as edition:
        standing = None if key is None else sign_root(edition, key)
        if standing is None:
            drop(edition.depot)
    if standing is not None:
        _show_standing(standing, as_json=as_json)
    elif as_json:
        show_json("hakobu.depot-root/1", dropped=True)
    else:
        click.echo("dropped: the depot is as it was before")


@command.command()
@click.argument("model")
@click.option("--channel", required=True, metavar="NAME", help="The channel that the device will follow.")
@click.option("--address", default="", metavar="URL", help="Where the device finds the depot; none for sticks alone.")
@click.option("--hub", default="", metavar="URL", help="Where it sends its counts; none for sticks, or nowhere.")
@click.option(
    "--least-rows",
    type=click.IntRange(0, 1_000_000),
    default=0,
    metavar="K",
    help="Let no window of fewer rows leave the device (0).",
)
@click.option("-o", "--output", type=PATH, metavar="FILE", help=f"Where to put it (MODEL{ENDING}).")
@at_depot
@as_json
def invite(
    model: str,
    channel: str,
    address: str,
    hub: str,
    least_rows: int,
    output: Path | None,
    depot: Path,
    *,
    as_json: bool,
) -> None:
    """Write the file that makes a device follow a channel of MODEL: hakobu-run follow FILE."""
    path = output or Path(f"{model}{ENDING}")
    follow = invitation(open_depot(depot), model, channel, address, hub, least_rows)
    write_invitation(follow, path)
    if as_json:
        show_json("hakobu.depot-invite/1", path=path, model=model, channel=channel, address=address, hub=hub)
        return
    counts = f", counts to {hub}" if hub else ""
    click.echo(f"written: {path} ({model}, channel {channel}, from {address or 'sticks alone'}{counts})")
    click.echo(f"next:    hakobu-run follow {path.name}   on each device, or: hakobu freeze BUNDLE --follow {path}")


@command.command()
@at_depot
@as_json
def verify(depot: Path, *, as_json: bool) -> None:
    """Read the whole depot as devices do, fetch all that it offers, and apply each patch."""
    found = verify_depot(open_depot(depot), now(), tell)
    if as_json:
        show_json(
            "hakobu.depot-verify/1",
            channels=found.channels,
            bundles=found.bundles,
            patches=found.patches,
            size=found.size,
        )
        return
    names = ", ".join(found.channels) or "no channel yet"
    click.echo(f"sound: {names}; bundles: {found.bundles}, patches: {found.patches}, {found.size:,} bytes")


def _days(told: tuple[str, ...]) -> dict[str, int]:
    found = {}
    for words in told:
        role, _, days = words.partition("=")
        if role not in TOP or not days.isdecimal():
            raise UsageError(f"--days {words!r} must be written like timestamp=400, for {', '.join(TOP)}")
        check_days(int(days))
        found[role] = int(days)
    return found


def _show_dates(depot: Depot, role: str, *, as_json: bool) -> None:
    signed = depot.signed[role]
    for words in expiring(depot, now()):
        warn(words)
    if as_json:
        show_json("hakobu.depot-renew/1", role=role, version=signed.version, expires=signed.expires.isoformat())
    else:
        click.echo(f"signed: {role} {signed.version}, holds until {signed.expires:%Y-%m-%d}")


def _show_standing(found: Standing, *, as_json: bool, **more: object) -> None:
    for words in found.words:
        warn(words)
    if as_json:
        show_json("hakobu.depot-root/1", **more, published=found.published, root=found)
    elif found.published:
        click.echo(f"published: root {found.version}, signed by {', '.join(found.signed)}")
    else:
        click.echo(f"waiting: root {found.version}, signed by {', '.join(found.signed) or 'nobody'}")
        click.echo(f"missing: {found.lacking} more of {', '.join(found.open)}: hakobu depot sign KEY.pem")
