"""The commands about devices, people and what the hub keeps, as an operator types them."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from hakobu.cli.main import main
from hakobu.hub import accounts
from hakobu.hub.accounts import Cost
from hakobu.hub.bundles import add_bundle
from hakobu.hub.database import Database, open_database
from hakobu.hub.devices import enrol
from hakobu.hub.intake import take
from hakobu.hub.invites import admit
from hakobu_runtime.bundle import Bundle, open_bundle
from hakobu_runtime.trust import Keyring
from hub_counts import NOW, parcel, pem_of, rows_of, tally

ONE, TWO = "device-1", "device-2"
GOOD = "correct horse battery"
Type = Callable[..., Result]


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts.add, "__defaults__", (Cost(2, 1, 1),))
    monkeypatch.setattr(accounts.set_password, "__defaults__", (Cost(2, 1, 1),))


@pytest.fixture
def type_(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Type:
    """Type a command in a folder that is empty at first, where nobody sits at the terminal."""
    monkeypatch.chdir(tmp_path)
    for name in ("HAKOBU_HUB", "HAKOBU_HUB_DATABASE", "HAKOBU_HUB_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", str(int(NOW.timestamp())))

    def run(*words: object, password: str | None = GOOD) -> Result:
        return CliRunner().invoke(main, ["hub", *map(str, words)], env={"HAKOBU_HUB_PASSWORD": password})

    return run


@pytest.fixture
def hub(type_: Type, tmp_path: Path, tiny_box: Path, keyring: Keyring) -> Database:
    """A hub to which two devices sent counts."""
    done(type_("upgrade"))
    database = open_database(f"sqlite:///{tmp_path / 'hub' / 'hub.sqlite'}")
    tiny: Bundle = open_bundle(tiny_box, keyring)
    add_bundle(database, tiny, NOW)
    for name, group in ((ONE, "Halle 1"), (TWO, "")):
        with database.begin() as connection:
            enrol(connection, name, pem_of(name), group, NOW)
        take(database, parcel(name, 1, tiny, tally(name, tiny, "2024-01-01", 5)), "it", NOW)
    return database


def done(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.stdout


def shown(result: Result) -> Any:
    return json.loads(done(result))


def refused(result: Result, code: int, words: str) -> None:
    assert result.exit_code == code, result.output
    assert re.search(words, result.stderr), result.stderr
    assert result.stderr.startswith(("hakobu: error: ", "Usage: ")), result.stderr


# --- devices ---


def test_invitations_are_printed_one_on_a_line_and_let_devices_in(type_: Type, tmp_path: Path) -> None:
    tokens = done(type_("invite", "--many", 3, "--group", "Halle 1", "--days", 2)).splitlines()
    assert len(set(tokens)) == 3
    found = shown(type_("invite", "--json"))
    assert (found["schema"], found["group"], found["days"], len(found["tokens"])) == ("hakobu.hub-invite/1", "", 7, 1)
    with open_database(f"sqlite:///{tmp_path / 'hub' / 'hub.sqlite'}").begin() as connection:
        assert admit(connection, tokens[1], ONE, pem_of(ONE), NOW).group == "Halle 1"
    refused(type_("invite", "--group", "a\nb"), 2, "cannot be the name of a group")
    refused(type_("invite", "--days", 0), 2, "--days")


def test_devices_are_listed(hub: Database, type_: Type) -> None:
    out = done(type_("devices"))
    assert re.search(r"^device-1 +Halle 1 +2026-11-21 09:00 +0\.1\.0 +Linux$", out, re.M)
    assert "device-2" in out
    assert "device-2" not in done(type_("devices", "--group", "Halle 1"))
    assert [one["name"] for one in shown(type_("devices", "--group", "", "--json"))["devices"]] == [TWO]
    one = shown(type_("devices", "--json"))["devices"][0]
    assert (one["name"], one["key_pem"], one["seen"], one["serial"]) == (ONE, pem_of(ONE), "2026-11-21T09:00:00Z", 1)


def test_a_list_of_devices_makes_them_known_to_another_hub(hub: Database, type_: Type, tmp_path: Path) -> None:
    (tmp_path / "devices.json").write_text(done(type_("devices", "--json")))
    out = done(type_("devices", "--hub", "new", "--import", "devices.json"))
    assert "device-1" in out
    assert "device-2" in out
    (tmp_path / "devices.json").write_text("[]")
    refused(type_("devices", "--import", "devices.json"), 6, r"devices\.json: .* 'hakobu hub devices --json' prints")
    refused(type_("devices", "--import", "none.json"), 6, r"none\.json: cannot be read: No such file")


def test_a_device_is_blocked_and_let_in_again(hub: Database, type_: Type) -> None:
    assert done(type_("block", ONE, "--reason", "stolen")) == "device-1: blocked\n"
    assert re.search(r"^device-1 .* stolen$", done(type_("devices")), re.M)
    assert shown(type_("unblock", ONE, "--json"))["device"]["blocked"] == ""
    refused(type_("block", ONE), 2, "--reason")
    refused(type_("block", ONE, "--reason", " "), 2, "say why")
    refused(type_("block", "x'; DROP TABLE devices", "--reason", "it"), 8, "no device .* is enrolled here")


def test_a_device_is_put_in_another_group(hub: Database, type_: Type) -> None:
    assert done(type_("group", TWO, "<b>Halle 2</b>")) == "device-2: in the group '<b>Halle 2</b>'\n"
    assert done(type_("group", TWO, "")) == "device-2: in no group\n"
    refused(type_("group", "device-9", ""), 8, "no device 'device-9'")


def test_a_device_is_forgotten_by_who_says_yes(hub: Database, type_: Type) -> None:
    refused(type_("forget", ONE), 2, "add --yes")
    assert len(rows_of(hub)["devices"]) == 2
    assert done(type_("forget", ONE, "--yes")) == "device-1: forgotten\n"
    assert "device-1" not in done(type_("devices"))
    assert len(rows_of(hub)["windows"]) == 1


# --- people ---


def test_people_are_let_in_and_out(type_: Type, tmp_path: Path) -> None:
    assert done(type_("user", "add", "anna", "--operator")) == "anna: may log in\n"
    assert shown(type_("user", "add", "花子", "--json"))["user"]["operator"] is False
    assert re.search(r"^anna +operator +2026-11-21$", done(type_("user", "list")), re.M)
    database = open_database(f"sqlite:///{tmp_path / 'hub' / 'hub.sqlite'}")
    done(type_("user", "password", "anna", password="something else now"))
    with database.read() as connection:
        assert accounts.check(connection, "anna", GOOD) is None
        assert accounts.check(connection, "anna", "something else now") is not None
    assert done(type_("user", "remove", "anna")) == "anna: may log in no more\n"
    assert [one["name"] for one in shown(type_("user", "list", "--json"))["users"]] == ["花子"]


def test_who_cannot_be_let_in_is_told_why(type_: Type) -> None:
    done(type_("user", "add", "anna"))
    refused(type_("user", "add", "anna"), 8, "is an account 'anna' already")
    refused(type_("user", "add", "otto", password="short"), 2, "at least 12 letters")
    refused(type_("user", "add", "otto", password=None), 2, "set HAKOBU_HUB_PASSWORD")
    refused(type_("user", "add", "ot\nto"), 2, "cannot be the name of an account")
    refused(type_("user", "password", "otto"), 8, "no account 'otto'")
    refused(type_("user", "remove", "otto"), 8, "no account 'otto'")


# --- what it keeps ---


def test_a_hub_is_backed_up_and_restored(hub: Database, type_: Type, tmp_path: Path) -> None:
    assert re.fullmatch(
        r"written: it\.hub \([\d,]+ bytes: devices 2, bundles 1, windows 2, outcomes 0\)\n",
        done(type_("backup", "it.hub")),
    )
    found = shown(type_("restore", "it.hub", "--hub", "new", "--json"))
    assert (found["schema"], found["made"], found["rows"]["windows"]) == ("hakobu.hub-restored/1", NOW.isoformat(), 2)
    assert rows_of(open_database(f"sqlite:///{tmp_path / 'new' / 'hub.sqlite'}")) == rows_of(hub)
    refused(type_("restore", "it.hub"), 8, r"holds bundles, devices, .* already.*--replace")
    assert "restored: it.hub" in done(type_("restore", "it.hub", "--replace"))
    refused(type_("restore", "hub/hub.sqlite", "--replace"), 8, "is no whole backup of a hub")
    refused(type_("backup", "hub/hub.sqlite"), 2, "no backup of a hub: name another file")
    done(type_("check"))


def test_what_is_old_is_pruned(hub: Database, type_: Type) -> None:
    out = done(type_("prune", "--older-than", "400d"))
    assert out.startswith("kept: counts from 2025-10 on\ngone: windows 2, outcomes 0, totals 4, parcels 0")
    found = shown(type_("prune", "--older-than", "30", "--json"))
    assert (found["schema"], found["horizon"], found["windows"]) == ("hakobu.hub-pruned/1", "2026-10", 0)
    for age in ("0d", "x", "-3", "30h", "999999d"):
        refused(type_("prune", f"--older-than={age}"), 2, "like 400d")
    refused(type_("prune"), 2, "--older-than")


def test_where_no_hub_is_nothing_is_made(type_: Type, tmp_path: Path) -> None:
    commands = (("devices",), ("user", "list"), ("backup", "it.hub"), ("prune", "--older-than", "1d"), ("unblock", ONE))
    for words in commands:
        refused(type_(*words), 8, "there is no hub here yet.*hakobu hub upgrade")
    assert [*tmp_path.iterdir()] == []


def test_the_folder_of_a_hub_is_its_operators_alone(type_: Type, tmp_path: Path) -> None:
    done(type_("upgrade", "--hub", "a ?#%20b"))
    done(type_("invite", "--hub", "a ?#%20b"))
    assert (tmp_path / "a ?#%20b").stat().st_mode & 0o077 == 0
    (tmp_path / "open").mkdir(mode=0o755)
    done(type_("invite", "--hub", "open"))
    assert (tmp_path / "open" / "hub.sqlite").stat().st_mode & 0o077 == 0


def test_other_commands_load_nothing_of_the_hub() -> None:
    code = (
        "import sys, hakobu.cli.main, hakobu.cli.hub; print([n for n in ('sqlalchemy', 'fastapi') if n in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"


def test_without_the_libraries_of_the_hub_it_is_said_what_to_install(
    type_: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [*sys.modules]:
        if name.startswith(("hakobu.cli.hub_", "hakobu.cli.at_hub", "hakobu.hub", "sqlalchemy")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    refused(type_("devices"), 10, r"the hub needs sqlalchemy.*pip install 'hakobu\[hub\]'")


def test_dates_are_of_the_clock(type_: Type) -> None:
    done(type_("user", "add", "anna"))
    made = shown(type_("user", "list", "--json"))["users"][0]["made"]
    assert datetime.fromisoformat(made) == NOW.astimezone(UTC)
