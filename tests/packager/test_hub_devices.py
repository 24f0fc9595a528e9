"""Whom the hub takes counts from: devices, the invitations that let them in, and rosters."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import select

from hakobu.hub import devices, invites, outcome_totals, totals
from hakobu.hub.bundles import add_bundle, known
from hakobu.hub.database import Database
from hakobu.hub.devices import Device, enrol
from hakobu.hub.intake import take
from hakobu.hub.invites import admit
from hakobu.hub.roster import enrol_listed, read_roster
from hakobu.hub.tables import invites as invitations
from hakobu_runtime.bundle import Bundle, open_bundle
from hakobu_runtime.errors import FormatError, HakobuError, InputError, StateError, TrustError, UsageError
from hakobu_runtime.format.window import Span
from hakobu_runtime.trust import Keyring
from hub_counts import NOW, key_of, outcome, parcel, pem_of, tally
from postgres import Databases

ONE, TWO = "device-1", "device-2"
HOSTILE = [
    "'; DROP TABLE devices; --",
    "<script>alert(1)</script>",
    "two\nlines",
    "turned‮around",
    "x" * 65,
    "\x00",
    "\ud800",
    " padded ",
]


def joined(database: Database, name: str, group: str = "") -> Device:
    with database.begin() as connection:
        return enrol(connection, name, pem_of(name), group, NOW)


def listed(database: Database) -> tuple[Device, ...]:
    with database.read() as connection:
        return devices.every(connection)


# --- devices ---


def test_a_device_is_known_by_its_name_and_key(database: Database) -> None:
    made = joined(database, ONE, "Halle 1")
    assert (made.name, made.key_pem, made.group, made.enrolled) == (ONE, pem_of(ONE), "Halle 1", NOW)
    assert (made.seen, made.blocked, made.serial) == (None, "", 0)
    with database.read() as connection:
        assert devices.find(connection, ONE) == made
        assert devices.find(connection, TWO) is None
    assert listed(database) == (made,)


def test_enrolling_again_with_the_same_key_changes_nothing(database: Database) -> None:
    first = joined(database, ONE, "here")
    assert joined(database, ONE, "there") == first


def test_another_key_for_a_device_that_is_known_is_refused(database: Database) -> None:
    joined(database, ONE)
    with pytest.raises(TrustError, match=r"device-1: is known here by the key .* hakobu hub forget device-1"):  # noqa: SIM117
        with database.begin() as connection:
            enrol(connection, ONE, pem_of(TWO), "", NOW)
    assert [one.key_pem for one in listed(database)] == [pem_of(ONE)]


def test_what_is_no_name_of_a_device_is_nowhere_and_cannot_enrol(database: Database) -> None:
    for name in (*HOSTILE, "", "Device-1", "../device", "short"):
        with database.begin() as connection:
            assert devices.find(connection, name) is None
            with pytest.raises(FormatError, match="no name of a device"):
                enrol(connection, name, pem_of(ONE), "", NOW)
            with pytest.raises(StateError, match="no device"):
                devices.forget(connection, name)


def test_what_is_no_public_key_cannot_enrol(database: Database) -> None:
    for key in ("", "no key", key_of(ONE).to_pem(None).decode(), "\ud800"):
        with database.begin() as connection, pytest.raises(TrustError):
            enrol(connection, ONE, key, "", NOW)


def test_a_group_may_have_any_printable_name(database: Database) -> None:
    joined(database, ONE)
    for group in ("'; DROP TABLE devices; --", "<b>工場</b>", "a\"b'c"):
        with database.begin() as connection:
            assert devices.set_group(connection, ONE, group).group == group


def test_a_group_has_no_name_that_misleads_or_breaks_a_line(database: Database) -> None:
    joined(database, ONE)
    for group in HOSTILE[2:]:
        with database.begin() as connection, pytest.raises(UsageError, match="cannot be the name of a group"):
            devices.set_group(connection, ONE, group)


def test_groups_that_look_the_same_are_the_same(database: Database) -> None:
    assert joined(database, ONE, "Halle 1").group == joined(database, TWO, "Halle 1").group


def test_a_blocked_device_is_told_why_until_it_is_let_in_again(database: Database, tiny: Bundle) -> None:
    joined(database, ONE)
    add_bundle(database, tiny, NOW)
    with database.begin() as connection:
        assert devices.block(connection, ONE, "stolen\non Monday").blocked == "stolen on Monday"
    content = parcel(ONE, 1, tiny, tally(ONE, tiny, "2026-11-20", 5))
    with pytest.raises(TrustError, match="stolen on Monday"):
        take(database, content, "it", NOW)
    with database.begin() as connection, pytest.raises(TrustError, match="stolen on Monday"):
        enrol(connection, ONE, pem_of(ONE), "", NOW)
    with database.begin() as connection:
        assert devices.unblock(connection, ONE).blocked == ""
    assert take(database, content, "it", NOW).windows == 1


def test_blocking_takes_a_reason(database: Database) -> None:
    joined(database, ONE)
    with database.begin() as connection, pytest.raises(UsageError, match="say why"):
        devices.block(connection, ONE, " \n ")


def test_a_device_that_moves_takes_all_that_it_counted_along(database: Database, tiny: Bundle) -> None:
    fed(database, tiny)
    with database.begin() as connection:
        devices.set_group(connection, ONE, "there")
    totals.verify(database)
    outcome_totals.verify(database)
    assert summed(database, "here") == 0
    assert summed(database, "there") == 5
    assert summed(database, "") == 7


def test_a_forgotten_device_takes_all_that_it_counted_away_and_can_come_back(database: Database, tiny: Bundle) -> None:
    fed(database, tiny)
    with database.begin() as connection:
        assert devices.forget(connection, ONE).name == ONE
    totals.verify(database)
    outcome_totals.verify(database)
    assert [one.name for one in listed(database)] == [TWO]
    assert (summed(database, "here"), summed(database, "")) == (0, 7)
    with database.begin() as connection:
        enrol(connection, ONE, pem_of(TWO), "here", NOW)
    assert len(listed(database)) == 2


# --- invitations ---


def test_an_invitation_lets_one_device_in_once(database: Database) -> None:
    token = invited(database, group="Halle 1")
    assert re.fullmatch(r"([0-9A-HJKMNP-TV-Z]{4}-){5}[0-9A-HJKMNP-TV-Z]{4}", token)
    with database.begin() as connection:
        assert admit(connection, token, ONE, pem_of(ONE), NOW).group == "Halle 1"
    with pytest.raises(TrustError, match="was used on 2026-11-21"):  # noqa: SIM117
        with database.begin() as connection:
            admit(connection, token, TWO, pem_of(TWO), NOW)
    assert [one.name for one in listed(database)] == [ONE]


def test_a_device_that_lost_the_answer_asks_again_with_the_same_invitation(database: Database) -> None:
    token = invited(database)
    for _ in range(2):
        with database.begin() as connection:
            assert admit(connection, token, ONE, pem_of(ONE), NOW).name == ONE


def test_an_invitation_that_was_of_no_use_is_not_used_up(database: Database) -> None:
    token = invited(database)
    joined(database, ONE)
    with pytest.raises(TrustError, match="is known here by the key"):  # noqa: SIM117
        with database.begin() as connection:
            admit(connection, token, ONE, pem_of(TWO), NOW)
    with database.begin() as connection:
        assert admit(connection, token, TWO, pem_of(TWO), NOW).name == TWO


def test_an_invitation_is_typed_as_people_type(database: Database) -> None:
    token = invited(database)
    typed = token.replace("-", " ").lower().replace("1", "l").replace("0", "o")
    with database.begin() as connection:
        assert admit(connection, typed, ONE, pem_of(ONE), NOW).name == ONE


def test_an_invitation_expires(database: Database) -> None:
    token = invited(database, days=7)
    with database.begin() as connection, pytest.raises(TrustError, match="expired on 2026-11-28"):
        invites.use(connection, token, NOW + timedelta(days=7))
    with database.begin() as connection:
        assert invites.use(connection, token, NOW + timedelta(days=7, seconds=-1)) == ""


def test_what_is_no_invitation_lets_nobody_in(database: Database) -> None:
    invited(database)
    for token in (*HOSTILE, "", "K7QF-3M2X"):
        with database.begin() as connection, pytest.raises(TrustError, match="not known here"):
            invites.use(connection, token, NOW)


def test_the_database_does_not_hold_what_lets_a_device_in(database: Database) -> None:
    token = invited(database)
    with database.read() as connection:
        row = connection.execute(select(invitations)).one()
    assert token.replace("-", "") not in repr(tuple(row)).upper()


def test_an_invitation_holds_for_days_and_not_for_ever(database: Database) -> None:
    for days in (0, -1, 367, 10**12):
        with database.begin() as connection, pytest.raises(UsageError, match="cannot hold for"):
            invites.make(connection, NOW, days, "")


def test_of_many_who_use_one_invitation_at_once_one_gets_in(database: Database) -> None:
    token = invited(database)
    names = [f"device-{number}" for number in range(8)]
    pems = {name: pem_of(name) for name in names}

    def enter(name: str) -> str:
        try:
            with database.begin() as connection:
                return admit(connection, token, name, pems[name], NOW).name
        except TrustError as error:
            return str(error)

    with ThreadPoolExecutor(len(names)) as threads:
        found = list(threads.map(enter, names))
    winners = [name for name in found if name in names]
    assert len(winners) == 1
    assert all("was used on" in words for words in found if words not in names)
    assert [one.name for one in listed(database)] == winners


def test_of_many_who_take_one_name_at_once_one_has_it(database: Database) -> None:
    pems = [pem_of(f"device-{number}") for number in range(6)]

    def enter(pem: str) -> str:
        try:
            with database.begin() as connection:
                return enrol(connection, ONE, pem, "", NOW).key_pem
        except HakobuError as error:
            return type(error).__name__

    with ThreadPoolExecutor(len(pems)) as threads:
        found = list(threads.map(enter, pems))
    assert sorted(found)[1:] == ["TrustError"] * 5
    assert [one.key_pem for one in listed(database)] == [pem for pem in found if pem in pems]


# --- rosters ---


def test_a_roster_makes_devices_known_to_another_hub(databases: Databases, tmp_path: Path) -> None:
    first, second = databases.new(), databases.new()
    for name, group in ((ONE, "Halle 1"), (TWO, "")):
        joined(first, name, group)
    with first.begin() as connection:
        devices.block(connection, TWO, "stolen")
    path = tmp_path / "devices.json"
    path.write_bytes(msgspec.json.encode({"schema": "hakobu.hub-devices/1", "devices": listed(first)}))
    for new in (2, 0):
        with second.begin() as connection:
            assert enrol_listed(connection, read_roster(path), NOW) == new
    known = [(one.name, one.key_pem, one.group, one.blocked) for one in listed(second)]
    assert known == [(one.name, one.key_pem, one.group, one.blocked) for one in listed(first)]


def test_a_roster_does_not_change_the_key_of_a_device(database: Database, tmp_path: Path) -> None:
    joined(database, ONE)
    path = tmp_path / "devices.json"
    rows = [{"name": TWO, "key_pem": pem_of(TWO), "group": ""}, {"name": ONE, "key_pem": pem_of(TWO), "group": ""}]
    path.write_bytes(msgspec.json.encode({"schema": "hakobu.hub-devices/1", "devices": rows}))
    with pytest.raises(TrustError, match="is known here by the key"):  # noqa: SIM117
        with database.begin() as connection:
            enrol_listed(connection, read_roster(path), NOW)
    assert [one.name for one in listed(database)] == [ONE]


@pytest.mark.parametrize("content", [b"", b"{}", b'{"schema":"hakobu.hub-devices/1","devices":[{}]}', b"\xff"])
def test_what_is_no_roster_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "devices.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"devices\.json: .*hakobu hub devices --json"):
        read_roster(path)


def invited(database: Database, days: int = 7, group: str = "") -> str:
    with database.begin() as connection:
        return invites.make(connection, NOW, days, group)


def fed(database: Database, bundle: Bundle) -> None:
    """Let one device of the group `here` count 5 rows, and one of no group 7."""
    add_bundle(database, bundle, NOW)
    for name, group, rows in ((ONE, "here", 5), (TWO, "", 7)):
        joined(database, name, group)
        known = (outcome(name, bundle, "2026-11-20", rows),)
        content = parcel(name, 1, bundle, tally(name, bundle, "2026-11-20T09", rows), outcomes=known)
        take(database, content, "it", NOW)
    totals.verify(database)
    outcome_totals.verify(database)


def summed(database: Database, group: str) -> int:
    with database.read() as connection:
        (bundle,) = known(connection).values()
        found = totals.series(connection, bundle, [group], Span.DAY)
        return sum(counts.rows for _, counts in found)


@pytest.fixture
def tiny(tiny_box: Path, keyring: Keyring) -> Bundle:
    return open_bundle(tiny_box, keyring)
