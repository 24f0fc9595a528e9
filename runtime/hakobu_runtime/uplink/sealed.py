"""A value as signed, deflated JSON: what parcels and receipts have in common on their way."""

import zlib
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from hakobu_runtime.digest import sha256_hex
from hakobu_runtime.errors import FormatError, SizeError, TrustError
from hakobu_runtime.format.codec import decode
from hakobu_runtime.format.dsse import Envelope, read_envelope, to_sign, write_envelope
from hakobu_runtime.trust import PrivateKey, PublicKey

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Form:
    """How one kind of sealed value looks."""

    kind: str
    """The type of what is signed."""
    largest_file: int
    """Bytes."""
    largest: int
    """Bytes of the JSON."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """What somebody sealed, before it is known who did."""

    envelope: Envelope
    form: Form
    where: str

    @property
    def digest(self) -> str:
        """The sha256 of what was signed, in hex: the same for every way in which the signature can be written."""
        return sha256_hex(self.envelope.payload)

    def read(self, kind: type[T]) -> T:
        """Return the value inside, unbelieved; raise FormatError when it is none, or too large."""
        return decode(_inflate(self.envelope.payload, self.form.largest, self.where), kind, self.where)

    def check(self, key: PublicKey) -> None:
        """Raise TrustError unless `key` has signed it."""
        if not key.holds(self.envelope.signature, to_sign(self.form.kind, self.envelope.payload)):
            raise TrustError(f"{self.where}: its signature does not hold: it was changed, or is from somebody else")


def seal(value: object, key: PrivateKey, form: Form) -> bytes:
    """Return `value` signed with `key`: equal values, equal bytes where the zlib is the same."""
    payload = zlib.compress(msgspec.json.encode(value, order="sorted"), 9)
    signature = key.sign(to_sign(form.kind, payload))
    return write_envelope(Envelope(key.public.identity, payload, signature), form.kind)


def unseal(content: bytes, form: Form, where: str) -> Sealed:
    """Return what `content` says that it is; raise FormatError naming `where` when it is nothing of this form."""
    if len(content) > form.largest_file:
        raise SizeError(f"{where}: has more than {form.largest_file:,} bytes, which none needs: it is something else")
    return Sealed(read_envelope(content, form.kind, where), form, where)


def _inflate(payload: bytes, largest: int, where: str) -> bytes:
    """Return what `payload` unfolds to; never more than `largest` bytes are made."""
    stream = zlib.decompressobj()
    try:
        content = stream.decompress(payload, largest + 1)
    except zlib.error as error:
        raise FormatError(f"{where}: cannot be unpacked ({error}): it is damaged") from error
    if len(content) > largest:
        raise SizeError(f"{where}: unfolds to more than {largest:,} bytes, which none needs")
    if not stream.eof or stream.unused_data:
        raise FormatError(f"{where}: is cut short, or something follows it: it is damaged")
    return content
