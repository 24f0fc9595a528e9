"""What a parcel and a receipt may hold, and how they are sealed: a bad one is a reason, never a value."""

import zlib
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hakobu_runtime.errors import FormatError, TrustError
from hakobu_runtime.format import parcel as parcel_format
from hakobu_runtime.format import receipt as receipt_format
from hakobu_runtime.format.codec import decode
from hakobu_runtime.format.dsse import Envelope, to_sign, write_envelope
from hakobu_runtime.format.outcome import SLOTS, Outcome, OutcomeCounts
from hakobu_runtime.format.parcel import Box, Happened, HeldBack, ModelState, Parcel, plain_words
from hakobu_runtime.format.receipt import CameHome, Receipt
from hakobu_runtime.format.tally import SCHEMA, ModelName, Tally
from hakobu_runtime.format.window import Span, Window
from hakobu_runtime.trust import PrivateKey
from hakobu_runtime.uplink.parcel import pack_parcel, read_parcel
from hakobu_runtime.uplink.receipt import read_receipt, write_receipt

KEY = PrivateKey.generate()
DEVICE = "31a1f0c2-7a7e-4ff0-9b53-0c7f5a1f2d11"
DIGEST = sha256(b"bundle").hexdigest()
MADE = "2026-11-21 09:00:00+00:00"
Change = Callable[[dict[str, Any]], None]


def tally(features: int = 20, window: str = "2026-11-21T09") -> Tally:
    rng = np.random.default_rng(features)
    counts = {f"feature_{n}": tuple(rng.multinomial(1000, np.ones(15) / 15).tolist()) for n in range(features)}
    verdicts = {"ok": 900, "warned": 60, "clipped": 30, "rejected": 10}
    breaches = {"feature_1": {"above": 60}}
    model = ModelName("late-flights", "1.1.0", DIGEST)
    where = Window(window, Span.HOUR)
    return Tally(SCHEMA, DEVICE, model, where, 7, 1000, verdicts, counts, {"labels": (700, 290)}, breaches, (), "e1")


def parcel(*tallies: Tally, **changed: Any) -> Parcel:
    box = Box("1.1.0", DIGEST, MADE)
    events = (Happened(1, MADE, "rolled back", "1.2.0", DIGEST, "it rejected 100 of 150 rows"),)
    held = (HeldBack("1.2.0", DIGEST, "it rejected 100 of 150 rows", MADE),)
    state = ModelState("late-flights", "stable", box, None, held, events, contact=MADE, offered="1.2.0 failed here")
    key = KEY.public.pem.decode()
    platform = "Linux x86_64, Python 3.11.2"
    found = Parcel("hakobu.parcel/1", DEVICE, key, 3, MADE, "0.1.0", platform, (state,), tallies)
    return msgspec.structs.replace(found, **changed)


def outcome(day: str = "2026-11-21") -> Outcome:
    """One of a classification: ten rows, eight of them right."""
    slots = [0] * SLOTS
    slots[20], slots[80] = 3, 2
    counts = OutcomeCounts(10, ((0, 0, 4), (0, 1, 1), (1, 0, 1), (1, 1, 4)), tuple(slots), tuple(slots), 5, 9, 40)
    model = ModelName("late-flights", "1.1.0", DIGEST)
    return Outcome("hakobu.outcome/1", DEVICE, model, Window(day, Span.DAY), 3, "e2", -20, counts)


def changed(change: Change, key: PrivateKey = KEY) -> bytes:
    """A parcel whose JSON was changed before it was signed, as a device might that is not honest."""
    plain = msgspec.json.decode(msgspec.json.encode(parcel(tally(), outcomes=(outcome(),))))
    change(plain)
    return sealed(msgspec.json.encode(plain), key)


def sealed(content: bytes, key: PrivateKey = KEY, kind: str = parcel_format.KIND) -> bytes:
    payload = zlib.compress(content)
    return write_envelope(Envelope(key.public.identity, payload, key.sign(to_sign(kind, payload))), kind)


