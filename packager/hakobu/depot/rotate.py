"""`hakobu depot rotate-key`: one key of a role goes, another comes; what the old one signs counts for nothing then."""

import re
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tuf.api.metadata import Key

from hakobu.depot.depot import Depot, receipt_keys
from hakobu.depot.editing import editing
from hakobu.depot.edition import Edition
from hakobu.depot.keychain import Keychain, read_public_key
from hakobu.depot.pending import Standing, check_none_waits, propose
from hakobu.depot.roles import RECEIPTS, RECEIPTS_FIELD, ROOT, SNAPSHOT, TIMESTAMP, TOP, holder
from hakobu.keys import is_encrypted
from hakobu_runtime.errors import UsageError


@dataclass(frozen=True, slots=True)
class Exchange:
    """Which key went, and which came."""

    role: str
    out: str
    new: str
    standing: Standing | None
    """How far the new root is; None when no root was needed."""
    made: Path | None
    """Where the new private key is, when it was made here."""


def rotate(
    path: Path, role: str, keychain: Keychain, now: datetime, out: str | None = None, public: Path | None = None
) -> Exchange:
    """Put a new key in the place of one of a role.

    `out` names the one that goes, where the role has several; `public` is the new one, made by whoever will keep it.
    Without that it is made here. Raises UsageError when these make no sense, and what `editing` raises.
    """
    if role == RECEIPTS:
        return _rotate_receipts(path, keychain, now, out, public)
    with editing(path, keychain, now) as edition:
        if role in TOP:
            check_none_waits(edition.depot)
        old = _going(edition.depot, role, out)
        new = _coming(edition, role, old, public)
        made = None if public is not None else keychain.place(holder(new))
        if role not in TOP:
            targets = edition.targets()
            targets.revoke_key(old.keyid, role)
            targets.add_key(new, role)
            edition.model(role)
            edition.publish()
            return Exchange(role, holder(old), holder(new), None, made)
        root = deepcopy(edition.depot.root.signed)
        root.revoke_key(old.keyid, role)
        root.add_key(new, role)
        return Exchange(role, holder(old), holder(new), propose(edition, root), made)


def _rotate_receipts(path: Path, keychain: Keychain, now: datetime, out: str | None, public: Path | None) -> Exchange:
    """Let devices believe the receipts of a new key alone; what the old one has signed is sent once more."""
    with editing(path, keychain, now) as edition:
        old = keychain.signer_of(receipt_keys(edition.depot))
        name = old.stem if old else RECEIPTS
        if out not in (None, name):
            raise UsageError(f"{out!r} is not the name of the key of {RECEIPTS}, which is {name}")
        locked = old is None or is_encrypted(old)
        new = read_public_key(public) if public is not None else keychain.new(RECEIPTS, locked=locked)
        if new.keyval["public"] in receipt_keys(edition.depot):
            raise UsageError(f"{public}: this key is in the depot already; receipts get a new one")
        edition.targets().unrecognized_fields[RECEIPTS_FIELD] = [new.keyval["public"]]
        for model in sorted(edition.depot.models):
            for channel in edition.channels(model):
                edition.put_channel(channel)
        edition.publish()
    return Exchange(RECEIPTS, name, holder(new), None, None if public is not None else keychain.place(holder(new)))


def renew_root(path: Path, days: int | None, keychain: Keychain, now: datetime) -> Standing:
    """Sign root anew, to hold from now on for `days`, or for as long as before."""
    with editing(path, keychain, now) as edition:
        return propose(edition, deepcopy(edition.depot.root.signed), days)


def keys_of(depot: Depot, role: str) -> list[Key]:
    """Return the keys of a role, by name."""
    by = depot.root.signed if role in TOP else depot.targets.signed
    return sorted((by.get_key(keyid) for keyid in depot.role(role).keyids), key=holder)


def _going(depot: Depot, role: str, out: str | None) -> Key:
    keys = keys_of(depot, role)
    names = ", ".join(holder(key) for key in keys)
    if out is None and len(keys) > 1:
        raise UsageError(f"{role} has the keys {names}: say which one goes with --out NAME")
    found = [key for key in keys if out in (None, holder(key)) or (out and key.keyid.startswith(out))]
    if len(found) != 1:
        raise UsageError(f"{out!r} is not the name or the id of a key of {role}, which has {names}")
    return found[0]


def _coming(edition: Edition, role: str, old: Key, public: Path | None) -> Key:
    if public is not None:
        new = read_public_key(public)
        known = {*edition.depot.root.signed.keys, *(key.keyid for key in keys_of(edition.depot, role))}
        if new.keyid in known:
            raise UsageError(f"{public}: this key is in the depot already; a role gets a new one")
        return new
    if role == ROOT:
        numbers = [re.fullmatch(r"root-(\d{1,6})", holder(key)) for key in keys_of(edition.depot, ROOT)]
        return edition.keychain.new(f"root-{max((int(match[1]) for match in numbers if match), default=0) + 1}")
    locked = role not in (SNAPSHOT, TIMESTAMP) or edition.keychain.is_locked(old.keyid)
    return edition.keychain.new(role, locked=locked)
