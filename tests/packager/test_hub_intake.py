"""What is refused, what is left out, and what is taken, of the parcels that come to a hub."""

import json
import zlib
from base64 import b64decode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import Table, func, select

from hakobu.hub import devices, horizon
from hakobu.hub.block import pack_row, row_of
from hakobu.hub.bundles import KnownBundle, add_bundle
from hakobu.hub.database import Database
from hakobu.hub.intake import Taken, homes, take, take_many
from hakobu.hub.refusals import Kind, Refusal, Refused
from hakobu.hub.tables import changes, outcomes, parcels, refusals, states, totals, windows
from hakobu.hub.tables import devices as devices_table
from hakobu.hub.totals import series, verify
from hakobu_runtime.bundle import Bundle, open_bundle
from hakobu_runtime.errors import FormatError, TrustError
from hakobu_runtime.format.dsse import Envelope, to_sign, write_envelope
from hakobu_runtime.format.outcome import SCHEMA as OUTCOME
from hakobu_runtime.format.outcome import Outcome, OutcomeCounts
from hakobu_runtime.format.parcel import KIND, LARGEST, LARGEST_FILE, Box, Happened, ModelState
from hakobu_runtime.format.tally import ModelName
from hakobu_runtime.format.window import Span, Window
from hakobu_runtime.trust import Keyring, PrivateKey
from hub_senders import KEY, NOW, Sender

HOUR = "2026-11-20T09"
HOSTILE = "'; DROP TABLE windows; --<script>alert(1)</script>"


@pytest.fixture
def tiny(tiny_box: Path, keyring: Keyring) -> Bundle:
    return open_bundle(tiny_box, keyring)


@pytest.fixture
def bundle(database: Database, tiny: Bundle) -> KnownBundle:
    return add_bundle(database, tiny, NOW)


@pytest.fixture
def sender(database: Database, tiny: Bundle, bundle: KnownBundle) -> Sender:
    return Sender.of("device-1", tiny).enrol(database, "line 4")


def many(database: Database, table: Table) -> int:
    with database.read() as connection:
        return connection.scalar(select(func.count()).select_from(table)) or 0


def counted(database: Database) -> dict[str, int]:
    """How often what was refused."""
    with database.read() as connection:
        return {row.kind: row.many for row in connection.execute(select(refusals))}


def refused(database: Database, content: bytes) -> Refusal:
    """Why `content` is refused; nothing of it may be stored, and it must be counted."""
    before = counted(database)
    with pytest.raises(Refused) as caught:
        take(database, content, "here", NOW)
    refusal = caught.value.refusal
    assert str(caught.value) == f"here: {refusal.words}"
    assert isinstance(caught.value, FormatError | TrustError)
    assert 400 <= refusal.status < 500
    assert [many(database, table) for table in (windows, totals, outcomes, states, changes, parcels)] == [0] * 6
    after = counted(database)
    assert after == {**before, refusal.kind: before.get(refusal.kind, 0) + 1}
    return refusal


def rows(database: Database, bundle: KnownBundle, span: Span = Span.DAY) -> dict[str, int]:
    with database.read() as connection:
        return {window.start: counts.rows for window, counts in series(connection, bundle, None, span)}


def sealed(payload: bytes, key: PrivateKey = KEY) -> bytes:
    """Whatever `payload` is, well signed."""
    return write_envelope(Envelope(key.public.identity, payload, key.sign(to_sign(KIND, payload))), KIND)


def rewritten(content: bytes, change: Callable[[Any], None]) -> bytes:
    """A parcel whose JSON somebody who has the key changed."""
    plain = json.loads(zlib.decompress(b64decode(json.loads(content)["payload"])))
    change(plain)
    return sealed(zlib.compress(json.dumps(plain).encode()))


def test_a_parcel_is_taken_once_however_often_it_comes(database: Database, sender: Sender, bundle: KnownBundle) -> None:
    content = sender.pack(sender.tally(HOUR, 30), sender.tally("2026-11-19", 50))
    first = take(database, content, "here", NOW)
    again = take(database, content, "there", NOW)
    assert (first.device, first.serial, first.is_new, first.windows, first.left_out) == ("device-1", 1, True, 2, ())
    assert (again.is_new, again.windows, again.digest) == (False, 0, first.digest)
    assert rows(database, bundle) == {"2026-11-19": 50, "2026-11-20": 30}
    assert rows(database, bundle, Span.WEEK) == {"2026-W47": 80}
    assert rows(database, bundle, Span.MONTH) == {"2026-11": 80}
    with database.read() as connection:
        assert [(one.serial, one.digest) for one in homes(connection, "device-1")] == [(1, first.digest)]


