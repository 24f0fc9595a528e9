"""The public keys that a bundle on the builder's side is verified with."""

from pathlib import Path

from hakobu_runtime.console.shell import reading
from hakobu_runtime.errors import TrustError
from hakobu_runtime.trust import Keyring, Pin, PublicKey


def trusted(file: Path, keys: tuple[Path, ...]) -> Keyring:
    """Return the named `keys`, or those of the project that `file` stands in; a file that is not there needs none."""
    keyring = Keyring(())
    for key in keys or (_project_keys(file) if file.exists() else ()):
        with reading(key):
            keyring = keyring.add(Pin(PublicKey.from_pem(key.read_bytes(), str(key))))
    return keyring


def _project_keys(file: Path) -> tuple[Path, ...]:
    """Return the public keys in the `keys` folder beside or above FILE, or of the current folder."""
    for folder in (*file.absolute().parents, Path.cwd()):
        found = tuple(sorted((folder / "keys").glob("*.pub")))
        if found:
            return found
    raise TrustError(f"{file}: no public key to verify it with; name one with --key KEY.pub")