def test_a_parcel_comes_out_as_it_went_in() -> None:
    sent = parcel(tally(), outcomes=(outcome(), outcome("2026-11-22")))
    found = read_parcel(pack_parcel(sent, KEY), "1.parcel")
    assert found.parcel == sent
    assert found.key == KEY.public


def test_the_counts_of_twenty_features_take_about_half_a_kilobyte() -> None:
    def size(*tallies: Tally) -> int:
        return len(zlib.compress(msgspec.json.encode(parcel(*tallies)), 9))

    assert size(tally()) - size() < 1200, "random counts; two digits each"
    hours = [tally(window=f"2026-11-21T{hour:02d}") for hour in range(24)]
    assert size(*hours) / 24 < 1000
    assert len(pack_parcel(parcel(tally()), KEY)) < 2600


@pytest.mark.parametrize(
    "change",
    [
        lambda plain: plain.update(device="../../etc"),
        lambda plain: plain.update(device="nul"),
        lambda plain: plain.update(device="<script>alert(1)</script>"),
        lambda plain: plain.update(serial=0),
        lambda plain: plain.update(serial=2**60),
        lambda plain: plain.update(made="yesterday"),
        lambda plain: plain.update(made="2026-11-21T09:00:00"),
        lambda plain: plain.update(made="9999-12-31T23:59:59-12:00"),
        lambda plain: plain["models"][0]["active"].update(installed="0001-01-01T00:00:00+12:00"),
        lambda plain: plain.update(platform="\x1b[2J"),
        lambda plain: plain.update(runtime="1" * 301),
        lambda plain: plain.update(unknown=1),
        lambda plain: plain["models"][0].update(name="'; DROP TABLE tallies; --"),
        lambda plain: plain["models"][0].update(channel="Stable!"),
        lambda plain: plain["models"][0].update(trouble="two\nlines"),
        lambda plain: plain["models"].append(plain["models"][0]),
        lambda plain: plain["models"][0]["active"].update(version="<b>1</b>"),
        lambda plain: plain["models"][0]["active"].update(digest="0"),
        lambda plain: plain["models"][0]["events"][0].update(number=-1),
        lambda plain: plain["tallies"].append(plain["tallies"][0]),
        lambda plain: plain["tallies"][0].update(device="another-device"),
        lambda plain: plain["tallies"][0].update(rows=-5),
        lambda plain: plain["tallies"][0].update(rows=2**50, verdicts={"ok": 2**50}),
        lambda plain: plain["tallies"][0].update(revision=-1),
        lambda plain: plain["tallies"][0]["features"].update(feature_1=[-1, 1001]),
        lambda plain: plain["tallies"][0]["features"].update(feature_1=[1001]),
        lambda plain: plain["tallies"][0]["features"].update(feature_1=[2**63]),
        lambda plain: plain["tallies"][0]["features"].update(feature_1=[2**70]),
        lambda plain: plain["tallies"][0]["features"].update(feature_1=[0.5]),
        lambda plain: plain["tallies"][0]["features"].update({"x" * 501: [1]}),
        lambda plain: plain["tallies"][0]["breaches"].update(feature_1={"above": 1001}),
        lambda plain: plain["tallies"][0]["verdicts"].update(ok=901),
        lambda plain: plain["tallies"][0].update(latency=[1]),
        lambda plain: plain["tallies"][0]["window"].update(span="week", start="2026-W47"),
        lambda plain: plain["tallies"][0]["window"].update(start="2026-13-01T00"),
        lambda plain: plain["tallies"][0]["model"].update(name="no such name"),
        lambda plain: plain["tallies"][0]["model"].update(version="1"),
        lambda plain: plain["outcomes"].append(plain["outcomes"][0]),
        lambda plain: plain["outcomes"][0].update(device="another-device"),
        lambda plain: plain["outcomes"][0].update(revision=-1),
        lambda plain: plain["outcomes"][0].update(epoch="e" * 501),
        lambda plain: plain["outcomes"][0].update(unit=-10),
        lambda plain: plain["outcomes"][0].update(unit=5000),
        lambda plain: plain["outcomes"][0]["model"].update(name="<b>"),
        lambda plain: plain["outcomes"][0]["model"].update(version="1"),
        lambda plain: plain["outcomes"][0].update(window={"span": "hour", "start": "2026-11-21T09"}),
        lambda plain: plain["outcomes"][0].update(window={"span": "month", "start": "2026-11"}),
        lambda plain: plain["outcomes"][0]["counts"].update(rows=11),
        lambda plain: plain["outcomes"][0]["counts"].update(rows=-10),
        lambda plain: plain["outcomes"][0]["counts"].update(confusion=[[0, 0, 2**41]], rows=2**41, so=[], not_so=[]),
        lambda plain: plain["outcomes"][0]["counts"].update(confusion=[[-1, 0, 10]]),
        lambda plain: plain["outcomes"][0]["counts"].update(confusion=[[0, 2**40, 10]]),
        lambda plain: plain["outcomes"][0]["counts"].update(confusion=[[0, 0, 10], [0, 1, 0]]),
        lambda plain: plain["outcomes"][0]["counts"].update(confusion=[]),
        lambda plain: plain["outcomes"][0]["counts"].update(so=[10]),
        lambda plain: plain["outcomes"][0]["counts"].update(squares=8),
        lambda plain: plain["outcomes"][0]["counts"].update(squares=2**60),
        lambda plain: plain["outcomes"][0]["counts"].update(absolute=2**24, squares=2**48),
        lambda plain: plain["outcomes"][0]["counts"].update(error=10),
    ],
)
def test_what_no_device_sends_is_refused_though_it_is_signed(change: Change) -> None:
    with pytest.raises(FormatError, match=r"^1\.parcel: "):
        read_parcel(changed(change), "1.parcel")