def test_what_a_device_says_of_itself_is_known_by_its_newest_parcel(database: Database, sender: Sender) -> None:
    then, digest = NOW - timedelta(days=9), sender.model.digest
    box = Box("1.0.0", digest, then.isoformat())
    newest = sender.pack(serial=7, models=(ModelState("tiny", "stable", box), ModelState("other")))
    take(database, newest, "here", NOW)
    take(database, sender.pack(serial=3, models=()), "here", NOW + timedelta(hours=1))
    with database.read() as connection:
        device = devices.find(connection, "device-1")
        assert device is not None
        assert (device.serial, device.seen, device.runtime) == (7, NOW + timedelta(hours=1), "0.1.0")
        found = connection.execute(select(states).order_by(states.c.model)).all()
        assert [(row.model, row.channel, row.version) for row in found] == [
            ("other", "", ""),
            ("tiny", "stable", "1.0.0"),
        ]
        since = connection.execute(select(changes).where(changes.c.model == "tiny")).one()
        assert (since.since, since.version, since.digest) == (then, "1.0.0", digest)


def test_a_device_that_goes_back_does_so_when_it_says(database: Database, sender: Sender) -> None:
    days = [(NOW - timedelta(days=number)).isoformat() for number in (9, 5, 1)]
    old, new = Box("1.0.0", "a" * 64, days[0]), Box("1.1.0", "b" * 64, days[1])
    back = Happened(2, days[2], "rolled back", "1.1.0", "b" * 64)  # what it left, as devices tell it
    for model in (
        ModelState("tiny", active=old),
        ModelState("tiny", active=new),
        ModelState("tiny", active=old, events=(back,)),
        ModelState("tiny", active=Box("1.2.0", "c" * 64, "2099-01-01T00:00:00+00:00")),
    ):
        take(database, sender.pack(models=(model,)), "here", NOW)
    with database.read() as connection:
        found = connection.execute(select(changes).order_by(changes.c.since)).all()
    assert [(row.version, row.since.isoformat()) for row in found] == [
        ("1.0.0", days[0]),
        ("1.1.0", days[1]),
        ("1.0.0", days[2]),
        ("1.2.0", NOW.isoformat()),
    ]


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59+00:00"])
def test_a_time_of_another_age_costs_its_device_nothing(database: Database, sender: Sender, moment: str) -> None:
    model = ModelState("tiny", active=Box("1.0.0", "a" * 64, moment))
    assert isinstance(take(database, sender.pack(models=(model,)), "here", NOW), Taken)
    with database.read() as connection:
        since = connection.execute(select(changes)).one().since
    assert since == (NOW if moment.startswith("9") else datetime(1970, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize("content", [b"", b"{}", b"no parcel", b"\x00" * 100])
def test_what_is_no_parcel_is_refused(database: Database, sender: Sender, content: bytes) -> None:
    assert refused(database, content).kind is Kind.MALFORMED


def test_a_gigabyte_is_refused_before_it_is_read(database: Database, sender: Sender) -> None:
    found = refused(database, b"{" * (LARGEST_FILE + 1))
    assert (found.kind, found.status) == (Kind.TOO_LARGE, 413)


def test_a_bomb_is_refused_before_it_unfolds(database: Database, sender: Sender) -> None:
    assert refused(database, sealed(zlib.compress(b" " * (LARGEST + 1)))).kind is Kind.TOO_LARGE


def test_a_tampered_parcel_is_refused(database: Database, sender: Sender) -> None:
    envelope = json.loads(sender.pack(sender.tally(HOUR, 30)))
    envelope["payload"] = json.loads(sender.pack(sender.tally(HOUR, 31)))["payload"]
    assert refused(database, json.dumps(envelope, separators=(",", ":")).encode()).kind in (Kind.FORGED, Kind.MALFORMED)
    payload = b64decode(envelope["payload"])
    forged = write_envelope(Envelope(KEY.public.identity, payload, KEY.sign(b"other")), KIND)
    assert refused(database, forged).kind is Kind.FORGED


def test_a_parcel_signed_by_another_key_is_refused(database: Database, sender: Sender, tiny: Bundle) -> None:
    thief = Sender.of("device-1", tiny, PrivateKey.generate())
    found = refused(database, thief.pack(thief.tally(HOUR, 30)))
    assert (found.kind, found.status) == (Kind.FORGED, 403)
    assert "known here by the key" in found.words


def test_a_device_that_nobody_enrolled_is_refused(database: Database, sender: Sender, tiny: Bundle) -> None:
    stranger = Sender.of("device-9", tiny)
    found = refused(database, stranger.pack(stranger.tally(HOUR, 30)))
    assert found.kind is Kind.UNKNOWN_DEVICE
    assert "ask the hub's operator for an invitation" in found.words


def test_a_blocked_device_is_told_why(database: Database, sender: Sender) -> None:
    with database.begin() as connection:
        devices.block(connection, "device-1", "stolen in May")
    found = refused(database, sender.pack(sender.tally(HOUR, 30)))
    assert (found.kind, found.status) == (Kind.BLOCKED, 403)
    assert "stolen in May" in found.words


def test_a_serial_that_comes_twice_with_other_content_is_refused(
    database: Database, sender: Sender, bundle: KnownBundle
) -> None:
    take(database, sender.pack(sender.tally(HOUR, 30), serial=5), "here", NOW)
    with pytest.raises(Refused) as caught:
        take(database, sender.pack(sender.tally(HOUR, 31, 2), serial=5), "here", NOW)
    assert (caught.value.refusal.kind, caught.value.refusal.status) == (Kind.SERIAL_REUSED, 409)
    assert rows(database, bundle) == {"2026-11-20": 30}


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda tally: tally.update(features={"temp": [1, 2]}), Kind.OTHER_BINS),
        (lambda tally: tally.update(features={HOSTILE: [30]}), Kind.OTHER_BINS),
        (lambda tally: tally.update(breaches={HOSTILE: {"missing": 1}}), Kind.OTHER_BINS),
        (lambda tally: tally.update(verdicts={HOSTILE: 30}), Kind.OTHER_BINS),
        (lambda tally: tally.update(rows=-1), Kind.IMPOSSIBLE_COUNTS),
        (lambda tally: tally.update(rows=31), Kind.IMPOSSIBLE_COUNTS),
        (lambda tally: tally["features"].update(temp=[-1, 31, 0, 0, 0, 0]), Kind.IMPOSSIBLE_COUNTS),
        (lambda tally: tally["features"].update(temp=[31, 0, 0, 0, 0, 0]), Kind.IMPOSSIBLE_COUNTS),
        (lambda tally: tally.update(rows=2**62, verdicts={"ok": 2**62}), Kind.IMPOSSIBLE_COUNTS),
        (lambda tally: tally.update(revision=2**63), Kind.IMPOSSIBLE_COUNTS),
        (lambda tally: tally.update(revision=2**70), Kind.IMPOSSIBLE_COUNTS),
        (lambda tally: tally.update(epoch="\0"), Kind.MALFORMED),
        (lambda tally: tally.update(epoch="e" * 501), Kind.MALFORMED),
        (lambda tally: tally["window"].update(start="2026-11-20T25"), Kind.MALFORMED),
        (lambda tally: tally["window"].update(start=HOSTILE), Kind.MALFORMED),
        (lambda tally: tally["model"].update(name=HOSTILE), Kind.MALFORMED),
        (lambda tally: tally.update({"more\0": 1}), Kind.MALFORMED),
        (lambda tally: tally.update(device="device-2"), Kind.MALFORMED),
        (lambda tally: tally["window"].update(start="2026-11-23T00"), Kind.FUTURE),
        (lambda tally: tally["model"].update(digest="f" * 64), Kind.UNKNOWN_BUNDLE),
        (lambda tally: tally["model"].update(version="9.9.9"), Kind.UNKNOWN_BUNDLE),
    ],
)
def test_a_hostile_tally_is_refused(
    database: Database, sender: Sender, change: Callable[[Any], None], kind: Kind
) -> None:
    content = rewritten(sender.pack(sender.tally(HOUR, 30)), lambda parcel: change(parcel["tallies"][0]))
    found = refused(database, content)
    assert found.kind is kind, found.words
    assert found.words.isprintable()


