"""Receipts as files: written by whoever gathers parcels, believed by a device whose channel names the key."""

from collections.abc import Iterable

from hakobu_runtime.errors import FormatError, TrustError
from hakobu_runtime.format.receipt import KIND, LARGEST, Receipt
from hakobu_runtime.trust import PrivateKey, PublicKey
from hakobu_runtime.uplink.sealed import Form, Sealed, seal, unseal

_FORM = Form(KIND, LARGEST, LARGEST)


def write_receipt(receipt: Receipt, key: PrivateKey) -> bytes:
    """Return `receipt` as a file."""
    return seal(receipt, key, _FORM)


def read_receipt(content: bytes, device: str, keys: Iterable[str], where: str) -> Receipt:
    """Return the receipt for `device` in the file `content`, signed by one of `keys` (as PEM).

    Raises FormatError naming `where` when it is none, and TrustError when it is not signed by one of `keys`, or is for
    another device.
    """
    sealed = unseal(content, _FORM, where)
    _signer(sealed, keys, where)
    receipt = sealed.read(Receipt)
    if receipt.device != device:
        raise TrustError(f"{where}: is for the device {receipt.device}, and this one is {device}")
    return receipt


def _signer(sealed: Sealed, keys: Iterable[str], where: str) -> PublicKey:
    """Return which of `keys` signed; raise TrustError when none did."""
    for pem in keys:
        try:
            key = PublicKey.from_pem(pem.encode(), where)
        except (TrustError, FormatError):
            continue  # of a kind that this version does not know
        if key.identity == sealed.envelope.identity:
            sealed.check(key)
            return key
    raise TrustError(
        f"{where}: is signed with the key {sealed.envelope.identity[:16]!r}, which no channel that this device follows "
        "names: nothing is taken for sent, so it is sent again"
    )
