"""`hakobu hub import`, `add`, `upgrade` and `check`, as their user runs them; and what a kill leaves."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import func, select, update

from hakobu.cli.main import main
from hakobu.depot.depot import open_depot
from hakobu.hub.bundles import _insert, add_bundle, add_depot, known, models, of_model
from hakobu.hub.database import Database, open_database
from hakobu.hub.tables import outcome_totals, parcels, totals, windows
from hakobu.hub.totals import verify
from hakobu_runtime.bundle import Bundle, open_bundle
from hakobu_runtime.errors import DamageError
from hakobu_runtime.format.tally import ModelName
from hakobu_runtime.trust import Keyring
from hakobu_runtime.uplink.receipt import read_receipt
from hub_senders import KEY, NOW, Sender
from postgres import Databases

HOUR = "2026-11-20T09"


@pytest.fixture
def tiny(tiny_box: Path, keyring: Keyring) -> Bundle:
    return open_bundle(tiny_box, keyring)


@pytest.fixture
def run(tmp_path: Path, tiny_box: Path, release_key: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run a command of `hakobu hub` beside a hub that knows the tiny box."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", str(int(NOW.timestamp())))
    (tmp_path / "release.pub").write_bytes(release_key.public.pem)

    def hub(*arguments: str) -> Result:
        return CliRunner().invoke(main, ["hub", *arguments])

    assert hub("add", str(tiny_box), "--key", "release.pub").exit_code == 0
    return hub


def lay(folder: Path, sender: Sender, *contents: bytes) -> None:
    """Put parcels on a stick."""
    place = folder / "hakobu" / "tallies" / sender.name
    place.mkdir(parents=True, exist_ok=True)
    for number, content in enumerate(contents, 1):
        (place / f"{number}.parcel").write_bytes(content)


def test_counts_come_in_on_a_stick_and_receipts_go_back(
    run: Callable[..., Result], tmp_path: Path, tiny: Bundle
) -> None:
    sender = Sender.of("device-1", tiny)
    lay(tmp_path / "stick", sender, sender.pack(sender.tally(HOUR, 30)), sender.pack(sender.tally("2026-11-19", 5)))
    (tmp_path / "receipts.pem").write_bytes(KEY.to_pem(None))
    found = run("import", "stick", "--enrol-new", "--group", "line 4", "--receipts", "receipts.pem")
    assert found.exit_code == 0, found.output
    assert "2 new, 0 known, 0 refused" in found.output
    content = (tmp_path / "stick" / "hakobu" / "receipts" / "device-1.receipt").read_bytes()
    receipt = read_receipt(content, "device-1", [KEY.public.pem.decode()], "receipt")
    assert [one.serial for one in receipt.parcels] == [1, 2]
    again = json.loads(run("import", "stick", "--receipts", "receipts.pem", "--json").output)
    assert (again["new"], again["known"], again["receipts"], again["devices"]) == (0, 2, 0, ["device-1"])
    assert json.loads(run("devices", "--json").output)["devices"][0]["group"] == "line 4"


def test_what_is_refused_is_told_and_ends_with_its_code(
    run: Callable[..., Result], tmp_path: Path, tiny: Bundle
) -> None:
    sender, stranger = Sender.of("device-1", tiny), Sender.of("device-2", tiny)
    sender.enrol(open_database(f"sqlite:///{tmp_path}/hub/hub.sqlite"))
    unknown = sender.tally("2026-11-18", 7)
    lay(tmp_path / "stick", sender, sender.pack(sender.tally(HOUR, 30)), b"rubbish", sender.pack(unknown))
    lay(tmp_path / "stick", stranger, stranger.pack(stranger.tally(HOUR, 30)))
    found = run("import", "stick")
    assert found.exit_code == 5
    assert "2 new, 0 known, 2 refused" in found.output
    assert "2.parcel: " in found.output
    assert "the device device-2 is not enrolled here" in found.output
    assert "error: 2 of 4 parcels were refused; the reasons stand above" in found.output
    (tmp_path / "stick" / "hakobu" / "tallies" / "device-2" / "1.parcel").unlink()
    assert run("import", "stick").exit_code == 4


def test_a_folder_of_parcels_and_one_of_a_fleet_are_taken_too(
    run: Callable[..., Result], tmp_path: Path, tiny: Bundle
) -> None:
    sender = Sender.of("device-1", tiny)
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "some.parcel").write_bytes(sender.pack(sender.tally(HOUR, 30)))
    (tmp_path / "fleet" / "device-1").mkdir(parents=True)
    (tmp_path / "fleet" / "device-1" / "device.pub").write_bytes(KEY.public.pem)
    (tmp_path / "fleet" / "device-1" / "2.parcel").write_bytes(sender.pack(sender.tally("2026-11-19", 5)))
    for folder in ("plain", "fleet"):
        found = run("import", folder, "--enrol-new")
        assert "1 new, 0 known, 0 refused" in found.output, found.output
    assert run("check").exit_code == 0


def test_what_is_left_out_is_said(run: Callable[..., Result], tmp_path: Path, tiny: Bundle) -> None:
    sender, other = Sender.of("device-1", tiny), Sender.of("device-1", tiny)
    other.model = ModelName("tried-out", "0.1.0", "c" * 64)
    lay(tmp_path / "stick", sender, sender.pack(sender.tally(HOUR, 30), other.tally("2026-11-18", 1)))
    found = run("import", "stick", "--enrol-new")
    assert found.exit_code == 0
    assert "left out: 1 window of tried-out 0.1.0" in found.output


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("import", "nowhere"), 7, "there is no such folder"),
        (("import", "empty"), 7, "holds no parcels"),
        (("import", "empty", "--hub", "other"), 8, "there is no hub here yet"),
        (("add",), 2, "name a BUNDLE"),
        (("add", "nothing.hako", "--key", "release.pub"), 4, "there is no such file"),
        (("add", "--depot", "empty"), 8, "there is no depot here"),
        (("check", "--database", "mysql://here/hub"), 2, "no database that the hub knows"),
    ],
)
def test_a_mistake_is_one_line(
    run: Callable[..., Result], tmp_path: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    (tmp_path / "empty").mkdir()
    found = run(*arguments)
    assert (found.exit_code, words in found.output) == (code, True), found.output
    assert len(found.output.strip().splitlines()) == 1


def test_totals_that_do_not_add_up_are_found_and_mended(
    run: Callable[..., Result], tmp_path: Path, tiny: Bundle
) -> None:
    sender = Sender.of("device-1", tiny)
    lay(tmp_path / "stick", sender, sender.pack(sender.tally(HOUR, 30), outcomes=(sender.outcome(HOUR[:10], 7),)))
    assert run("import", "stick", "--enrol-new").exit_code == 0
    database = open_database(f"sqlite:///{tmp_path}/hub/hub.sqlite")
    for table, words in ((totals, "is not the sum of its windows"), (outcome_totals, "is not the sum of them")):
        with database.begin() as connection:
            connection.execute(update(table).values(rows=31))
        found = run("check")
        assert (found.exit_code, words in found.output) == (8, True)
        assert run("check", "--mend").exit_code == 0
        assert run("check").exit_code == 0
    with database.begin() as connection:
        connection.execute(totals.delete())
    with pytest.raises(DamageError):
        verify(database)


def test_the_releases_of_a_depot_become_known(database: Database, publisher: Any) -> None:
    digests = [publisher.publish(publisher.box(version)) for version in ("1.9.0", "1.10.0")]
    assert add_depot(database, open_depot(publisher.path), NOW) == 2
    assert add_depot(database, open_depot(publisher.path), NOW) == 0
    with database.read() as connection:
        assert models(connection) == ("tiny",)
        found = of_model(connection, "tiny")
        assert [(one.version, one.digest) for one in found] == [("1.10.0", digests[1]), ("1.9.0", digests[0])]
        assert found[0].manifest.version == "1.10.0"
        assert found[0].card.endswith("# tiny\n")


def test_a_bundle_is_known_once(database: Database, tiny: Bundle) -> None:
    first, again = add_bundle(database, tiny, NOW, "the first"), add_bundle(database, tiny, NOW, "another")
    assert (first.id, first.notes) == (again.id, "the first")
    with database.read() as connection:
        assert list(known(connection)) == [tiny.digest]


def test_a_bundle_of_a_transaction_that_failed_is_not_remembered(
    database: Database, tiny: Bundle, release: Callable[..., Bundle]
) -> None:
    with suppress(ZeroDivisionError), database.begin() as connection:
        _insert(connection, "d" * 64, tiny.manifest, tiny.validation, tiny.card, "", NOW)
        assert list(known(connection)) == ["d" * 64]
        raise ZeroDivisionError
    add_bundle(database, release("2.0.0"), NOW)
    with database.read() as connection:
        assert [one.version for one in known(connection).values()] == ["2.0.0"]


IMPORT = """\
import sys
from contextlib import suppress
from pathlib import Path
from hakobu.hub.database import open_database
from hakobu.hub.intake import take_many
from hub_senders import NOW
database = open_database(sys.argv[1])
for path in sorted(Path(sys.argv[2]).iterdir()):  # each in a transaction of its own: there is more to be killed in
    for found in take_many(database, [(path.name, path.read_bytes)], NOW):
        print(found.serial, flush=True)
