"""The bundles whose counts are taken: added by hand, or because the depot publishes them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, Row, select
from sqlalchemy.dialects import postgresql, sqlite

from hakobu.depot.boxes import read_box
from hakobu.depot.depot import Depot
from hakobu.depot.history import read_history
from hakobu.hub.block import Layout
from hakobu.hub.database import Database
from hakobu.hub.tables import bundles
from hakobu_runtime.bundle import Bundle
from hakobu_runtime.errors import DamageError
from hakobu_runtime.format.channel import bundle_target
from hakobu_runtime.format.codec import decode, encode
from hakobu_runtime.format.manifest import Manifest, precedence
from hakobu_runtime.format.validation import Validation

_seen: WeakKeyDictionary[Engine, dict[int, "KnownBundle"]] = WeakKeyDictionary()
"""What was read of each database: a bundle never changes, and its manifest takes a while to read."""


@dataclass(frozen=True, slots=True)
class KnownBundle:
    """A bundle whose counts are taken."""

    id: int
    digest: str
    """The sha256 of the whole file, in hex."""
    model: str
    version: str
    added: datetime
    notes: str
    manifest: Manifest = field(repr=False)
    validation: Validation = field(repr=False)
    card: str = field(repr=False)
    """In Markdown."""
    layout: Layout = field(repr=False)


def add_bundle(database: Database, bundle: Bundle, now: datetime, notes: str = "") -> KnownBundle:
    """Take a bundle in, and return it as it is known; one that is known already stays as it is."""
    with database.begin() as connection:
        _insert(connection, bundle.digest, bundle.manifest, bundle.validation, bundle.card, notes, now)
        return known(connection)[bundle.digest]


def add_depot(database: Database, depot: Depot, now: datetime) -> int:
    """Take in the releases of `depot` that are not known yet and still lie there; return how many those are.

    They are believed since the depot's metadata, whose signatures hold, name their digests. Raises StateError when a
    file of the depot is damaged, after all others were taken in.
    """
    with database.read() as connection:
        there = set(connection.scalars(select(bundles.c.digest)))
    found, damage = 0, None
    for model in depot.models:
        signed, history = depot.model(model), read_history(depot.model(model))
        new = {version: entry for version, entry in history.items() if entry.digest not in there}
        notes = _notes(depot, model) if new else {}
        for version, entry in new.items():
            target = signed.targets.get(bundle_target(model, version))
            if target is None:
                continue  # nobody is offered it any more
            try:
                box = read_box(depot, target, entry)
            except DamageError as error:
                damage = damage or error  # which keeps none of the others out
                continue
            with database.begin() as connection:
                said = (box.manifest, box.validation, box.card, notes.get(box.digest, ""))
                _insert(connection, box.digest, *said, now)
            found += 1
    if damage is not None:
        raise damage
    return found


def known(connection: Connection) -> Mapping[str, KnownBundle]:
    """Return all bundles whose counts are taken, by digest."""
    there = connection.execute(select(bundles.c.id, bundles.c.digest)).all()
    return {found.digest: found for found in _read(connection, {row.id: row.digest for row in there})}


def of_digests(connection: Connection, digests: Iterable[str]) -> Mapping[str, KnownBundle]:
    """Return those of the bundles with these digests that are known, by digest."""
    query = select(bundles.c.id, bundles.c.digest).where(bundles.c.digest.in_(sorted(set(digests))))
    found = _read(connection, {row.id: row.digest for row in connection.execute(query)})
    return {one.digest: one for one in found}


def of_model(connection: Connection, model: str) -> tuple[KnownBundle, ...]:
    """Return the bundles of a model, the newest version first."""
    query = select(bundles.c.id, bundles.c.digest).where(bundles.c.model == model)
    found = _read(connection, {row.id: row.digest for row in connection.execute(query)})
    return tuple(sorted(found, key=lambda one: (precedence(one.version), one.id), reverse=True))


def models(connection: Connection) -> tuple[str, ...]:
    """Return the names of the models of which bundles are known."""
    return tuple(connection.scalars(select(bundles.c.model).distinct().order_by(bundles.c.model)))


def _insert(
    connection: Connection,
    digest: str,
    manifest: Manifest,
    validation: Validation,
    card: str,
    notes: str,
    now: datetime,
) -> None:
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    row = {
        "digest": digest,
        "model": manifest.name,
        "version": manifest.version,
        "added": now,
        "notes": notes,
        "manifest": encode(manifest),
        "validation": encode(validation),
        "card": card,
    }
    connection.execute(dialect.insert(bundles).values(row).on_conflict_do_nothing(index_elements=["digest"]))


def _read(connection: Connection, wanted: Mapping[int, str]) -> tuple[KnownBundle, ...]:
    """Return the bundles of these ids and digests, by id; only those not read before are read."""
    seen = _seen.setdefault(connection.engine, {})
    # An id that was given in a transaction which then failed may be another bundle's by now.
    new = [number for number, digest in wanted.items() if number not in seen or seen[number].digest != digest]
    if new:
        for row in connection.execute(select(bundles).where(bundles.c.id.in_(new))):
            seen[row.id] = _of_row(row)
    return tuple(seen[number] for number in sorted(wanted))


def _of_row(row: Row[tuple[object, ...]]) -> KnownBundle:
    where = f"bundle {row.model} {row.version} of the hub"
    manifest = decode(row.manifest, Manifest, where)
    validation = decode(row.validation, Validation, where)
    layout = Layout.of(manifest)
    return KnownBundle(
        row.id, row.digest, row.model, row.version, row.added, row.notes, manifest, validation, row.card, layout
    )


def _notes(depot: Depot, model: str) -> dict[str, str]:
    """Return what the channels of a model say of their releases, by digest."""
    channels = (depot.channel(model, name) for name in depot.channels(model))
    return {release.digest: release.notes for channel in channels for release in channel.releases if release.notes}
