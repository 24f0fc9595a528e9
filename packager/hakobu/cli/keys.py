"""`hakobu keys`: the keys that releases are signed with."""

from pathlib import Path

import click

from hakobu.cli.passphrase import passphrase
from hakobu.keys import PASSPHRASE, new_key_pair
from hakobu_runtime.errors import UsageError


@click.group()
def command() -> None:
    """The keys that releases are signed with."""


@command.command()
@click.argument("folder", type=click.Path(path_type=Path), default=".")
@click.option("--name", default="release", help="Name of the two files in keys/ (release).")
@click.option("--curve", type=click.Choice(["P-256", "P-384"]), default="P-256", help="The elliptic curve.")
@click.option("--no-passphrase", is_flag=True, help="Leave the private key unencrypted, for a machine in a safe.")
def new(folder: Path, *, name: str, curve: str, no_passphrase: bool) -> None:
    """Make a key pair in FOLDER/keys (a project); the passphrase is asked for, or read from HAKOBU_KEY_PASSPHRASE."""
    private = folder / "keys" / f"{name}.pem"
    secret = None if no_passphrase else passphrase("passphrase", confirm=True)
    if secret is None and not no_passphrase:
        raise UsageError(f"a key needs a passphrase: set {PASSPHRASE}, or choose --no-passphrase")
    public = new_key_pair(private, curve, secret)
    click.echo(f"private key: {private} (keep it secret, keep a copy in a safe place; git ignores it)")
    click.echo(f"public key:  {private.with_suffix('.pub')} (give it to devices: hakobu-run trust add)")
    click.echo(f"identity:    {public.identity}")
