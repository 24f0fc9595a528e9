"""`hakobu hub alarms`, `snooze`, `close`, `evaluate`, and `hakobu drift --hub`."""

import json
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hakobu.cli.at_hub import Hub
from hakobu.cli.main import main
from hakobu.hub.bundles import add_bundle
from hakobu.hub.database import Database
from hakobu.hub.intake import Taken, take
from hakobu_runtime.bundle import Bundle, open_bundle
from hakobu_runtime.format.manifest import Manifest
from hakobu_runtime.trust import Keyring, PrivateKey
from hub_fleet import DRIFTED, Fleet, judgeable_box
from hub_senders import Sender

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
Run = Callable[..., Result]


@pytest.fixture(scope="module")
def box(
    tiny_files: Mapping[str, bytes],
    tiny_manifest: Manifest,
    release_key: PrivateKey,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    return judgeable_box(tiny_files, tiny_manifest, release_key, tmp_path_factory.mktemp("box"))


@pytest.fixture
def bundle(box: Path, keyring: Keyring) -> Bundle:
    return open_bundle(box, keyring)


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Hub(tmp_path / "hub", None).begun()


@pytest.fixture
def fleet(database: Database, bundle: Bundle) -> Fleet:
    """Three devices, drifted on the last complete day."""
    found = Fleet(database, add_bundle(database, bundle, NOW))
    found.enrol("gate-pc-1", "gate-pc-2", "gate-pc-3", group="gates")
    found.count("2026-11-18")
    found.count("2026-11-19", temp=DRIFTED)
    return found


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a command on the hub at a time."""

    def invoke(*words: object, now: datetime = NOW) -> Result:
        environ = {"HAKOBU_HUB": str(tmp_path / "hub"), "SOURCE_DATE_EPOCH": str(int(now.timestamp()))}
        return CliRunner(env=environ).invoke(main, [*map(str, words)])

    return invoke


def test_with_no_alarm_there_is_nothing_to_do(run: Run, database: Database) -> None:
    ended = run("hub", "alarms")
    assert (ended.exit_code, ended.stdout) == (0, "no alarm is open\n")
    assert run("hub", "alarms", "--all").stdout == "there was no alarm yet\n"
    ended = run("hub", "evaluate")
    assert (ended.exit_code, ended.stdout) == (0, "alarms: 0 new, 0 open\n")


def test_an_alarm_is_opened_told_once_and_listed_until_it_is_snoozed(run: Run, fleet: Fleet, tmp_path: Path) -> None:
    script = tmp_path / "with a space.py"
    script.write_text("import json, sys; print(json.load(sys.stdin)['subject'], sys.argv[1])")
    tell = f"{sys.executable} '{script}' 'a b'"
    ended = run("hub", "evaluate", "--on-alarm", tell)
    assert ended.exit_code == 3
    assert "alarms: 1 new, 1 open\nnew 1: tiny 1.0.0, 2026-11-19: temp has drifted: 10 % of rows" in ended.stdout
    assert f"told:   {sys.executable} of 1: temp a b" in ended.stdout
    again = run("hub", "evaluate", "--on-alarm", tell, "--json", now=NOW + timedelta(minutes=5))
    said = json.loads(again.stdout)
    assert (again.exit_code, said["new"], said["told"], len(said["alarms"])) == (3, [], [], 1)
    listed = run("hub", "alarms")
    assert listed.exit_code == 3
    assert "tiny 1.0.0  temp   the fleet  2026-11-19  2026-11-20  open" in listed.stdout
    assert run("hub", "alarms", "--model", "other").exit_code == 0
    assert "snoozed until 2026-11-27 09:30 UTC: 1: tiny 1.0.0" in run("hub", "snooze", 1, "7d").stdout
    quiet = run("hub", "alarms", now=NOW + timedelta(days=6))
    assert quiet.exit_code == 0
    assert "snoozed until 2026-11-27" in quiet.stdout
    assert run("hub", "alarms", now=NOW + timedelta(days=8)).exit_code == 3


def test_what_nobody_was_told_of_is_told_later(run: Run, fleet: Fleet) -> None:
    assert run("hub", "evaluate").exit_code == 3
    ended = run("hub", "evaluate", "--on-alarm", f"{sys.executable} -c pass", now=NOW + timedelta(hours=1))
    assert f"told:   {sys.executable} of 1" in ended.stdout


def test_a_hook_that_fails_is_said_and_changes_no_exit_code(run: Run, fleet: Fleet) -> None:
    ended = run("hub", "evaluate", "--on-alarm", "no-such-program-here", "--webhook", "http://127.0.0.1:9/secret")
    assert ended.exit_code == 3
    assert "not told yet: http://127.0.0.1:9: nobody answers there; it is tried again" in ended.stderr
    assert "no-such-program-here: cannot be run" in ended.stderr
    assert "secret" not in ended.output


def test_an_alarm_that_is_closed_is_listed_with_all(run: Run, fleet: Fleet) -> None:
    run("hub", "evaluate")
    assert "closed: 1: tiny 1.0.0" in run("hub", "close", 1).stdout
    assert run("hub", "alarms").exit_code == 0
    listed = run("hub", "alarms", "--all")
    assert listed.exit_code == 0
    assert "over since 2026-11-20" in listed.stdout
    said = json.loads(run("hub", "alarms", "--all", "--json").stdout)
    assert said["schema"] == "hakobu.hub-alarms/1"
    assert said["alarms"][0]["closed"] == NOW.isoformat()


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("snooze", 99, "7d"), 8, "there is no open alarm 99"),
        (("close", 99), 8, "there is no open alarm 99"),
        (("snooze", 1, "yesterday"), 2, "'yesterday' is no time to come"),
        (("snooze", 1, "2020-01-01"), 2, "'2020-01-01' is no time to come"),
        (("snooze", 1, "9999w"), 8, "there is no open alarm 1"),
        (("close", "one"), 2, "'one' is not a valid integer"),
        (("evaluate", "--on-alarm", "sh 'x"), 2, "a quote is not closed"),
        (("evaluate", "--webhook", "chat.example.org"), 2, "a webhook must be an address"),
        (("evaluate", "--hub", "nowhere"), 8, "there is no hub here yet"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    run: Run, database: Database, words: tuple[object, ...], code: int, told: str
) -> None:
    ended = run("hub", *words)
    assert ended.exit_code == code
    assert told in ended.stderr


@pytest.mark.parametrize("by", ["day", "week", "month"])
@pytest.mark.parametrize("since", [(), ("--since", "2026-11-04")])
def test_what_came_home_to_a_hub_is_judged_as_a_folder_of_it_is(
    run: Run, database: Database, bundle: Bundle, box: Path, release_key: PrivateKey, tmp_path: Path, by: str,
    since: tuple[str, ...],
) -> None:  # fmt: skip
    add_bundle(database, bundle, NOW)
    key, folder = tmp_path / "release.pub", tmp_path / "fleet"
    key.write_bytes(release_key.public.pem)
    folder.mkdir()
    for place in range(3):
        sender = Sender.of(f"device-{place}", bundle).enrol(database)
        starts = ("2026-09", "2026-11-02T09", "2026-11-02T10", "2026-11-04", "2026-11-19T23")
        content = sender.pack(*(sender.tally(start, 200, seed=place) for start in starts))
        assert isinstance(take(database, content, "here", datetime(2026, 11, 21, 12, tzinfo=UTC)), Taken)
        (folder / f"{place}.parcel").write_bytes(content)
    asked = ("--by", by, "--json", *since)
    from_folder = run("drift", folder, "--bundle", box, "--key", key, *asked)
    from_hub = run("drift", "--hub", tmp_path / "hub", *asked)
    assert from_hub.exit_code == from_folder.exit_code == 3, from_folder.output + from_hub.output
    assert json.loads(from_hub.stdout)["bundles"] == json.loads(from_folder.stdout)["bundles"]


def test_the_drift_of_one_group_is_that_of_its_devices(run: Run, fleet: Fleet, tmp_path: Path) -> None:
    fleet.enrol("desk-pc-1", "desk-pc-2", group="desks")
    fleet.count("2026-11-19", ("desk-pc-1", "desk-pc-2"))
    place = ("--hub", tmp_path / "hub", "--by", "day", "--last", 1)
    assert run("drift", *place, "--group", "desks").exit_code == 0
    assert run("drift", *place, "--group", "gates").exit_code == 3
    (found,) = json.loads(run("drift", *place, "--group", "desks", "--json").stdout)["bundles"]
    assert found["devices"] == 2
    assert "groups" not in found
    (both,) = json.loads(run("drift", *place, "--json").stdout)["bundles"]
    assert sorted(both["groups"]) == ["desks", "gates"]
    page = tmp_path / "drift.html"
    run("drift", "--database", f"sqlite:///{tmp_path}/hub/hub.sqlite", "--html", page)
    assert "<html" in page.read_text()


def test_what_the_hub_does_not_know_is_said(run: Run, fleet: Fleet, tmp_path: Path) -> None:
    ended = run("drift", "--hub", tmp_path / "hub", "--model", "other")
    assert (ended.exit_code, "knows no model 'other', but: tiny" in ended.stderr) == (2, True)
    assert run("drift", "--hub", tmp_path / "none").exit_code == 8
    ended = run("drift", "--group", "gates")
    assert (ended.exit_code, "--group" in ended.stderr) == (2, True)
