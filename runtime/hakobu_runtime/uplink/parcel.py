"""Parcels as files: packed by a device, read by whoever gathers them."""

from typing import NamedTuple

from hakobu_runtime.errors import FormatError, TrustError
from hakobu_runtime.format.parcel import KIND, LARGEST, LARGEST_FILE, Parcel
from hakobu_runtime.trust import PrivateKey, PublicKey
from hakobu_runtime.uplink.sealed import Form, seal, unseal

_FORM = Form(KIND, LARGEST_FILE, LARGEST)


class Opened(NamedTuple):
    """A parcel whose signature holds: whether `key` is the one that its device has is for the reader to know."""

    key: PublicKey
    parcel: Parcel
    digest: str
    """The sha256 of what was signed, in hex, by which a receipt names it."""


def pack_parcel(parcel: Parcel, key: PrivateKey) -> bytes:
    """Return `parcel` as a file, signed with the key that it names."""
    if parcel.key.encode() != key.public.pem:
        raise TrustError(f"the parcel names another key than the one that is to sign it: {key.public.identity}")
    return seal(parcel, key, _FORM)


def read_parcel(content: bytes, where: str) -> Opened:
    """Return the parcel in the file `content`; nothing in it is believed before its signature holds.

    Raises FormatError naming `where` when it is none, and TrustError when it was not signed by the key it names.
    """
    sealed = unseal(content, _FORM, where)
    parcel = sealed.read(Parcel)
    key = PublicKey.from_pem(parcel.key.encode(), where)
    if key.pem != parcel.key.encode() or sealed.envelope.identity != key.identity:
        raise FormatError(f"{where}: its key is not written in the usual way, or named wrongly")
    sealed.check(key)
    return Opened(key, parcel, sealed.digest)