def test_a_parcel_from_the_future_is_refused(database: Database, sender: Sender) -> None:
    content = sender.pack(sender.tally(HOUR, 30), now=NOW + timedelta(days=1, seconds=1))
    found = refused(database, content)
    assert found.kind is Kind.FUTURE
    assert "set the device's clock" in found.words


def test_an_hour_ahead_is_no_future(database: Database, sender: Sender, bundle: KnownBundle) -> None:
    content = sender.pack(sender.tally("2026-11-22T12", 30), now=NOW + timedelta(hours=23))
    assert take(database, content, "here", NOW).windows == 1


def test_a_hostile_epoch_is_but_a_text(database: Database, sender: Sender, bundle: KnownBundle) -> None:
    take(database, sender.pack(sender.tally(HOUR, 30, epoch=HOSTILE)), "here", NOW)
    take(database, sender.pack(sender.tally(HOUR, 3, epoch="日" * 500)), "here", NOW)
    assert rows(database, bundle) == {"2026-11-20": 33}


def test_sums_never_wrap(database: Database, tiny: Bundle, bundle: KnownBundle) -> None:
    """However many devices bring as much as a parcel may hold."""
    with database.begin() as connection:
        full = 2**63 - 1 - 2**40
        row = {"bundle_id": bundle.id, "group_name": "", "start": "2026-11", "rows": full}
        counts = pack_row(row_of(bundle.layout, full, {"ok": full}, {}, {}, {}, ()))
        connection.execute(totals.insert().values(**row, counts=counts))
    senders = [Sender.of(f"device-{number}", tiny).enrol(database) for number in range(3)]
    huge = [sender.tally("2026-11", 0) for sender in senders]
    huge = [msgspec.structs.replace(tally, rows=2**40, verdicts={"ok": 2**40}) for tally in huge]
    contents = [sender.pack(tally) for sender, tally in zip(senders, huge, strict=True)]
    found = list(take_many(database, [("here", partial(bytes, content)) for content in contents], NOW))
    assert [type(one) for one in found] == [Taken, Refusal, Refusal]
    assert {one.kind for one in found if isinstance(one, Refusal)} == {Kind.IMPOSSIBLE_COUNTS}
    assert counted(database) == {Kind.IMPOSSIBLE_COUNTS: 2}
    assert many(database, windows) == 1


