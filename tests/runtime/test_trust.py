import base64
import json
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from hypothesis import given, settings
from hypothesis import strategies as st

from hakobu_runtime.errors import TrustError
from hakobu_runtime.trust import Curve, Keyring, Pin, PrivateKey, PublicKey, is_settled, sign, verify

FILES = {"a.txt": b"one", "b/c.bin": b"two", "b-c": b""}
NAMES = st.text("abc/.-", min_size=1, max_size=6)

KEY = PrivateKey.generate()
OTHER = PrivateKey.generate(Curve.P384)
RING = Keyring((Pin(KEY.public), Pin(OTHER.public, ("late-*", "boiler"))))


def pem_of(key: Any) -> bytes:
    pem: bytes = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return pem


def public_pem_of(key: Any) -> bytes:
    pem: bytes = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return pem


@pytest.mark.parametrize("key", [KEY, OTHER], ids=["P-256", "P-384"])
@given(files=st.dictionaries(NAMES, st.binary(max_size=50), max_size=5))
@settings(max_examples=30)
def test_what_a_trusted_key_signed_is_accepted(key: PrivateKey, files: dict[str, bytes]) -> None:
    assert verify(sign(files, key), files, RING).key == key.public


@pytest.mark.parametrize("key", [KEY, OTHER], ids=["P-256", "P-384"])
def test_signing_twice_gives_the_same_bytes_in_any_order_of_files(key: PrivateKey) -> None:
    assert sign(FILES, key) == sign(dict(reversed(FILES.items())), key)


def test_files_are_listed_in_the_order_of_their_path_parts() -> None:
    payload = json.loads(base64.b64decode(json.loads(sign(FILES, KEY))["dsseEnvelope"]["payload"]))
    assert [entry["name"] for entry in payload["predicate"]["resources"]] == ["a.txt", "b/c.bin", "b-c"]


@given(where=st.integers(0), bit=st.integers(0, 7), name=st.sampled_from(["a.txt", "b/c.bin"]))
def test_one_changed_bit_of_a_file_is_found_and_the_file_named(where: int, bit: int, name: str) -> None:
    changed = bytearray(FILES[name])
    changed[where % len(changed)] ^= 1 << bit
    with pytest.raises(TrustError, match=f"changed after signing: {name};"):
        verify(SIGNATURE, {**FILES, name: bytes(changed)}, RING)


SIGNATURE = sign(FILES, KEY)


@given(where=st.integers(0, len(SIGNATURE) - 1), change=st.integers(1, 255))
@settings(max_examples=300)
def test_a_changed_byte_of_the_signature_is_refused_or_only_its_looks(where: int, change: int) -> None:
    content = bytearray(SIGNATURE)
    content[where] ^= change
    try:
        assert verify(bytes(content), FILES, RING).key == KEY.public
    except TrustError:
        return
    assert not is_settled(bytes(content), KEY.public)


@given(st.binary(max_size=200) | st.text(max_size=50).map(lambda text: json.dumps(text).encode()))
def test_any_rubbish_for_a_signature_is_a_trust_error(content: bytes) -> None:
    with pytest.raises(TrustError, match="cannot be read"):
        verify(content, FILES, RING)


def test_an_unknown_key_is_named_with_the_command_that_trusts_it() -> None:
    stranger = PrivateKey.generate()
    with pytest.raises(TrustError, match=f"{stranger.public.identity}.*not trusted.*hakobu-run trust add KEY.pub"):
        verify(sign(FILES, stranger), FILES, RING)


def test_a_stranger_who_borrows_the_identity_of_a_trusted_key_is_refused() -> None:
    stranger = PrivateKey.generate()
    forged = sign(FILES, stranger).replace(stranger.public.identity.encode(), KEY.public.identity.encode())
    with pytest.raises(TrustError, match="does not hold"):
        verify(forged, FILES, RING)


def test_missing_and_extra_files_are_both_named() -> None:
    here = {name: FILES[name] for name in ("a.txt", "b-c")} | {"new": b""}
    with pytest.raises(TrustError, match=r"not here: b/c\.bin; here but not signed: new"):
        verify(SIGNATURE, here, RING)


def test_an_unsigned_file_in_a_git_folder_is_refused_though_the_reference_lets_it_pass() -> None:
    with pytest.raises(TrustError, match=r"not signed: \.github/run"):
        verify(SIGNATURE, {**FILES, ".github/run": b"x"}, RING)


def test_the_signature_of_another_box_is_called_that() -> None:
    other = {name: content + b"!" for name, content in FILES.items()}
    with pytest.raises(TrustError, match="belongs to another box"):
        verify(sign(other, KEY), FILES, RING)


