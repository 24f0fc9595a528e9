"""Release keys: a pair of files, the private one encrypted."""

import os
from pathlib import Path

from hakobu_runtime.errors import ProjectError, TrustError
from hakobu_runtime.trust import PrivateKey, PublicKey

PASSPHRASE = "HAKOBU_KEY_PASSPHRASE"  # noqa: S105  the name of a variable, not a passphrase


def new_key_pair(private: Path, curve: str, passphrase: bytes | None) -> PublicKey:
    """Make a key pair at `private` and beside it with the ending .pub; neither file may exist yet."""
    public = private.with_suffix(".pub")
    for path in (private, public):
        if path.exists():
            raise ProjectError(f"{path}: a key is there already; a key that signed a release must not be lost: move it")
    key = PrivateKey.generate(curve)
    try:
        private.parent.mkdir(parents=True, exist_ok=True)
        _write_new(private, key.to_pem(passphrase), 0o600)
        _write_new(public, key.public.pem, 0o644)
    except OSError as error:
        raise ProjectError(f"{error.filename or private}: the key cannot be written: {error.strerror}") from error
    return key.public


def _write_new(path: Path, content: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def read_private_key(path: Path, passphrase: bytes | None) -> PrivateKey:
    """Read the private key at `path`; raise TrustError, which never shows the key or the passphrase."""
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise TrustError(f"{path}: there is no key to sign with; make one with 'hakobu keys new'") from error
    except OSError as error:
        raise TrustError(f"{path}: the key cannot be read: {error.strerror}") from error
    return PrivateKey.from_pem(content, passphrase, str(path))


def is_encrypted(path: Path) -> bool:
    """Say whether the key at `path` needs a passphrase; False when it cannot be read."""
    try:
        return b"ENCRYPTED" in path.read_bytes()[:4096]
    except OSError:
        return False