def test_one_bad_parcel_costs_no_good_one(database: Database, sender: Sender, bundle: KnownBundle) -> None:
    def broken() -> bytes:
        raise FormatError("it is a link")

    good = [sender.pack(sender.tally(f"2026-11-1{day}", 10)) for day in range(4)]
    readers: dict[str, Callable[[], bytes]] = {
        "a": lambda: good[0], "b": lambda: b"{}", "c": lambda: good[1], "d": broken, "e": lambda: good[2],
    }  # fmt: skip
    heard: list[int] = []
    found = list(take_many(database, readers.items(), NOW, heard.append))
    assert [(one.where, isinstance(one, Taken)) for one in found] == [
        ("a", True), ("b", False), ("c", True), ("d", False), ("e", True),
    ]  # fmt: skip
    assert heard[-1] == 5
    assert sum(rows(database, bundle).values()) == 30


def test_what_was_read_before_the_stick_was_pulled_out_counts(
    database: Database, sender: Sender, bundle: KnownBundle
) -> None:
    def gone() -> bytes:
        raise OSError(5, "Input/output error")

    found = take_many(database, [("a", partial(sender.pack, sender.tally(HOUR, 30))), ("b", gone)], NOW)
    assert isinstance(next(found), Taken)
    with pytest.raises(OSError, match="Input/output"):
        next(found)
    assert rows(database, bundle) == {"2026-11-20": 30}