def resigned(change: Callable[[dict[str, Any]], object]) -> bytes:
    """A statement that the trusted key did sign, though it should not have."""
    outer = json.loads(SIGNATURE)
    statement = json.loads(base64.b64decode(outer["dsseEnvelope"]["payload"]))
    change(statement)
    payload = json.dumps(statement).encode()
    kind = b"application/vnd.in-toto+json"
    signature = KEY.sign(b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload))
    outer["dsseEnvelope"]["payload"] = base64.b64encode(payload).decode()
    outer["dsseEnvelope"]["signatures"][0]["sig"] = base64.b64encode(signature).decode()
    return json.dumps(outer).encode()


BAD_STATEMENTS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "type": (lambda s: s.update(_type="other"), "_type"),
    "predicate": (lambda s: s.update(predicateType="https://model_signing/Digests/v0.1"), "predicateType"),
    "no subject": (lambda s: s.update(subject=[]), "subject"),
    "root digest": (lambda s: s["subject"][0]["digest"].update(sha256="0" * 64), "do not add up"),
    "algorithm": (lambda s: s["predicate"]["resources"][0].update(algorithm="blake3"), "algorithm"),
    "digest": (lambda s: s["predicate"]["resources"][0].update(digest="XY"), "not a sha256"),
    "twice": (lambda s: s["predicate"]["resources"].append(s["predicate"]["resources"][0]), "twice"),
    "shards": (lambda s: s["predicate"]["serialization"].update(method="shards"), "method"),
}


@pytest.mark.parametrize(("change", "words"), BAD_STATEMENTS.values(), ids=BAD_STATEMENTS)
def test_a_statement_of_another_kind_is_refused(change: Callable[[dict[str, Any]], object], words: str) -> None:
    with pytest.raises(TrustError, match=words):
        verify(resigned(change), FILES, RING)


def test_what_oms_may_add_to_the_predicate_later_is_ignored() -> None:
    assert verify(resigned(lambda s: s["predicate"].update(extra=1)), FILES, RING).key == KEY.public


def test_two_signatures_in_one_envelope_are_refused() -> None:
    outer = json.loads(SIGNATURE)
    outer["dsseEnvelope"]["signatures"] *= 2
    with pytest.raises(TrustError, match="signatures"):
        verify(json.dumps(outer).encode(), FILES, RING)


@pytest.mark.parametrize(
    ("key", "order"), [(KEY, ec.SECP256R1().group_order), (OTHER, ec.SECP384R1().group_order)], ids=["P-256", "P-384"]
)
def test_the_other_form_of_an_ecdsa_signature_holds_and_is_not_settled(key: PrivateKey, order: int) -> None:
    outer = json.loads(sign(FILES, key))
    r, s = decode_dss_signature(base64.b64decode(outer["dsseEnvelope"]["signatures"][0]["sig"]))
    assert s <= order // 2
    outer["dsseEnvelope"]["signatures"][0]["sig"] = base64.b64encode(encode_dss_signature(r, order - s)).decode()
    content = json.dumps(outer).encode()
    assert verify(content, FILES, RING).key == key.public
    assert not is_settled(content, key.public)
    assert is_settled(sign(FILES, key), key.public)


UNUSABLE = {
    "RSA": rsa.generate_private_key(65537, 2048),
    "Ed25519": ed25519.Ed25519PrivateKey.generate(),
    "P-521": ec.generate_private_key(ec.SECP521R1()),
    "secp256k1": ec.generate_private_key(ec.SECP256K1()),
}


@pytest.mark.parametrize("key", UNUSABLE.values(), ids=UNUSABLE)
def test_other_kinds_of_key_are_refused_with_the_kinds_that_work(key: Any) -> None:
    with pytest.raises(TrustError, match=r"k\.pem: this kind of private key.*P-256 or P-384.*hakobu keys new"):
        PrivateKey.from_pem(pem_of(key), None, "k.pem")
    with pytest.raises(TrustError, match=r"k\.pub: this kind of public key.*P-256 or P-384.*hakobu keys new"):
        PublicKey.from_pem(public_pem_of(key), "k.pub")


@pytest.mark.parametrize("content", [b"", b"hello", b"\x00\xff" * 50, b"-----BEGIN PUBLIC KEY-----\nAAAA\n"])
def test_rubbish_is_no_key(content: bytes) -> None:
    with pytest.raises(TrustError, match="where: there is no public key"):
        PublicKey.from_pem(content, "where")
    with pytest.raises(TrustError, match="where: there is no key"):
        PrivateKey.from_pem(content, None, "where")