def test_what_a_device_sends_of_numbers_and_of_nothing_left_is_read() -> None:
    number = OutcomeCounts(100, (), (), (), -99 << 30, 99 << 30, 99 << 60)  # beyond 64 bits
    for counts in (number, OutcomeCounts()):
        sent = parcel(outcomes=(msgspec.structs.replace(outcome(), unit=-3, counts=counts),))
        assert read_parcel(pack_parcel(sent, KEY), "1.parcel").parcel == sent


def test_a_name_of_a_column_may_be_anything() -> None:
    found = read_parcel(changed(lambda plain: plain["tallies"][0]["features"].update({"<b>\n": [1]})), "1.parcel")
    assert found.parcel.tallies[0].features["<b>\n"] == (1,)


def test_every_changed_byte_is_noticed() -> None:
    content = pack_parcel(parcel(tally(3)), KEY)
    for place in range(0, len(content), 7):
        other = bytearray(content)
        other[place] ^= 1
        with pytest.raises((FormatError, TrustError), match=r"^1\.parcel: "):
            read_parcel(bytes(other), "1.parcel")


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(content: bytes) -> None:
    with pytest.raises(FormatError):
        read_parcel(content, "1.parcel")


def test_one_that_another_key_signed_is_refused() -> None:
    other = PrivateKey.generate()
    with pytest.raises(FormatError, match="its key is not written in the usual way, or named wrongly"):
        read_parcel(changed(lambda plain: None, other), "1.parcel")
    payload = zlib.compress(msgspec.json.encode(parcel()))
    signature = other.sign(to_sign(parcel_format.KIND, payload))
    envelope = write_envelope(Envelope(KEY.public.identity, payload, signature), parcel_format.KIND)
    with pytest.raises(TrustError, match="signature does not hold"):
        read_parcel(envelope, "1.parcel")
    with pytest.raises(TrustError, match="another key"):
        pack_parcel(parcel(), other)


