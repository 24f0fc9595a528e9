"""The OpenSSF Model Signing v1 format: what is signed, and how the signature is wrapped; no cryptography here.

A signature is a sigstore bundle around a DSSE envelope around an in-toto statement that lists files and their digests.
Sources: https://github.com/sigstore/model-transparency, https://github.com/secure-systems-lab/dsse,
https://github.com/in-toto/attestation/tree/main/spec/v1
"""

import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from hakobu_runtime.digest import sha256_hex
from hakobu_runtime.errors import FormatError
from hakobu_runtime.format import dsse
from hakobu_runtime.format.codec import decode, encode
from hakobu_runtime.format.dsse import Envelope, Signed, Wrapping, unbase64

MEDIA_TYPE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"
PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE: Final = "https://model_signing/signature/v1.0"
SIGNATURE_FILE = "model.sig"

_DIGEST = re.compile(r"[0-9a-f]{64}")


# What is signed may hold more than we read, unlike its wrapping: OMS v1 wants unknown parts of the predicate to be
# ignored.
class _KeyHint(Wrapping, frozen=True):
    hint: str


class _Material(Wrapping, frozen=True):
    public_key: _KeyHint
    tlog_entries: tuple[()] = ()


class _DsseEnvelope(Wrapping, frozen=True):
    payload: str
    payload_type: Literal["application/vnd.in-toto+json"]
    signatures: tuple[Signed]


class _SigstoreBundle(Wrapping, frozen=True):
    media_type: Literal["application/vnd.dev.sigstore.bundle.v0.3+json"]
    verification_material: _Material
    dsse_envelope: _DsseEnvelope


class _Digest(msgspec.Struct, frozen=True):
    sha256: str


class _Subject(msgspec.Struct, frozen=True):
    name: str
    digest: _Digest


class _Resource(msgspec.Struct, frozen=True):
    name: str
    algorithm: Literal["sha256"]
    digest: str


class _Serialization(msgspec.Struct, frozen=True):
    method: Literal["files"]
    hash_type: Literal["sha256"]
    allow_symlinks: bool
    ignore_paths: tuple[str, ...] = ()


class _Predicate(msgspec.Struct, frozen=True):
    serialization: _Serialization
    resources: tuple[_Resource, ...]


class _Statement(msgspec.Struct, frozen=True, rename={"type": "_type", "predicate_type": "predicateType"}):
    type: Literal["https://in-toto.io/Statement/v1"]
    subject: tuple[_Subject]
    predicate_type: Literal["https://model_signing/signature/v1.0"]
    predicate: _Predicate


def digests(files: Mapping[str, bytes]) -> dict[str, str]:
    """Return the sha256 of each file, in hex, by name, sorted as OMS does: by the parts of the path."""
    names = sorted(files, key=lambda name: name.split("/"))
    return {name: sha256_hex(files[name]) for name in names}


def write_statement(found: Mapping[str, str]) -> bytes:
    """Return the statement that the files of `digests` are what they are."""
    statement = _Statement(
        type=STATEMENT_TYPE,
        subject=(_Subject("bundle", _Digest(_root(found))),),
        predicate_type=PREDICATE_TYPE,
        predicate=_Predicate(
            _Serialization("files", "sha256", allow_symlinks=False, ignore_paths=(SIGNATURE_FILE,)),
            tuple(_Resource(name, "sha256", digest) for name, digest in found.items()),
        ),
    )
    return msgspec.json.encode(statement)


def read_statement(payload: bytes) -> dict[str, str]:
    """Return the digests that the statement in `payload` lists; raise FormatError unless it is a sound one."""
    statement = decode(payload, _Statement, "the signed statement")
    resources = statement.predicate.resources
    found = {resource.name: resource.digest for resource in resources}
    if len(found) != len(resources):
        raise FormatError("the signed statement lists a file twice")
    if not all(_DIGEST.fullmatch(digest) for digest in found.values()):
        raise FormatError("the signed statement holds a digest that is not a sha256 in hex")
    if statement.subject[0].digest.sha256 != _root(found):
        raise FormatError("the signed statement contradicts itself: its digests do not add up")
    return found


def _root(found: Mapping[str, str]) -> str:
    return sha256_hex(b"".join(bytes.fromhex(digest) for digest in found.values()))


def to_sign(payload: bytes) -> bytes:
    """Return the bytes that the key signs for `payload`."""
    return dsse.to_sign(PAYLOAD_TYPE, payload)


def write_envelope(envelope: Envelope) -> bytes:
    """Return `envelope` as the content of a signature file."""
    signed = Signed(b64encode(envelope.signature).decode())
    return encode(
        _SigstoreBundle(
            MEDIA_TYPE,
            _Material(_KeyHint(envelope.identity)),
            _DsseEnvelope(b64encode(envelope.payload).decode(), PAYLOAD_TYPE, (signed,)),
        )
    )


def read_envelope(content: bytes) -> Envelope:
    """Return the envelope in the signature file `content`; raise FormatError unless it is a sound one."""
    bundle = decode(content, _SigstoreBundle, SIGNATURE_FILE)
    signed = bundle.dsse_envelope
    return Envelope(
        bundle.verification_material.public_key.hint,
        unbase64(signed.payload, "payload", SIGNATURE_FILE),
        unbase64(signed.signatures[0].sig, "sig", SIGNATURE_FILE),
    )
