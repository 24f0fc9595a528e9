"""Both directions against the command line of OpenSSF's own `model-signing`, which the test dependencies install."""

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from hakobu_runtime.errors import TrustError
from hakobu_runtime.trust import Keyring, Pin, PrivateKey, verify

PEER = Path(sys.executable).parent / "model_signing"


def peer(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([PEER, *arguments], capture_output=True, text=True, check=False, timeout=60)


def peer_verifies(folder: Path, key: PrivateKey) -> subprocess.CompletedProcess[str]:
    public = folder.parent / "k.pub"
    public.write_bytes(key.public.pem)
    return peer("verify", "key", folder, "--public_key", public, "--signature", folder / "model.sig")


def files_of(folder: Path) -> dict[str, bytes]:
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if name != "model.sig"}


def test_the_peer_accepts_our_bundle_unzipped_and_refuses_a_changed_byte(
    tiny_box: Path, release_key: PrivateKey
) -> None:
    folder = tiny_box.parent / "unzipped"
    with zipfile.ZipFile(io.BytesIO(tiny_box.read_bytes())) as box:
        box.extractall(folder)
    accepted = peer_verifies(folder, release_key)
    assert accepted.returncode == 0, accepted.stderr

    ring = Keyring((Pin(release_key.public),))
    signature = (folder / "model.sig").read_bytes()
    for name, content in files_of(folder).items():
        (folder / name).write_bytes(bytes([content[0] ^ 1]) + content[1:])
        assert peer_verifies(folder, release_key).returncode != 0, name
        with pytest.raises(TrustError, match=f"changed after signing: {name}"):
            verify(signature, files_of(folder), ring)
        (folder / name).write_bytes(content)


@pytest.mark.parametrize("curve", ["P-256", "P-384"])
def test_we_accept_what_the_peer_signs_and_both_refuse_a_changed_byte(tmp_path: Path, curve: str) -> None:
    key = PrivateKey.generate(curve)
    private, folder = tmp_path / "k.pem", tmp_path / "model"
    private.write_bytes(key.to_pem(None))
    (folder / "b").mkdir(parents=True)
    (folder / "b" / "c.txt").write_bytes(b"two")
    (folder / "b-c.txt").write_bytes(b"one")
    signed = peer("sign", "key", folder, "--private_key", private, "--signature", folder / "model.sig")
    assert signed.returncode == 0, signed.stderr

    ring = Keyring((Pin(key.public),))
    signature = (folder / "model.sig").read_bytes()
    assert verify(signature, files_of(folder), ring).key == key.public

    (folder / "b" / "c.txt").write_bytes(b"twp")
    assert peer_verifies(folder, key).returncode != 0
    with pytest.raises(TrustError, match=r"changed after signing: b/c\.txt"):
        verify(signature, files_of(folder), ring)