"""


def test_a_kill_leaves_whole_parcels(databases: Databases, tiny: Bundle, tmp_path: Path) -> None:
    database = databases.new()
    add_bundle(database, tiny, NOW)
    sender = Sender.of("device-1", tiny).enrol(database)
    folder = tmp_path / "parcels"
    folder.mkdir()
    for number in range(40):
        hours = [sender.tally(f"2026-1{number % 2}-{1 + number // 2:02d}T{hour:02d}", 3, number) for hour in range(24)]
        (folder / f"{number:02d}").write_bytes(sender.pack(*hours))
    url = database.engine.url.render_as_string(hide_password=False).replace("+psycopg", "")
    command = [sys.executable, "-c", IMPORT, url, str(folder)]
    support = {"PYTHONPATH": str(Path(__file__).parents[1] / "support")}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **support})
    assert process.stdout is not None
    for _ in range(5):
        assert process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    with database.read() as connection:
        home = set(connection.scalars(select(parcels.c.serial)))
        revisions = connection.execute(select(windows.c.revision, func.count()).group_by(windows.c.revision)).all()
    assert home >= {1, 2, 3, 4, 5}
    assert {revision + 1: many for revision, many in revisions} == dict.fromkeys(home, 24)
    verify(database)


def test_a_damaged_release_keeps_no_other_out(database: Database, publisher: Any) -> None:
    for version in ("1.0.0", "1.1.0"):
        publisher.publish(publisher.box(version))
    depot = open_depot(publisher.path)
    place = depot.place(depot.model("tiny").targets["tiny/1.0.0/tiny-1.0.0.hako"])
    place.write_bytes(b"other bytes")
    with pytest.raises(DamageError, match=r"tiny-1\.0\.0\.hako"):
        add_depot(database, depot, NOW)
    with database.read() as connection:
        assert [one.version for one in of_model(connection, "tiny")] == ["1.1.0"]
