"""The command line of an executable with a model inside, and how a device takes that in; without freezing anything."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, tzinfo
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from hakobu_runtime.bundle import pack_files
from hakobu_runtime.console.window import owns_terminal
from hakobu_runtime.device import inside
from hakobu_runtime.device.floor import settle
from hakobu_runtime.device.follow import change_channel, read_follow
from hakobu_runtime.device.inside import BUNDLE, FOLLOW, KEYS, LABEL, SCHEMA, Inside, Label, read_inside
from hakobu_runtime.device.install import install
from hakobu_runtime.device.ledger import changing
from hakobu_runtime.device.slots import active_slots, open_active
from hakobu_runtime.device.state import State, change_keyring, open_state, read_keyring
from hakobu_runtime.errors import StateError
from hakobu_runtime.format.codec import encode
from hakobu_runtime.format.manifest import Manifest
from hakobu_runtime.frozen import beside, program
from hakobu_runtime.trust import Keyring, Pin, PrivateKey, sign

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)

Pack = Callable[[str], bytes]
Make = Callable[[str], Inside]


@pytest.fixture
def pack(tiny_files: Mapping[str, bytes], tiny_manifest: Manifest, release_key: PrivateKey) -> Pack:
    """Make a release of the tiny model."""

    def made(version: str, needs: str = "0.1.0") -> bytes:
        manifest = encode(msgspec.structs.replace(tiny_manifest, version=version, min_runtime=needs))
        files = {**tiny_files, "manifest.json": manifest}
        return pack_files({**files, "model.sig": sign(files, release_key)})

    return made


@pytest.fixture
def make(tmp_path: Path, pack: Pack, release_key: PrivateKey) -> Make:
    """Lay out what an executable of a release has inside."""

    def made(version: str) -> Inside:
        folder = tmp_path / f"inside-{version}"
        folder.mkdir(exist_ok=True)
        content, keys = pack(version), Keyring((Pin(release_key.public, ("tiny",)),)).to_json()
        digest, pinned = (sha256(part).hexdigest() for part in (content, keys))
        (folder / BUNDLE).write_bytes(content)
        (folder / KEYS).write_bytes(keys)
        (folder / LABEL).write_bytes(encode(Label(SCHEMA, "tiny", version, "Will it?", digest, pinned, len(content))))
        return read_inside(folder)

    return made


@pytest.fixture
def state(tmp_path: Path) -> State:
    return open_state(tmp_path / "state")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "箱 in.csv"
    path.write_text("temp,load\n3,1\n9,1\n")
    return path


def versions(state: State) -> list[str]:
    return [slot.version for slot in active_slots(state)]


def run(box: Inside, *words: object) -> Result:
    return CliRunner().invoke(program(box), [str(word) for word in words])


def test_the_first_start_takes_the_box_in(make: Make, state: State, release_key: PrivateKey) -> None:
    settle(state, make("1.0.0"), NOW)
    assert versions(state) == ["1.0.0"]
    assert [(pin.key, pin.models) for pin in read_keyring(state).pins] == [(release_key.public, ("tiny",))]


def test_a_trust_that_was_taken_back_stays_so(make: Make, state: State, release_key: PrivateKey) -> None:
    settle(state, make("1.0.0"), NOW)
    change_keyring(state, lambda keyring: keyring.remove(release_key.public.identity))
    settle(state, make("1.0.0"), NOW)
    assert read_keyring(state).pins == ()


def test_a_wider_trust_stays_as_wide(make: Make, state: State, release_key: PrivateKey) -> None:
    change_keyring(state, lambda keyring: keyring.add(Pin(release_key.public, ("*",))))
    settle(state, make("1.0.0"), NOW)
    assert read_keyring(state).pins[0].allows("another")


@pytest.mark.parametrize(
    ("installed", "floor", "active"),
    [
        ("2.0.0", "1.9.0", "2.0.0"),
        ("1.10.0", "1.9.0", "1.10.0"),
        ("1.0.0", "1.0.0-rc.1", "1.0.0"),
        ("1.0.0-rc.1", "1.0.0", "1.0.0"),
        ("0.9.0", "1.0.0", "1.0.0"),
    ],
)
def test_the_newer_of_installed_and_inside_wins(
    make: Make, state: State, tmp_path: Path, pack: Pack, keyring: Keyring, installed: str, floor: str, active: str
) -> None:
    change_keyring(state, lambda _: keyring)
    (tmp_path / "new.hako").write_bytes(pack(installed))
    install(state, tmp_path / "new.hako", NOW)
    settle(state, make(floor), NOW)
    assert versions(state) == [active]
    settle(state, make(floor), NOW)
    assert versions(state) == [active]


def test_an_older_bundle_that_was_chosen_later_stays(make: Make, state: State, tmp_path: Path, pack: Pack) -> None:
    settle(state, make("2.0.0"), NOW)
    (tmp_path / "old.hako").write_bytes(pack("1.0.0"))
    install(state, tmp_path / "old.hako", NOW)
    settle(state, make("2.0.0"), NOW)
    assert versions(state) == ["1.0.0"]


def test_a_bundle_inside_that_may_not_be_used_any_more_is_not_put_back(
    make: Make, state: State, tmp_path: Path, pack: Pack
) -> None:
    box = make("2.0.0")
    settle(state, box, NOW)
    (tmp_path / "old.hako").write_bytes(pack("1.0.0"))
    install(state, tmp_path / "old.hako", NOW)
    with changing(state) as ledger:
        ledger.execute("INSERT INTO revoked VALUES ('tiny', ?, '2.0.0', 'leaks')", (box.label.digest,))
    (state.bundles / f"{box.label.digest}.hako").unlink()
    settle(state, box, NOW)
    assert versions(state) == ["1.0.0"]
    with changing(state) as ledger:
        ledger.execute("DELETE FROM slots")
    settle(state, box, NOW)
    assert versions(state) == []
    with pytest.raises(StateError, match=r"tiny 2\.0\.0 was revoked: leaks"):
        open_active(state)


def test_a_newer_bundle_that_was_revoked_leaves_the_program_its_other_commands(
    make: Make, state: State, tmp_path: Path, pack: Pack, publisher: Any, table: Path
) -> None:
    box = make("1.0.0")
    settle(state, box, NOW)
    (tmp_path / "new.hako").write_bytes(pack("2.0.0"))
    newer = install(state, tmp_path / "new.hako", NOW)
    with changing(state) as ledger:
        ledger.execute("DELETE FROM slots WHERE place = 'former'")
        ledger.execute("INSERT INTO revoked VALUES ('tiny', ?, '2.0.0', 'leaks')", (newer.digest,))
    (tmp_path / "tiny.follow").write_bytes(encode(publisher.follow()))
    assert run(box, "--state", state.root, tmp_path / "tiny.follow").exit_code == 0
    publisher.now = datetime.now(UTC)
    publisher.publish(publisher.box("3.0.0"))
    assert "barred   tiny 2.0.0 was revoked: leaks" in run(box, "--state", state.root, "status").output
    assert run(box, "--state", state.root, "score", table, "-o", tmp_path / "out.csv").exit_code == 8
    found = run(box, "--state", state.root, "sync")
    assert found.output == "tiny 3.0.0 is installed\n"
    assert run(box, "--state", state.root, "score", table, "-o", tmp_path / "out.csv").exit_code == 0


def test_a_program_follows_what_it_was_given_unless_the_device_was_given_something_later(
    make: Make, state: State, publisher: Any
) -> None:
    def given(version: str, since: str, channel: str) -> Inside:
        box = make(version)
        content = encode(publisher.follow(since=since, channel=channel))
        label = msgspec.structs.replace(box.label, follow=sha256(content).hexdigest())
        (box.folder / FOLLOW).write_bytes(content)
        (box.folder / LABEL).write_bytes(encode(label))
        return read_inside(box.folder)

    settle(state, given("1.0.0", "2026-01-01T00:00:00+00:00", "stable"), NOW)
    assert read_follow(state, "tiny").channel == "stable"
    change_channel(state, "beta", "tiny")
    settle(state, given("1.0.0", "2026-01-01T00:00:00+00:00", "stable"), NOW)
    assert read_follow(state, "tiny").channel == "beta", "it was taken once"
    settle(state, given("1.1.0", "2026-01-01T00:00:00+00:00", "stable"), NOW)
    assert read_follow(state, "tiny").channel == "beta", "it is not newer"
    settle(state, given("1.2.0", "2026-02-01T00:00:00+00:00", "slow"), NOW)
    assert read_follow(state, "tiny").channel == "slow"


@pytest.mark.parametrize("harm", ["slots", "bundle"])
def test_what_is_gone_is_put_back(make: Make, state: State, harm: str) -> None:
    settle(state, make("1.0.0"), NOW)
    if harm == "slots":
        for path in state.root.glob("slots.sqlite*"):
            path.unlink()
    else:
        shutil.rmtree(state.bundles)
        open_state(state.root)
    settle(state, make("1.0.0"), NOW)
    assert versions(state) == ["1.0.0"]
    assert len(list(state.bundles.iterdir())) == 1


def test_many_started_at_once_take_it_in_once(make: Make, state: State) -> None:
    box = make("1.0.0")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: settle(state, box, NOW), range(8)))
    assert versions(state) == ["1.0.0"]
    assert sorted(path.name for path in state.root.glob("*inside*")) == ["inside.json"]


def test_a_bundle_for_a_newer_runtime_is_refused_and_the_old_one_stays(
    make: Make, state: State, tmp_path: Path, pack: Callable[[str, str], bytes]
) -> None:
    path = tmp_path / "next.hako"
    path.write_bytes(pack("3.0.0", "99.0.0"))
    ended = run(make("1.0.0"), "--state", state.root, "install", path)
    assert ended.exit_code == 4
    assert "needs hakobu-runtime 99.0.0" in ended.stderr
    assert versions(state) == ["1.0.0"]


def test_an_old_program_on_a_state_of_a_newer_one_says_so_and_uses_its_own_bundle(
    make: Make,
    state: State,
    tmp_path: Path,
    pack: Callable[[str, str], bytes],
    keyring: Keyring,
    table: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    change_keyring(state, lambda _: keyring)
    (tmp_path / "next.hako").write_bytes(pack("3.0.0", "99.0.0"))
    with monkeypatch.context() as newer:
        newer.setattr("hakobu_runtime.bundle.__version__", "99.0.0")
        install(state, tmp_path / "next.hako", NOW)
    box = make("1.0.0")
    for words in ([table], ["score", table, "-o", tmp_path / "out.csv"], ["about"]):
        ended = run(box, "--state", state.root, *words)
        assert ended.exit_code == 0, ended.stderr
        assert "needs hakobu-runtime 99.0.0 or newer" in ended.stderr
        assert "tiny 1.0.0" in ended.stderr
    assert ended.stdout.startswith("tiny 1.0.0\n")
    assert versions(state) == ["3.0.0"]


def test_a_file_alone_is_scored_beside_itself(make: Make, state: State, table: Path) -> None:
    box = make("1.0.0")
    assert run(box, "--state", state.root, table).exit_code == 0
    first = table.with_name("箱 in-scored.csv")
    assert first.read_text().splitlines()[1].startswith("1,1,")
    assert run(box, "--state", state.root, table).exit_code == 0
    assert table.with_name("箱 in-scored-2.csv").read_bytes() == first.read_bytes()


@pytest.mark.parametrize(
    ("name", "scored"),
    [("a.csv", "a-scored.csv"), ("a.csv.gz", "a-scored.csv"), ("a.b.jsonl", "a.b-scored.jsonl"),
     ("a.parquet", "a-scored.parquet"), ("a", "a-scored.csv"), ("a.txt", "a-scored.csv")],
)  # fmt: skip
def test_the_scores_are_named_after_the_file(tmp_path: Path, name: str, scored: str) -> None:
    assert beside(tmp_path / name) == tmp_path / scored


def test_several_files_are_each_handled_and_what_failed_is_told(make: Make, state: State, table: Path) -> None:
    ended = run(make("1.0.0"), "--state", state.root, table.with_name("none.csv"), table)
    assert ended.exit_code == 6
    assert "none.csv: there is no such file" in ended.stderr
    assert "1 of 2 files failed" in ended.stderr
    assert table.with_name("箱 in-scored.csv").exists()


def test_a_dropped_bundle_is_installed(make: Make, state: State, tmp_path: Path, pack: Pack) -> None:
    path = tmp_path / "new.hako"
    path.write_bytes(pack("1.1.0"))
    ended = run(make("1.0.0"), "--state", state.root, path)
    assert "installed: tiny 1.1.0, in place of 1.0.0" in ended.stdout
    assert versions(state) == ["1.1.0"]


def test_a_file_where_nothing_can_be_written_is_told_the_other_way(
    make: Make, state: State, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    allowed = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path != table.parent and allowed(path, mode))
    box = make("1.0.0")
    ended = run(box, "--state", state.root, table)
    assert ended.exit_code == 6
    assert ended.stderr.splitlines() == [
        f"tiny: error: {table.parent}: nothing can be written there, beside 箱 in.csv; say where the scores shall go: "
        f'tiny score "{table}" -o SCORES.csv'
    ]
    assert not table.with_name("箱 in-scored.csv").exists()


@pytest.mark.parametrize("year", [1970, 2100])
def test_a_clock_that_cannot_be_right_is_told_and_the_file_is_scored(
    make: Make, state: State, table: Path, monkeypatch: pytest.MonkeyPatch, year: int
) -> None:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "Clock":
            return cls(year, 1, 1, tzinfo=tz)

    monkeypatch.setattr("hakobu_runtime.frozen.datetime", Clock)
    ended = run(make("1.0.0"), "--state", state.root, table)
    assert ended.exit_code == 0
    assert f"it is {year}-01-01 00:00 UTC" in ended.stderr
    assert "set the clock of this PC" in ended.stderr
    assert table.with_name("箱 in-scored.csv").exists()
    assert "it is" not in run(make("1.0.0"), "--state", state.root, "doctor").stderr


@pytest.mark.parametrize(("place", "unpacked"), [("_MEI000012", True), ("late-flights/_internal", False)])
def test_only_one_file_unpacks_itself(monkeypatch: pytest.MonkeyPatch, place: str, unpacked: bool) -> None:
    assert inside.unpacked() is None
    monkeypatch.setattr(sys, "_MEIPASS", place, raising=False)
    assert inside.unpacked() == (Path(place) if unpacked else None)


def test_a_word_that_is_no_command_and_no_file_is_refused(make: Make, state: State) -> None:
    ended = run(make("1.0.0"), "--state", state.root, "scoer")
    assert ended.exit_code == 2


def test_started_with_nothing_it_says_what_it_is(make: Make, state: State) -> None:
    ended = run(make("1.0.0"), "--state", state.root)
    assert ended.exit_code == 0
    assert ended.stdout.startswith("tiny 1.0.0\nWill it?\n")
    assert "tiny FILE" in ended.stdout
    assert not state.slots.exists()


def test_commands_and_advice_have_the_name_of_the_model(make: Make, state: State, table: Path) -> None:
    box = make("1.0.0")
    assert run(box, "--version").stdout.startswith("tiny 1.0.0, hakobu ")
    ended = run(box, "--state", state.root, "score", table, "-o", table.with_name("out.csv"), "--model", "other")
    assert "tiny install FILE.hako" in ended.stderr
    assert ended.stderr.startswith("tiny: error: ")
    assert "hakobu-run" not in run(box, "--state", state.root, "doctor").stdout


def test_another_model_installed_beside_it_changes_nothing(
    make: Make, state: State, table: Path, machines_box: Path, keyring: Keyring
) -> None:
    change_keyring(state, lambda _: keyring)
    install(state, machines_box, NOW)
    assert run(make("1.0.0"), "--state", state.root, table).exit_code == 0


@pytest.mark.parametrize("mark", ["", "portable", "portable.txt"])
def test_a_portable_one_keeps_its_state_beside_itself(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mark: str
) -> None:
    stick = tmp_path / "s tick"
    stick.mkdir()
    monkeypatch.setattr(sys, "executable", str(stick / "tiny"))
    if mark:
        (stick / mark).write_text("")
    ended = run(make("1.0.0"), *([] if mark else ["--portable"]), "status", "--json")
    assert json.loads(ended.stdout)["folder"] == str(stick / "tiny-state")


def test_two_places_for_the_state_are_one_too_many(make: Make, state: State) -> None:
    assert run(make("1.0.0"), "--portable", "--state", state.root, "status").exit_code == 2


def test_doctor_goes_on_where_no_state_can_be_had(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    box = make("1.0.0")
    monkeypatch.setattr("hakobu_runtime.device.condition.box_inside", lambda: box)
    ended = run(box, "--state", tmp_path / "file" / "state", "doctor")
    assert ended.exit_code == 8
    assert "the signature holds, the golden rows agree" in ended.stdout
    assert run(box, "--state", tmp_path / "file" / "state", "status").exit_code == 8


def test_a_damaged_label_is_told(make: Make) -> None:
    box = make("1.0.0")
    (box.folder / LABEL).write_text("{")
    with pytest.raises(StateError, match="this program is damaged"):
        read_inside(box.folder)


def test_no_executable_has_no_box_inside() -> None:
    assert inside.box_inside() is None


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has consoles instead")
@pytest.mark.parametrize(("shell", "owned"), [((), "True"), (("sh", "-c", '"$@"; true', "sh"), "False")])
def test_a_terminal_is_owned_unless_a_shell_has_it(shell: tuple[str, ...], owned: str) -> None:
    import pty  # which Windows lacks

    ours, theirs = pty.openpty()
    script = (
        "import sys; from hakobu_runtime.console.window import owns_terminal; sys.stderr.write(str(owns_terminal()))"
    )
    command = [*shell, sys.executable, "-c", script]
    try:
        ended = subprocess.run(command, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, start_new_session=True)
    finally:
        os.close(ours)
        os.close(theirs)
    assert ended.stderr.decode() == owned


def test_nobody_is_waited_for_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert not owns_terminal()
