"""Keys, which of them are trusted for which models, and signatures in the OpenSSF Model Signing v1 format.

`model_signing verify key` accepts what `sign` makes of the files of a folder, and `verify` accepts what
`model_signing sign key` makes. EC keys on P-256 and P-384 only: OMS has no Ed25519.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from hakobu_runtime.digest import sha256_hex
from hakobu_runtime.errors import FormatError, ToolError, TrustError
from hakobu_runtime.format.codec import decode, encode
from hakobu_runtime.format.dsse import Envelope
from hakobu_runtime.format.oms import (
    digests,
    read_envelope,
    read_statement,
    to_sign,
    write_envelope,
    write_statement,
)
from hakobu_runtime.format.pins import SCHEMA, PinnedKey, TrustFile

_MODELS = re.compile(r"[a-z0-9*-]{1,64}")
_LARGEST_PEM = 64 * 1024
"""A key takes half a kilobyte; what is much larger is some other file."""


class Curve(StrEnum):
    """The curves that a key may lie on."""

    P256 = "P-256"
    P384 = "P-384"


_CURVES: Mapping[str, ec.EllipticCurve] = {Curve.P256: ec.SECP256R1(), Curve.P384: ec.SECP384R1()}
_HASHES: Mapping[str, hashes.HashAlgorithm] = {"secp256r1": hashes.SHA256(), "secp384r1": hashes.SHA384()}
_ORDERS: Mapping[str, int] = {
    "secp256r1": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    "secp384r1": int("F" * 48 + "C7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973", 16),
}
"""The orders n of the curves (SEC 2, version 2): with (r, s), (r, n - s) is a signature too."""
_SUPPORTED = f"hakobu uses elliptic-curve keys on {' or '.join(Curve)}; make one with 'hakobu keys new'"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that signatures are checked with."""

    pem: bytes
    """As `from_pem` writes it anew, so that one key has one text."""

    def __post_init__(self) -> None:
        if _pem_of(_load_public(self.pem, "public key")) != self.pem:
            raise TrustError("the public key is not written in the usual way: read it with PublicKey.from_pem")

    @classmethod
    def from_pem(cls, content: bytes, where: str) -> "PublicKey":
        """Return the key in the PEM file `content`; raise TrustError naming `where` when there is none to use."""
        return cls(_pem_of(_load_public(content, where)))

    @property
    def identity(self) -> str:
        """The sha256 of the PEM, in hex, by which a signature names its key."""
        return sha256_hex(self.pem)

    def holds(self, signature: bytes, message: bytes) -> bool:
        """Say whether `signature` over `message` was made with this key's private half."""
        key = _load_public(self.pem, "public key")
        try:
            key.verify(signature, message, ec.ECDSA(_HASHES[key.curve.name]))
        except InvalidSignature:
            return False
        return True

    def settle(self, signature: bytes) -> bytes:
        """Return the one of the two forms of an ECDSA `signature` that has the lower number."""
        order = _ORDERS[_load_public(self.pem, "public key").curve.name]
        r, s = decode_dss_signature(signature)
        return encode_dss_signature(r, min(s, order - s))


