"""Envelopes around what somebody signed (DSSE v1): what the key signs, and how it is wrapped; no cryptography here.

Source: https://github.com/secure-systems-lab/dsse
"""

import binascii
from base64 import b64decode, b64encode

import msgspec

from hakobu_runtime.errors import FormatError
from hakobu_runtime.format.codec import decode


# Nobody signs the wrapping, so nothing unknown is let through in it.
class Wrapping(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A part of an envelope."""


class Signed(Wrapping, frozen=True):
    """One signature, in base64."""

    sig: str
    keyid: str = ""


class _Envelope(Wrapping, frozen=True):
    payload: str
    payload_type: str
    signatures: tuple[Signed]


class Envelope(msgspec.Struct, frozen=True):
    """A signature as it was read, before anything in it is believed."""

    identity: str
    """Of the key that it says it was made with."""
    payload: bytes
    """What was signed."""
    signature: bytes


def to_sign(kind: str, payload: bytes) -> bytes:
    """Return the bytes that the key signs for a `payload` of the type `kind` (pre-authentication encoding)."""
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload)


def write_envelope(envelope: Envelope, kind: str) -> bytes:
    """Return `envelope`, around a payload of the type `kind`, as short JSON."""
    signed = Signed(b64encode(envelope.signature).decode(), envelope.identity)
    return msgspec.json.encode(_Envelope(b64encode(envelope.payload).decode(), kind, (signed,)))


def read_envelope(content: bytes, kind: str, where: str) -> Envelope:
    """Return the envelope in `content`; raise FormatError naming `where` unless it is one around the type `kind`."""
    found = decode(content, _Envelope, where)
    if found.payload_type != kind:
        raise FormatError(f"{where}: holds {found.payload_type[:100]!r}, where {kind} is expected")
    (signed,) = found.signatures
    return Envelope(signed.keyid, unbase64(found.payload, "payload", where), unbase64(signed.sig, "sig", where))


def unbase64(text: str, field: str, where: str) -> bytes:
    """Return the bytes that `text` stands for; raise FormatError unless it is their one base64."""
    try:
        content = b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise FormatError(f"{where}: {field} is not base64") from error
    # One content, one text: base64 would let the last bits be anything.
    if b64encode(content).decode() != text:
        raise FormatError(f"{where}: {field} is not base64 as it should be written")
    return content
