"""Which key signs receipts: one whose public half the depot hands on to its devices, since they believe no other."""

from pathlib import Path

from hakobu.depot.depot import Depot, receipt_keys
from hakobu.depot.keychain import Keychain
from hakobu.depot.roles import RECEIPTS


def receipt_signer(keychain: Keychain, depot: Depot | None) -> Path | None:
    """Return where the private key is that signs receipts; without a depot, or its .pub file, go by its name."""
    found = keychain.signer_of(receipt_keys(depot)) if depot is not None else None
    by_name = (folder / f"{RECEIPTS}.pem" for folder in keychain.folders)
    return found or next((path for path in by_name if path.exists()), None)
