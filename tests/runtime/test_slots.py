from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from hakobu_runtime.bundle import Bundle, pack_files
from hakobu_runtime.device.slots import active_slots, bundle_path, device_id, install, open_active
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
