"""`hakobu hub serve`: the service itself."""

import re
from datetime import timedelta
from functools import partial
from ipaddress import ip_address
from pathlib import Path

import click
from sqlalchemy import func, select

from hakobu.cli.at_depot import PATH, keychain
from hakobu.cli.at_hooks import with_hooks
from hakobu.cli.at_hub import Hub, at_hub
from hakobu.cli.passphrase import passphrase
from hakobu.depot.depot import open_depot, receipt_keys
from hakobu.depot.receipts import receipt_signer
from hakobu.depot.roles import RECEIPTS
from hakobu.hub import sessions, tables
from hakobu.hub.database import Database
from hakobu.hub.hooks import Hooks
from hakobu.hub.web.app import create_app
from hakobu.hub.web.events import STDOUT
from hakobu.hub.web.server import Tls
from hakobu.hub.web.server import serve as run
from hakobu.hub.web.settings import Settings, clock
from hakobu.keys import is_encrypted
from hakobu_runtime.console.shell import warn
from hakobu_runtime.errors import StateError, TrustError, UsageError
from hakobu_runtime.trust import PrivateKey

_UNITS = {"s": 1, "m": 60, "h": 3600}


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at; 0.0.0.0 for all.")
@click.option("--port", type=click.IntRange(0, 65535), default=8350, show_default=True, help="0 for any that is free.")
@click.option("--depot", type=PATH, envvar="HAKOBU_DEPOT", metavar="DIR", help="Serve this depot too, below /depot.")
@click.option(
    "--receipt-key",
    type=PATH,
    envvar="HAKOBU_HUB_RECEIPT_KEY",
    metavar="KEY.pem",
    help=f"Signs the receipts that spare devices sending twice ({RECEIPTS}.pem of the depot's keys).",
)
@click.option("--tls-cert", type=PATH, metavar="PEM", help="Serve HTTPS with this certificate.")
@click.option("--tls-key", type=PATH, metavar="PEM", help="Its key, where that is a file of its own.")
@click.option(
    "--trusted-proxy",
    "proxies",
    multiple=True,
    metavar="ADDRESS",
    help="A reverse proxy, or its network: what it says of who asks is believed. May be given again.",
)
@click.option(
    "--proxy-header", default="", metavar="NAME", help="People log in at the proxy, which says who in this header."
)
@click.option("--root-path", default="", metavar="PATH", help="Where the proxy shows the hub, like /hub.")
@click.option("--events", type=PATH, metavar="FILE|-", help="Append what happens to FILE, a JSON object on a line.")
@click.option("--open-metrics", is_flag=True, help="Let everybody read /metrics, not this machine alone.")
@click.option("--every", default="60s", show_default=True, metavar="60s", help="How often alarms are looked for.")
@with_hooks
@at_hub
def serve(
    host: str,
    port: int,
    depot: Path | None,
    receipt_key: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    proxies: tuple[str, ...],
    proxy_header: str,
    root_path: str,
    events: Path | None,
    every: str,
    hooks: Hooks,
    hub: Hub,
    *,
    open_metrics: bool,
) -> None:
    """Take what devices send, serve them their depot, and show people how the fleet does; until Ctrl-C.

    Listens on this machine alone unless --host says otherwise.
    """
    tls = _tls(tls_cert, tls_key)
    if depot is not None:
        open_depot(depot)
    settings = Settings(
        _written_to(hub.begun()),
        depot,
        _receipt_key(depot, receipt_key),
        proxy_header,
        proxies,
        hooks,
        _seconds(every),
        events=events,
        root_path=root_path,
        open_metrics=open_metrics,
    )
    _warn_of_plain(host, tls, proxies)
    try:
        run(create_app(settings), host, port, tls, lambda address: _tell(settings, address))
    except KeyboardInterrupt:
        click.echo("ended", err=True)  # by Ctrl-C, as it should be


def _written_to(database: Database) -> Database:
    """Return `database`; raise StateError where it can only be read, before a device is let in for nothing."""
    with database.begin() as connection:
        sessions.prune(connection, clock())
    return database


def _tls(certificate: Path | None, key: Path | None) -> Tls | None:
    if certificate is None:
        if key is not None:
            raise UsageError("--tls-key belongs to a certificate: name that with --tls-cert")
        return None
    return Tls(certificate, key)


def _receipt_key(depot: Path | None, named: Path | None) -> PrivateKey | None:
    """Return what signs receipts: the key that is named, or else one that lies where the depot's keys do."""
    path = named
    if path is None and depot is not None:
        path = receipt_signer(keychain(depot, ()), open_depot(depot))
    if path is None:
        warn("no receipts are given, for want of --receipt-key: devices send what came home once more each time")
        return None
    try:
        content = path.read_bytes()
        secret = passphrase(f"passphrase of {path}") if is_encrypted(path) else None
        key = PrivateKey.from_pem(content, secret, str(path))
    except OSError as error:
        raise StateError(f"{path}: cannot be read: {error.strerror}; check its name and permissions") from error
    except TrustError as error:
        if named is not None:
            raise
        warn(f"no receipts are given: {error}")
        return None
    if depot is not None and key.public.pem.decode() not in receipt_keys(open_depot(depot)):
        warn(f"{path}: is no key that the depot names for receipts: devices do not believe it")
    return key


def _seconds(text: str) -> timedelta:
    found = re.fullmatch(r"([1-9][0-9]{0,5})([smh]?)", text)
    if found is None:
        raise UsageError(f"--every {text!r} must be a time like 60s, 5m or 1h")
    return timedelta(seconds=int(found[1]) * _UNITS[found[2] or "s"])


def _warn_of_plain(host: str, tls: Tls | None, proxies: tuple[str, ...]) -> None:
    """Say so where passwords would travel for everybody to read."""
    try:
        is_local = ip_address(host).is_loopback
    except ValueError:
        is_local = host == "localhost"
    if not (is_local or tls or proxies):
        warn(f"{host} is reached from other machines, without TLS: passwords can be read on their way (--tls-cert)")


def _tell(settings: Settings, address: str) -> None:
    """Say where the hub is, and what to do first: beside the events, where those go to the standard output."""
    say = partial(click.echo, err=settings.events == STDOUT)
    database = settings.database
    devices, bundles, accounts = (_many(database, table) for table in ("devices", "bundles", "accounts"))
    say(f"hub:       {address}{settings.root_path}")
    say(f"database:  {database.name} (devices: {devices}, bundles: {bundles})")
    if settings.depot is not None:
        say(f"depot:     {settings.depot}, served at {address}{settings.root_path}/depot")
    say(f"receipts:  {'signed' if settings.receipt_key else 'none'}")
    first = [
        (not accounts and not settings.proxy_header, "hakobu hub user add NAME --operator", "who may look, and change"),
        (not bundles, "hakobu hub add BUNDLE", "counts of this bundle are taken"),
        (not devices, "hakobu hub invite", "a code that lets one device in"),
    ]
    for place, (command, words) in enumerate((command, words) for lacks, command, words in first if lacks):
        say(f"{'' if place else 'first:':10} {command:36} ({words})")
    say("Ctrl-C ends it.")


def _many(database: Database, name: str) -> int:
    table = tables.metadata.tables[name]
    with database.read() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())