@pytest.mark.parametrize("pem", ["", "-----BEGIN PUBLIC KEY-----\n", KEY.to_pem(None).decode(), "é" * 1000])
def test_a_key_that_is_none_is_refused(pem: str) -> None:
    with pytest.raises(TrustError, match=r"^1\.parcel: "):
        read_parcel(changed(lambda plain: plain.update(key=pem)), "1.parcel")


def test_a_bomb_is_not_unfolded() -> None:
    bomb = sealed(b" " * (64 << 20))
    assert len(bomb) < 1 << 17
    with pytest.raises(FormatError, match="unfolds to more than 16,777,216 bytes"):
        read_parcel(bomb, "1.parcel")


def test_a_deep_one_and_a_large_one_are_refused() -> None:
    with pytest.raises(FormatError, match=r"^1\.parcel: "):
        read_parcel(sealed(b"[" * 100_000), "1.parcel")
    with pytest.raises(FormatError, match="more than 8,388,608 bytes"):
        read_parcel(bytes((8 << 20) + 1), "1.parcel")


def test_what_follows_the_payload_is_refused() -> None:
    payload = zlib.compress(msgspec.json.encode(parcel())) + b"more"
    envelope = Envelope(KEY.public.identity, payload, KEY.sign(to_sign(parcel_format.KIND, payload)))
    with pytest.raises(FormatError, match="something follows it"):
        read_parcel(write_envelope(envelope, parcel_format.KIND), "1.parcel")
    payload = zlib.compress(msgspec.json.encode(parcel()))[:-5]
    envelope = Envelope(KEY.public.identity, payload, KEY.sign(to_sign(parcel_format.KIND, payload)))
    with pytest.raises(FormatError, match="cut short"):
        read_parcel(write_envelope(envelope, parcel_format.KIND), "1.parcel")


def test_a_receipt_is_no_parcel_and_a_parcel_no_receipt() -> None:
    keys = (KEY.public.pem.decode(),)
    with pytest.raises(FormatError, match=r"where application/vnd\.hakobu\.parcel"):
        read_parcel(write_receipt(receipt(), KEY), "1.parcel")
    with pytest.raises(FormatError, match=r"where application/vnd\.hakobu\.receipt"):
        read_receipt(pack_parcel(parcel(), KEY), DEVICE, keys, "it.receipt")


def receipt(device: str = DEVICE, many: int = 2) -> Receipt:
    return Receipt("hakobu.receipt/1", device, MADE, tuple(CameHome(n, DIGEST) for n in range(1, many + 1)))


def test_a_receipt_is_believed_from_any_key_of_the_channel_and_from_no_other() -> None:
    content = write_receipt(receipt(), KEY)
    other = PrivateKey.generate().public.pem.decode()
    assert read_receipt(content, DEVICE, (other, KEY.public.pem.decode()), "it.receipt") == receipt()
    for keys in ((), (other,), ("no key at all",)):
        with pytest.raises(TrustError, match="which no channel that this device follows names"):
            read_receipt(content, DEVICE, keys, "it.receipt")


def test_a_receipt_for_another_device_is_refused() -> None:
    content = write_receipt(receipt("another-device"), KEY)
    with pytest.raises(TrustError, match="is for the device another-device"):
        read_receipt(content, DEVICE, (KEY.public.pem.decode(),), "it.receipt")


def test_a_receipt_speaks_of_a_bounded_number_of_parcels() -> None:
    assert len(write_receipt(receipt(many=receipt_format.MOST_PARCELS), KEY)) < receipt_format.LARGEST
    with pytest.raises(FormatError, match="64 parcels at most"):
        receipt(many=receipt_format.MOST_PARCELS + 1)
    with pytest.raises(FormatError, match="serial 0"):
        decode(b'{"serial": 0, "digest": "%s"}' % DIGEST.encode(), CameHome, "it")


@given(st.text())
def test_any_words_can_be_made_ones_that_a_parcel_holds(text: str) -> None:
    words = plain_words(text)
    assert words.isprintable()
    assert len(words) <= parcel_format.LONGEST_WORDS
    assert msgspec.structs.replace(parcel(), platform=words).platform == words
