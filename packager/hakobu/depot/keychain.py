"""The private keys of a depot that are at hand: pairs of files in folders that are no part of the depot."""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import load_pem_public_key
from securesystemslib.signer import Signature, SSlibKey
from tuf.api.metadata import Key, Metadata

from hakobu.depot.roles import HOLDER, holder
from hakobu.keys import is_encrypted, new_key_pair, read_private_key
from hakobu_runtime.errors import FormatError, TrustError, UsageError
from hakobu_runtime.trust import Curve, PrivateKey, PublicKey

Unlock = Callable[[Path], bytes | None]
"""Returns the passphrase of the private key at a path; None for one that has none, or that nobody can tell."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def depot_key(public: PublicKey, name: str) -> Key:
    """Return a public key as TUF's metadata hold it, under the name of whoever keeps it."""
    if not _NAME.fullmatch(name):
        raise UsageError(f"a key cannot be named {name!r}: use letters, digits, dots and hyphens")
    key = SSlibKey.from_crypto(load_pem_public_key(public.pem))
    key.unrecognized_fields[HOLDER] = name
    return key


def read_public_key(path: Path) -> Key:
    """Return the public key at `path`, named as the file; raise TrustError when there is none."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise TrustError(f"{path}: the key cannot be read: {error.strerror}") from error
    return depot_key(PublicKey.from_pem(content, str(path)), path.stem)


def add_signature(metadata: Metadata[Any], keyid: str, private: PrivateKey) -> None:
    """Sign `metadata`, beside the signatures that it has; the same content and key, the same signature."""
    metadata.signatures[keyid] = Signature(keyid, private.sign(metadata.signed_bytes).hex())


@dataclass(frozen=True, slots=True)
class Keychain:
    """The keys in some folders; each is read and unlocked when it is first needed."""

    folders: tuple[Path, ...]
    """New keys go into the first."""
    unlock: Unlock = field(repr=False)
    lock: Callable[[], bytes | None] = field(repr=False)
    """Returns the passphrase that a new key gets; None leaves it unencrypted."""
    _opened: dict[Path, PrivateKey] = field(default_factory=dict, repr=False)

    def find(self, keyid: str) -> PrivateKey | None:
        """Return the key with this id, None when it is not here; raise TrustError when it cannot be unlocked."""
        for path in self._privates():
            if _public_id(path) == keyid:
                private = self.open(path)
                if depot_key(private.public, path.stem).keyid != keyid:
                    raise TrustError(
                        f"{path}: does not belong to {path.with_suffix('.pub').name}: bring the right pair"
                    )
                return private
        return None

    def has(self, keyid: str) -> bool:
        """Say whether the key with this id is here, locked or not."""
        return any(_public_id(path) == keyid for path in self._privates())

    def open(self, path: Path) -> PrivateKey:
        """Return the private key at `path`; raise TrustError when it cannot be had."""
        if path not in self._opened:
            self._opened[path] = read_private_key(path, self.unlock(path))
        return self._opened[path]

    def need(self, keys: Iterable[Key], threshold: int, role: str) -> list[tuple[str, PrivateKey]]:
        """Return those of `keys` that are here, by id; raise TrustError, saying what `role` lacks, if too few are."""
        wanted = list(keys)
        found = [(key.keyid, private) for key in wanted if (private := self.find(key.keyid)) is not None]
        if len(found) < threshold:
            names = " or ".join(f"{holder(key)}.pem" for key in wanted)
            places = ", ".join(map(str, self.folders))
            raise TrustError(
                f"what {role} says is signed with {names} (key {', '.join(key.keyid[:12] for key in wanted)}), which "
                f"is not in {places}: bring it there with its .pub file, or name its folder with --keys"
            )
        return found

    def new(self, name: str, *, locked: bool = True) -> Key:
        """Make a key pair called `name`, or `name`-2, -3, ... when there was one."""
        folder, number, free = self.folders[0], 1, name
        while any((folder / f"{free}{ending}").exists() for ending in (".pem", ".pub")):
            number += 1
            free = f"{name}-{number}"
        return depot_key(new_key_pair(self.place(free), Curve.P256, self.lock() if locked else None), free)

    def place(self, name: str) -> Path:
        """Return where a private key called `name` goes when it is made here."""
        return self.folders[0] / f"{name}.pem"

    def named(self, name: str, *, locked: bool = True) -> Key:
        """Return the key called `name`, for a role that has none yet; make it where there is none.

        So whoever runs a killed command again gets no second key, and a key made elsewhere can be put here.
        """
        for folder in self.folders:
            if (folder / f"{name}.pub").exists():
                return read_public_key(folder / f"{name}.pub")
        return self.new(name, locked=locked)

    def signer_of(self, publics: Iterable[str]) -> Path | None:
        """Return where the private half of one of these public keys (PEM) is, the first that is here; None for none."""
        by_id = {_public_id(path): path for path in self._privates()}
        for pem in publics:
            with suppress(TrustError, FormatError):
                public = PublicKey.from_pem(pem.encode(), "a key of receipts")
                if (found := by_id.get(depot_key(public, "receipts").keyid)) is not None:
                    return found
        return None

    def is_locked(self, keyid: str) -> bool:
        """Say whether the key with this id needs a passphrase; True when it is not here."""
        return all(is_encrypted(path) for path in self._privates() if _public_id(path) == keyid)

    def _privates(self) -> Iterator[Path]:
        for folder in self.folders:
            yield from sorted(folder.glob("*.pem"))


def _public_id(private: Path) -> str | None:
    """Return the id of the key at `private`, from the .pub file beside it; None when there is none to read."""
    try:
        return read_public_key(private.with_suffix(".pub")).keyid
    except (TrustError, UsageError):
        return None