def _pem_of(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def _load_public(content: bytes, where: str) -> ec.EllipticCurvePublicKey:
    if b"PRIVATE KEY-----" in content:
        raise TrustError(f"{where}: this is a private key: keep it to yourself, and give the .pub file instead")
    try:
        key = serialization.load_pem_public_key(content[:_LARGEST_PEM])
    except (ValueError, UnsupportedAlgorithm) as error:
        raise TrustError(f"{where}: there is no public key in PEM format here; {_SUPPORTED}") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name not in _HASHES:
        raise TrustError(f"{where}: this kind of public key cannot be used; {_SUPPORTED}")
    return key


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A key that signs; it is never shown, not even in an error."""

    _key: ec.EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def generate(cls, curve: str = Curve.P256) -> "PrivateKey":
        """Return a new key on `curve`, P-256 or P-384."""
        if curve not in _CURVES:
            raise TrustError(f"no key can be made on the curve {curve!r}: choose {' or '.join(Curve)}")
        return cls(ec.generate_private_key(_CURVES[curve]))

    @classmethod
    def from_pem(cls, content: bytes, passphrase: bytes | None, where: str) -> "PrivateKey":
        """Return the key in the PEM file `content`; raise TrustError naming `where` when it cannot be had."""
        locked = b"ENCRYPTED" in content[:_LARGEST_PEM]
        if locked and not passphrase:
            raise TrustError(f"{where}: the key is locked: give its passphrase, or set HAKOBU_KEY_PASSPHRASE")
        if not locked and passphrase and b"PRIVATE KEY-----" in content:
            raise TrustError(f"{where}: a passphrase was given, but the key is not locked by one: leave it out")
        try:
            key = serialization.load_pem_private_key(content[:_LARGEST_PEM], passphrase if locked else None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            if locked:
                words = "the passphrase is wrong, or the file damaged: try again, or take the copy that you keep"
            else:
                words = f"there is no key in PKCS 8 PEM here; {_SUPPORTED}"
            raise TrustError(f"{where}: {words}") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name not in _HASHES:
            raise TrustError(f"{where}: this kind of private key cannot be used; {_SUPPORTED}")
        return cls(key)

    def to_pem(self, passphrase: bytes | None) -> bytes:
        """Return the key as a PEM file (PKCS 8), encrypted unless `passphrase` is None."""
        if passphrase is not None and not 1 <= len(passphrase) <= 1023:
            raise TrustError("a passphrase must be 1 to 1023 bytes long")
        lock = serialization.NoEncryption() if passphrase is None else serialization.BestAvailableEncryption(passphrase)
        return self._key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock)

    @property
    def public(self) -> PublicKey:
        """The half that others may have."""
        return PublicKey(_pem_of(self._key.public_key()))

    def sign(self, message: bytes) -> bytes:
        """Return the signature over `message`, the same each time (RFC 6979)."""
        digest = _HASHES[self._key.curve.name]
        try:
            signature = self._key.sign(message, ec.ECDSA(digest, deterministic_signing=True))
        except UnsupportedAlgorithm as error:
            raise ToolError("the OpenSSL here cannot sign reproducibly: install cryptography from its wheel") from error
        return self.public.settle(signature)


@dataclass(frozen=True, slots=True)
class Pin:
    """A trusted key, and the models that it may sign: names, in which `*` stands for any letters."""

    key: PublicKey
    models: tuple[str, ...] = ("*",)

    def __post_init__(self) -> None:
        if not self.models:
            raise TrustError("a trusted key needs the name of a model that it may sign, or * for all")
        for name in self.models:
            if not _MODELS.fullmatch(name):
                raise TrustError(f"{name!r} cannot name a model: use a-z, 0-9 and hyphens, and * for any letters")

    def allows(self, model: str) -> bool:
        """Say whether the key may sign a model of this name."""
        return any(fnmatchcase(model, pattern) for pattern in self.models)


@dataclass(frozen=True, slots=True)
class Keyring:
    """The trusted keys, each once."""

    pins: tuple[Pin, ...] = ()

    def __post_init__(self) -> None:
        if len({pin.key for pin in self.pins}) != len(self.pins):
            raise TrustError("a key is trusted twice: keep one entry of it, with all its models")

    def find(self, identity: str) -> Pin | None:
        """Return the pin of the key with this identity, or None when it is not trusted."""
        return next((pin for pin in self.pins if pin.key.identity == identity), None)

    def add(self, pin: Pin) -> "Keyring":
        """Return the keyring with `pin`, in place of one that it has for the same key."""
        return Keyring((*(old for old in self.pins if old.key != pin.key), pin))

    def remove(self, identity: str) -> "Keyring":
        """Return the keyring without the one key whose identity begins so; raise TrustError if there is not one."""
        found = [pin for pin in self.pins if identity and pin.key.identity.startswith(identity)]
        if not found:
            raise TrustError(f"no key with the identity {identity!r} is trusted: nothing to remove")
        if len(found) > 1:
            raise TrustError(f"{len(found)} keys have an identity that begins with {identity!r}: give more of it")
        return Keyring(tuple(pin for pin in self.pins if pin != found[0]))

    def to_json(self) -> bytes:
        """Return the content of a trust.json."""
        return encode(TrustFile(SCHEMA, tuple(PinnedKey(pin.key.pem.decode(), pin.models) for pin in self.pins)))

    @classmethod
    def from_json(cls, content: bytes, where: str) -> "Keyring":
        """Return the keyring in a trust.json; raise TrustError naming `where` when it is none."""
        try:
            pinned = decode(content, TrustFile, where).keys
            return cls(tuple(Pin(PublicKey.from_pem(entry.pem.encode(), "a key"), entry.models) for entry in pinned))
        except (FormatError, TrustError) as error:
            words = str(error).removeprefix(f"{where}: ")
            raise TrustError(
                f"{where}: is damaged ({words}); remove it and pin the keys again: hakobu-run trust add KEY.pub"
            ) from error


def sign(files: Mapping[str, bytes], key: PrivateKey) -> bytes:
    """Return the signature file over `files` by name: the same files and key, the same bytes."""
    payload = write_statement(digests(files))
    return write_envelope(Envelope(key.public.identity, payload, key.sign(to_sign(payload))))


def verify(signature: bytes, files: Mapping[str, bytes], keyring: Keyring) -> Pin:
    """Return the pin of the trusted key that signed exactly these `files`; raise TrustError when none did."""
    try:
        envelope = read_envelope(signature)
    except FormatError as error:
        raise TrustError(f"the signature cannot be read: {error}") from error
    pin = keyring.find(envelope.identity)
    if pin is None:
        raise TrustError(
            f"it is signed with the key {envelope.identity!r}, which is not trusted here; "
            "if you know that key to be the builder's: hakobu-run trust add KEY.pub"
        )
    if not pin.key.holds(envelope.signature, to_sign(envelope.payload)):
        raise TrustError(f"the signature does not hold: it was not made with the key {envelope.identity}, or changed")
    try:
        signed = read_statement(envelope.payload)
    except FormatError as error:
        raise TrustError(f"the signature holds, but not for files: {error}") from error
    _compare(signed, digests(files))
    return pin


def is_settled(signature: bytes, key: PublicKey) -> bool:
    """Say whether a signature file that `verify` accepted has the one form that `sign` writes.

    Anyone can write a good signature in other ways, and so change the digest of the box that holds it.
    """
    envelope = read_envelope(signature)
    return write_envelope(Envelope(key.identity, envelope.payload, key.settle(envelope.signature))) == signature


def _compare(signed: Mapping[str, str], found: Mapping[str, str]) -> None:
    missing, extra = sorted(signed.keys() - found.keys()), sorted(found.keys() - signed.keys())
    if missing or extra:
        raise TrustError(
            f"the signature is for other files: signed but not here: {', '.join(missing) or 'none'}; "
            f"here but not signed: {', '.join(extra) or 'none'}"
        )
    changed = [name for name in found if found[name] != signed[name]]
    if changed and len(changed) == len(found):
        raise TrustError("the signature belongs to another box: it fits none of the files in this one")
    if changed:
        raise TrustError(f"changed after signing: {', '.join(changed)}; get the box again from its builder")
