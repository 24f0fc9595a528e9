import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from hakobu_runtime.bundle import Bundle, pack_files
from hakobu_runtime.device.barred import held_back
from hakobu_runtime.device.events import Kind, events_of, record
from hakobu_runtime.device.install import clean, install
from hakobu_runtime.device.ledger import changing, device_id
from hakobu_runtime.device.slots import active_slots, bundle_path, former_slots, go_back, open_active
from hakobu_runtime.device.state import State, change_keyring, open_state, read_keyring
from hakobu_runtime.errors import BundleError, StateError, TrustError
from hakobu_runtime.format.codec import encode
from hakobu_runtime.trust import Pin, PrivateKey, sign

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)


@pytest.fixture
def state(tmp_path: Path, release_key: PrivateKey) -> State:
    state = open_state(tmp_path / "state")
    change_keyring(state, lambda keyring: keyring.add(Pin(release_key.public)))
    return state


def box(
    folder: Path, bundle: Bundle, key: PrivateKey, version: str, name: str = "machines", spoil: bool = False
) -> Path:
    """The machines model again, as another release; `spoil` makes its golden rows expect something else."""
    golden = bundle.golden
    if spoil:
        odds = tuple(None if row is None else (row[0] + 0.01, row[1] - 0.01) for row in golden.probabilities)
        golden = msgspec.structs.replace(golden, probabilities=odds)
    files = {
        "manifest.json": encode(msgspec.structs.replace(bundle.manifest, version=version, name=name)),
        "model.onnx": bundle.model,
        "background.json": encode(bundle.background),
        "golden.json": encode(golden),
        "validation.json": encode(bundle.validation),
        "MODEL_CARD.md": bundle.card.encode(),
        "sbom.cdx.json": bundle.sbom,
    }
    path = folder / f"{name}-{version}.hako"
    path.write_bytes(pack_files(files | {"model.sig": sign(files, key)}))
    return path


def test_the_newest_installed_bundle_is_the_active_one(
    state: State, machines: Bundle, release_key: PrivateKey, tmp_path: Path
) -> None:
    install(state, machines.path, NOW)
    install(state, box(tmp_path, machines, release_key, "1.3.0"), NOW)
    assert [(slot.model, slot.version) for slot in active_slots(state)] == [("machines", "1.3.0")]
    assert open_active(state).manifest.version == "1.3.0"
    assert len(list(state.bundles.iterdir())) == 2


def test_a_bundle_whose_golden_rows_differ_here_is_not_installed(
    state: State, machines: Bundle, release_key: PrivateKey, tmp_path: Path
) -> None:
    install(state, machines.path, NOW)
    with pytest.raises(BundleError, match="this machine computes something else"):
        install(state, box(tmp_path, machines, release_key, "1.3.0", spoil=True), NOW)
    assert open_active(state).manifest.version == "1.2.3"


def test_an_untrusted_bundle_is_not_installed(state: State, machines: Bundle, tmp_path: Path) -> None:
    stranger = box(tmp_path, machines, PrivateKey.generate(), "9.9.9")
    with pytest.raises(TrustError, match="trust add"):
        install(state, stranger, NOW)
    assert active_slots(state) == ()
    assert list(state.bundles.iterdir()) == []


def test_a_key_for_one_model_signs_no_other(tmp_path: Path, machines: Bundle, release_key: PrivateKey) -> None:
    state = open_state(tmp_path / "narrow")
    change_keyring(state, lambda keyring: keyring.add(Pin(release_key.public, ("pumps",))))
    with pytest.raises(TrustError, match="machines"):
        install(state, machines.path, NOW)


def test_several_models_live_beside_each_other(
    state: State, machines: Bundle, release_key: PrivateKey, tmp_path: Path
) -> None:
    install(state, machines.path, NOW)
    install(state, box(tmp_path, machines, release_key, "1.0.0", name="pumps"), NOW)
    with pytest.raises(StateError, match=r"machines, pumps.*--model NAME"):
        open_active(state)
    assert open_active(state, "pumps").manifest.name == "pumps"
    with pytest.raises(StateError, match="no model 'fans' is installed"):
        open_active(state, "fans")


