from pathlib import Path

import pytest

from hakobu.keys import is_encrypted, new_key_pair, read_private_key
from hakobu_runtime.errors import ProjectError, TrustError


def test_the_private_key_is_encrypted_and_for_its_owner_alone(tmp_path: Path) -> None:
    private = tmp_path / "keys" / "release.pem"
    public = new_key_pair(private, "P-256", b"open sesame")
    assert is_encrypted(private)
    assert private.stat().st_mode & 0o777 == 0o600
    assert read_private_key(private, b"open sesame").public == public


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    private = tmp_path / "release.pem"
    new_key_pair(private, "P-384", None)
    before = private.read_bytes()
    with pytest.raises(ProjectError, match="a key is there already"):
        new_key_pair(private, "P-384", None)
    assert private.read_bytes() == before


def test_a_wrong_passphrase_shows_neither_itself_nor_the_key(tmp_path: Path) -> None:
    private = tmp_path / "release.pem"
    new_key_pair(private, "P-256", b"open sesame")
    with pytest.raises(TrustError) as caught:
        read_private_key(private, b"hunter2")
    assert "hunter2" not in str(caught.value)
    assert str(private) in str(caught.value)


def test_a_missing_key_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(TrustError, match="hakobu keys new"):
        read_private_key(tmp_path / "none.pem", None)