def test_windows_of_an_unknown_bundle_are_left_out_until_it_is_known(
    database: Database, sender: Sender, bundle: KnownBundle, tiny: Bundle
) -> None:
    local = msgspec.structs.replace(sender.tally("2026-11-18", 7), model=ModelName("tried-out", "0.1.0", "c" * 64))
    content = sender.pack(sender.tally(HOUR, 30), local, sender.tally("2099-01", 1))
    for _ in range(2):
        found = take(database, content, "here", NOW)
        assert found.is_new, "it is not acknowledged"
        future, unknown = sorted(found.left_out)
        assert "tried-out 0.1.0 (sha256 cccccccccccccccc…), a bundle that is not known here" in future + unknown
        assert "begin in the future, like 2099-01" in future + unknown
    with database.read() as connection:
        assert homes(connection, "device-1") == ()
    assert rows(database, bundle) == {"2026-11-20": 30}
    assert counted(database) == {Kind.UNKNOWN_BUNDLE: 2, Kind.FUTURE: 2}


def test_unknown_devices_are_enrolled_where_that_is_asked_for(
    database: Database, tiny: Bundle, bundle: KnownBundle
) -> None:
    stranger, thief = Sender.of("device-9", tiny), Sender.of("device-9", tiny, PrivateKey.generate())
    contents = [stranger.pack(stranger.tally(HOUR, 3)), thief.pack(thief.tally(HOUR, 9, 2), serial=2)]
    items = [("here", partial(bytes, content)) for content in contents]
    found = list(take_many(database, items, NOW, newcomers="new ones"))
    assert [type(one) for one in found] == [Taken, Refusal]
    with database.read() as connection:
        device = devices.find(connection, "device-9")
    assert device is not None
    assert device.group == "new ones"


def test_what_was_pruned_does_not_come_back(database: Database, sender: Sender, bundle: KnownBundle) -> None:
    with database.begin() as connection:
        horizon.move(connection, NOW - timedelta(days=31))
    found = take(database, sender.pack(sender.tally("2026-09-30", 5), sender.tally(HOUR, 30)), "here", NOW)
    assert (found.windows, found.left_out) == (1, ())
    assert rows(database, bundle) == {"2026-11-20": 30}


def outcome(sender: Sender, revision: int, right: int, **changed: Any) -> Outcome:
    so = (*(0,) * 100, right, *(0,) * 11)
    counts = OutcomeCounts(right, ((0, 0, right),), (0,) * 112, so, 0, 0, 0)
    window = Window("2026-11-19", Span.DAY)
    found = Outcome(OUTCOME, sender.name, sender.model, window, revision, "e", -20, counts)
    return msgspec.structs.replace(found, **changed)


def test_of_outcomes_the_highest_revision_holds(database: Database, sender: Sender) -> None:
    for revision, right in ((2, 9), (1, 5), (2, 9), (3, 8)):
        take(database, sender.pack(outcomes=(outcome(sender, revision, right),)), "here", NOW)
    with database.read() as connection:
        row = connection.execute(select(outcomes)).one()
    assert (row.revision, msgspec.json.decode(row.content, type=Outcome).counts.rows) == (3, 8)


@pytest.mark.parametrize(
    "counts",
    [
        OutcomeCounts(3, ((0, 7, 3),), (3, *(0,) * 111), (0,) * 112, 0, 0, 0),
        OutcomeCounts(3, ((0, 1, 3),)),
        OutcomeCounts(3, (), (), (), 3, 3, 3),
    ],
)
def test_outcomes_of_another_kind_of_model_are_refused(
    database: Database, sender: Sender, counts: OutcomeCounts
) -> None:
    content = sender.pack(outcomes=(outcome(sender, 1, 3, counts=counts),))
    assert refused(database, content).kind is Kind.OTHER_BINS


def test_a_device_that_is_forgotten_takes_its_counts_along(
    database: Database, sender: Sender, tiny: Bundle, bundle: KnownBundle
) -> None:
    other = Sender.of("device-2", tiny).enrol(database)
    take(database, sender.pack(sender.tally(HOUR, 30), sender.tally("2026-10", 5)), "here", NOW)
    take(database, other.pack(other.tally("2026-11-20", 4)), "here", NOW)
    with database.begin() as connection:
        devices.set_group(connection, "device-1", "line 5")
    verify(database)
    with database.read() as connection:
        assert [counts.rows for _, counts in series(connection, bundle, ["line 5"], Span.MONTH)] == [5, 30]
        assert [counts.rows for _, counts in series(connection, bundle, ["line 4"], Span.MONTH)] == []
    with database.begin() as connection:
        devices.forget(connection, "device-1")
    verify(database)
    assert rows(database, bundle, Span.MONTH) == {"2026-11": 4}
    assert many(database, windows) == many(database, devices_table) == 1
