"""`hakobu inspect`: what is in the box."""

from pathlib import Path

import click

from hakobu_runtime.console.shell import reading, show_json
from hakobu_runtime.errors import TrustError
from hakobu_runtime.trust import Keyring, Pin, PublicKey

PATH = click.Path(path_type=Path)


@click.command()
@click.argument("file", type=PATH)
@click.option(
    "--key", "keys", type=PATH, multiple=True, help="Public key that must have signed FILE; may be given again."
)
@click.option("--json", "as_json", is_flag=True, help="Print the whole manifest and the gates as one JSON object.")
def command(file: Path, keys: tuple[Path, ...], *, as_json: bool) -> None:
    """Say what is in FILE, after verifying it: with --key, or with the keys of the project that FILE stands in."""
    from hakobu.report.contents import contents
    from hakobu_runtime.bundle import open_bundle

    # A file that is not there is told by opening it, and needs no key.
    bundle = open_bundle(file, _keyring(keys or (_project_keys(file) if file.exists() else ())))
    if as_json:
        fields = {"manifest": bundle.manifest, "validation": bundle.validation, "digest": bundle.digest}
        show_json("hakobu.inspect/1", **fields, key=bundle.pin.key.identity)
    else:
        click.echo(contents(bundle))


def _project_keys(file: Path) -> tuple[Path, ...]:
    """Return the public keys in the `keys` folder beside or above FILE, or of the current folder."""
    for folder in (*file.absolute().parents, Path.cwd()):
        found = tuple(sorted((folder / "keys").glob("*.pub")))
        if found:
            return found
    raise TrustError(f"{file}: no public key to verify it with; name one with --key KEY.pub")


def _keyring(keys: tuple[Path, ...]) -> Keyring:
    keyring = Keyring(())
    for key in keys:
        with reading(key):
            keyring = keyring.add(Pin(PublicKey.from_pem(key.read_bytes(), str(key))))
    return keyring
