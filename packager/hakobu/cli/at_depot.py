"""What the commands on a depot share: where it is, where its keys are, and what time it is."""

import os
import sys
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import click

from hakobu.cli.passphrase import passphrase
from hakobu.depot.keychain import Keychain
from hakobu.keys import PASSPHRASE, is_encrypted
from hakobu_runtime.errors import UsageError

PATH = click.Path(path_type=Path)
_EPOCH = "SOURCE_DATE_EPOCH"

at_depot = click.option(
    "--depot", type=PATH, default="depot", envvar="HAKOBU_DEPOT", metavar="DIR", help="The depot (depot, HAKOBU_DEPOT)."
)
with_keys = click.option(
    "--keys",
    type=PATH,
    multiple=True,
    envvar="HAKOBU_DEPOT_KEYS",
    metavar="DIR",
    help="Folder with the depot's private keys; may be given again (DEPOT-keys, HAKOBU_DEPOT_KEYS).",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
no_passphrase = click.option("--no-passphrase", is_flag=True, help="Leave new private keys unencrypted.")


def keychain(depot: Path, keys: tuple[Path, ...], *, plain: bool = False) -> Keychain:
    """Return the keys in the folders `keys`, or in the one beside the depot; new ones have no passphrase if `plain`."""
    return Keychain(keys or (_beside(depot),), _unlock, _no_lock if plain else cache(_lock))


def now() -> datetime:
    """Return what SOURCE_DATE_EPOCH says, or the clock."""
    said = os.environ.get(_EPOCH)
    if said is None:
        return datetime.now(UTC)
    try:
        return datetime.fromtimestamp(int(said), UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise UsageError(f"{_EPOCH} is {said!r}; it must be whole seconds since 1970") from error


def tell(words: str) -> None:
    """Say on a terminal what takes a while now."""
    if sys.stderr is not None and sys.stderr.isatty():
        click.echo(f"{words} ...", err=True)


def _beside(depot: Path) -> Path:
    named = depot if depot.name not in ("", "..") else depot.resolve()
    return named.with_name(f"{named.name}-keys")


def _unlock(path: Path) -> bytes | None:
    return passphrase(f"passphrase of {path}") if is_encrypted(path) else None


def _lock() -> bytes | None:
    secret = passphrase("passphrase for new keys", confirm=True)
    if secret is None:
        raise UsageError(f"new keys need a passphrase: set {PASSPHRASE}, or choose --no-passphrase")
    return secret


def _no_lock() -> bytes | None:
    return None