def test_a_private_key_given_for_a_public_one_is_refused_and_never_shown() -> None:
    pem = KEY.to_pem(None)
    with pytest.raises(TrustError, match=r"release\.pem: this is a private key") as caught:
        PublicKey.from_pem(pem, "release.pem")
    assert pem.splitlines()[1].decode() not in str(caught.value)


def test_an_encrypted_key_opens_with_its_passphrase_alone() -> None:
    pem = KEY.to_pem(b"correct horse")
    assert b"ENCRYPTED" in pem
    assert PrivateKey.from_pem(pem, b"correct horse", "k").public == KEY.public
    with pytest.raises(TrustError, match="k: the passphrase is wrong") as caught:
        PrivateKey.from_pem(pem, b"battery staple", "k")
    assert "battery" not in str(caught.value)
    with pytest.raises(TrustError, match=r"k: the key is locked.*HAKOBU_KEY_PASSPHRASE"):
        PrivateKey.from_pem(pem, None, "k")


def test_a_passphrase_for_a_key_without_one_is_refused_not_ignored() -> None:
    assert PrivateKey.from_pem(KEY.to_pem(None), None, "k").public == KEY.public
    with pytest.raises(TrustError, match="not locked"):
        PrivateKey.from_pem(KEY.to_pem(None), b"x", "k")


def test_an_empty_passphrase_locks_nothing_and_is_refused() -> None:
    with pytest.raises(TrustError, match="1 to 1023 bytes"):
        KEY.to_pem(b"")


def test_an_unknown_curve_is_refused() -> None:
    with pytest.raises(TrustError, match="'P-521': choose P-256 or P-384"):
        PrivateKey.generate("P-521")


def test_the_private_key_is_not_in_its_repr() -> None:
    assert repr(KEY) == "PrivateKey()"
    with pytest.raises(FrozenInstanceError):
        KEY.public.pem = b""  # type: ignore[misc]


def test_a_public_key_reads_the_same_with_windows_line_ends() -> None:
    pem = KEY.public.pem
    assert PublicKey.from_pem(pem.replace(b"\n", b"\r\n"), "k") == KEY.public
    with pytest.raises(TrustError, match="usual way"):
        PublicKey(pem.replace(b"\n", b"\r\n"))


def test_a_pin_allows_only_the_models_that_it_names() -> None:
    pin = Pin(OTHER.public, ("late-*", "boiler"))
    assert [pin.allows(name) for name in ("late-flights", "late-", "boiler", "boiler2", "late", "x")] == (
        [True, True, True, False, False, False]
    )
    assert Pin(KEY.public).allows("anything")


@pytest.mark.parametrize("models", [(), ("",), ("Late",), ("[a-z]",), ("a/b",), ("?",)])
def test_a_pin_refuses_what_cannot_name_a_model(models: tuple[str, ...]) -> None:
    with pytest.raises(TrustError, match="model"):
        Pin(KEY.public, models)


def test_a_keyring_adds_replaces_finds_and_removes() -> None:
    ring = Keyring().add(Pin(KEY.public)).add(Pin(OTHER.public)).add(Pin(KEY.public, ("a",)))
    assert len(ring.pins) == 2
    assert ring.find(KEY.public.identity) == Pin(KEY.public, ("a",))
    assert ring.remove(KEY.public.identity) == Keyring((Pin(OTHER.public),))
    assert ring.find("0" * 64) is None
    with pytest.raises(TrustError, match="nothing to remove"):
        ring.remove("0" * 64)
    with pytest.raises(TrustError, match="twice"):
        Keyring((Pin(KEY.public), Pin(KEY.public, ("a",))))


def test_a_key_is_removed_by_the_beginning_of_its_identity_when_it_is_the_only_one() -> None:
    assert Keyring((Pin(KEY.public),)).remove(KEY.public.identity[:8]) == Keyring(())
    ring = Keyring(tuple(Pin(PrivateKey.generate().public) for _ in range(17)))
    letters = [pin.key.identity[0] for pin in ring.pins]
    with pytest.raises(TrustError, match="give more of it"):
        ring.remove(max(letters, key=letters.count))
    with pytest.raises(TrustError, match="nothing to remove"):
        ring.remove("")


def test_a_keyring_survives_its_file() -> None:
    assert Keyring.from_json(RING.to_json(), "trust.json") == RING


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"\xff",
        RING.to_json()[:-9],
        RING.to_json().replace(b"hakobu.trust/1", b"hakobu.trust/9"),
        RING.to_json().replace(b"BEGIN PUBLIC", b"BEGIN PUBLYC"),
        RING.to_json().replace(b'"boiler"', b'"Boiler!"'),
    ],
)
def test_a_damaged_trust_file_is_a_trust_error(content: bytes) -> None:
    with pytest.raises(TrustError):
        Keyring.from_json(content, "trust.json")