def test_an_installed_bundle_that_was_changed_is_not_used(state: State, machines: Bundle) -> None:
    install(state, machines.path, NOW)
    path = bundle_path(state, active_slots(state)[0])
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises((TrustError, BundleError), match=str(path)):
        open_active(state)


def test_a_device_keeps_its_name(state: State) -> None:
    assert device_id(state) == device_id(state)


def test_trust_is_kept_and_taken_back(state: State, release_key: PrivateKey) -> None:
    assert [pin.key for pin in read_keyring(state).pins] == [release_key.public]
    change_keyring(state, lambda keyring: keyring.remove(release_key.public.identity))
    assert read_keyring(state).pins == ()


def test_a_damaged_trust_file_says_what_to_do(state: State) -> None:
    state.trust.write_text("{")
    with pytest.raises(StateError, match="pin the keys again"):
        read_keyring(state)


def test_going_back_takes_the_former_one_and_holds_the_other(
    state: State, machines: Bundle, release_key: PrivateKey, tmp_path: Path
) -> None:
    install(state, machines.path, NOW)
    newer = box(tmp_path, machines, release_key, "1.3.0")
    install(state, newer, NOW)
    left, active = go_back(state, "machines", NOW, "it smells")
    assert (left.version, active.version) == ("1.3.0", "1.2.3")
    assert former_slots(state) == ()
    assert [(held.version, held.reason) for held in held_back(state)] == [("1.3.0", "it smells")]
    with pytest.raises(StateError, match=r"held back since .*: it smells"):
        install(state, newer, NOW)
    with pytest.raises(StateError, match="no former bundle"):
        go_back(state, "machines", NOW, "again")
    with pytest.raises(StateError, match="nothing to go back from"):
        go_back(state, "fans", NOW, "x")


def test_going_back_from_a_bundle_that_was_left_meanwhile_changes_nothing(
    state: State, machines: Bundle, release_key: PrivateKey, tmp_path: Path
) -> None:
    install(state, machines.path, NOW)
    install(state, box(tmp_path, machines, release_key, "1.3.0"), NOW)
    go_back(state, "machines", NOW, "it smells", only=machines.digest)
    assert open_active(state).manifest.version == "1.3.0"
    assert held_back(state) == ()


def test_what_broken_writes_left_is_cleaned_away_and_no_slot_is_harmed(
    state: State, machines: Bundle, release_key: PrivateKey, tmp_path: Path
) -> None:
    for version in ("1.3.0", "1.4.0", "1.5.0"):
        install(state, box(tmp_path, machines, release_key, version), NOW)
    (state.bundles / ".abc.hako.x1.partial").write_bytes(b"half")
    (state.bundles / "notes.txt").write_text("somebody's own")
    clean(state)
    kept = {slot.digest for slot in (*active_slots(state), *former_slots(state))}
    assert {path.name for path in state.bundles.iterdir()} == {*(f"{digest}.hako" for digest in kept), "notes.txt"}
    assert open_active(state).manifest.version == "1.5.0"


def test_events_are_kept_in_order_and_their_number_is_bounded(state: State) -> None:
    for number in range(150):
        with changing(state) as ledger:
            record(ledger, "machines", NOW, Kind.INSTALLED, f"1.0.{number}", f"{number:064d}")
    found = events_of(state, "machines")
    assert [event.version for event in found] == [f"1.0.{number}" for number in range(50, 150)]
    assert [event.number for event in found] == list(range(51, 151))


def test_the_same_trouble_again_is_no_news(state: State) -> None:
    for words in ("no key", "no key", "no room", "no key"):
        with changing(state) as ledger:
            record(ledger, "machines", NOW, Kind.REFUSED, "1.0.0", "0" * 64, words)
    assert [event.words for event in events_of(state, "machines")] == ["no key", "no room", "no key"]


def test_a_ledger_of_the_time_before_channels_is_gone_on_with(state: State, machines: Bundle) -> None:
    install(state, machines.path, NOW)
    with closing(sqlite3.connect(state.slots)) as database:
        for table in ("facts", "held", "revoked", "probation", "events", "hubs"):
            database.execute(f"DROP TABLE {table}")
        database.execute("ALTER TABLE device DROP COLUMN serial")
        database.execute("PRAGMA user_version = 1")
        database.commit()
    assert open_active(state).digest == machines.digest
    assert held_back(state) == ()
