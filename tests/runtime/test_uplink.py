"""Counts over a network: they come home once, whatever the network, the hub, or whoever stands between does."""

import dataclasses
import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import numpy as np
import pytest
import urllib3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from faulty_server import (
    Answer,
    Fault,
    Proxy,
    Server,
    closing,
    cut_after,
    dripping,
    endless,
    serving,
    silent,
    status,
)
from hakobu_runtime.channel.fetch import BrokenError
from hakobu_runtime.channel.post import Poster
from hakobu_runtime.device import hubs
from hakobu_runtime.device.arrival import Listener
from hakobu_runtime.device.asking import BusyError, RefusedError
from hakobu_runtime.device.counting import open_journal
from hakobu_runtime.device.enrol import enrol
from hakobu_runtime.device.follow import take_follow
from hakobu_runtime.device.identity import device_key
from hakobu_runtime.device.ledger import device_id
from hakobu_runtime.device.outgoing import pack_portion, waiting
from hakobu_runtime.device.reach import reach
from hakobu_runtime.device.rounds import keep_syncing
from hakobu_runtime.device.state import State, open_state
from hakobu_runtime.device.status import device_status
from hakobu_runtime.device.sync import Asked
from hakobu_runtime.device.uplink import Sent, send
from hakobu_runtime.device.visit import visit
from hakobu_runtime.errors import StateError, TransferError, UsageError
from hakobu_runtime.format.counts import WindowCounts
from hakobu_runtime.format.follow import Follow
from hakobu_runtime.format.parcel import Parcel
from hakobu_runtime.format.tally import ModelName
from hakobu_runtime.format.window import Span, Window
from hakobu_runtime.trust import PrivateKey
from hub_double import HubDouble

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
MODEL = ModelName("tiny", "1.0.0", sha256(b"tiny").hexdigest())
NEWER = ModelName("tiny", "1.1.0", sha256(b"newer").hexdigest())
HOURS = [Window.of(NOW - timedelta(hours=n), Span.HOUR) for n in range(5)]
KEY = PrivateKey.generate()


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody wait, and no proxy of this machine stand between."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr("hakobu_runtime.channel.fetch.sleep", lambda seconds: None)
    monkeypatch.setattr("hakobu_runtime.channel.post.sleep", lambda seconds: None)
    monkeypatch.setattr("hakobu_runtime.device.uplink.sleep", lambda seconds: None)


@pytest.fixture
def hub() -> Iterator[HubDouble]:
    with serving(HubDouble(KEY)) as served:
        assert isinstance(served, HubDouble)
        yield served


def follow(address: str, model: str = "tiny", **changed: Any) -> Follow:
    since, keys = "2026-01-01T00:00:00+00:00", (KEY.public.pem.decode(),)
    found = Follow("hakobu.follow/1", model, "stable", "{}", since, hub=address, receipt_keys=keys)
    return msgspec.structs.replace(found, **changed)


@pytest.fixture
def state(in_memory: Path, hub: HubDouble) -> State:
    """A device that follows a hub and no depot, and is enrolled."""
    state = open_state(in_memory / "state")
    take_follow(state, follow(hub.address))
    hub.let_in(device_id(state), device_key(state).public.pem.decode())
    return state


def score(state: State, *windows: Window, model: ModelName = MODEL) -> None:
    """Count a row in each of these windows."""
    counts = {window: WindowCounts(1, {"ok": 1}, {"temp": np.array([1, 0], dtype=np.int64)}) for window in windows}
    with open_journal(state, lambda words: None) as journal:
        journal.add(model, counts)


def sent(state: State, hub: Server, warned: list[str] | None = None, now: datetime = NOW) -> Sent:
    return send(state, hub.address, now, (warned if warned is not None else []).append)


def waits(state: State) -> int:
    return len(waiting(state))


# --- what leaves, and comes home ---


def test_counts_go_to_the_hub_and_are_settled_by_its_receipt(state: State, hub: HubDouble) -> None:
    score(state, *HOURS[:3])
    found = sent(state, hub)
    assert (found.windows, found.settled, found.kept) == (3, 3, 0)
    assert (hub.rows, waits(state)) == (3, 0)
    assert found.said() == f"counts of 3 windows went to {hub.address} (parcel 1, {found.size:,} bytes)"
    score(state, HOURS[0])
    assert sent(state, hub).windows == 1
    assert hub.rows == 4
    assert sent(state, hub).windows == 0, "how it stands is told all the same"
    assert len(hub.parcels) == 3


def test_nothing_is_posted_but_the_signed_parcel(state: State, hub: HubDouble) -> None:
    score(state, HOURS[0])
    sent(state, hub)
    (headers,) = hub.headers
    assert set(headers) <= {"Host", "User-Agent", "Accept", "Accept-Encoding", "Content-Type", "Content-Length"}
    assert json.loads(hub.bodies[0]).keys() == {"payload", "payloadType", "signatures"}


def test_each_hub_gets_the_counts_and_the_state_of_its_own_models(state: State, hub: HubDouble) -> None:
    other = ModelName("other", "1.0.0", sha256(b"other").hexdigest())
    score(state, HOURS[0])
    score(state, HOURS[0], HOURS[1], model=other)
    score(state, HOURS[2], model=ModelName("nobody's", "1.0.0", sha256(b"nobody").hexdigest()))
    with serving(HubDouble(KEY)) as second:
        assert isinstance(second, HubDouble)
        second.let_in(*next(iter(hub.devices.items())))
        take_follow(state, follow(second.address, "other"))
        found = list(visit(state, NOW, Asked(), Listener()))
        assert sorted(one.windows for one in found if isinstance(one, Sent)) == [1, 2]
        assert [{one.name for one in opened.parcel.models} for opened in (*hub.parcels, *second.parcels)] == [
            {"tiny"},
            {"other"},
        ]
        (one,) = visit(state, NOW, Asked(model="other"), Listener())
        assert isinstance(one, Sent)
        assert one.hub == second.address


def test_windows_of_a_future_that_the_clock_once_showed_wait_for_their_time(state: State, hub: HubDouble) -> None:
    ahead = Window.of(NOW + timedelta(days=400), Span.HOUR)
    score(state, HOURS[0], ahead)
    assert sent(state, hub).windows == 1
    assert sent(state, hub, now=NOW + timedelta(days=400)).windows == 1


def test_what_takes_several_parcels_is_settled_by_each(
    state: State, hub: HubDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hakobu_runtime.device.outgoing._ROOM", 900)
    score(state, *HOURS)
    found = sent(state, hub)
    assert (len(found.serials), found.settled, waits(state)) == (3, 5, 0)


# --- receipts ---


def test_without_a_receipt_that_is_believed_the_counts_go_again_and_are_counted_once(
    state: State, hub: HubDouble
) -> None:
    score(state, *HOURS)
    warned: list[str] = []
    for key, words in ((None, "gives no receipts"), (PrivateKey.generate(), "which no channel that this device")):
        hub.receipt_key = key
        found = sent(state, hub, warned)
        assert (found.windows, found.kept) == (5, 5)
        assert words in warned.pop()
    assert found.said().endswith("5 of them go again at the next look")
    hub.receipt_key = KEY
    assert sent(state, hub, warned).settled == 5
    assert (hub.rows, warned, waits(state)) == (5, [], 0)


@pytest.mark.parametrize("receipt", ["", "é", "====", "bm9uZQ=="])
def test_a_receipt_that_is_none_settles_nothing(state: State, hub: HubDouble, receipt: str) -> None:
    score(state, HOURS[0])
    plain = {"schema": "hakobu.taken/1", "device": device_id(state), "serial": 1, "new": True, "receipt": receipt}
    hub.after.append(lambda answer, content: answer.reply(200, json.dumps(plain).encode()))
    warned: list[str] = []
    assert sent(state, hub, warned).settled == 0
    assert len(warned) == 1
    assert warned[0].startswith(f"the receipt of {hub.address}: ")


def test_a_newer_hub_may_say_more_than_is_known_here(state: State, hub: HubDouble) -> None:
    score(state, HOURS[0])

    def more(answer: Answer, content: bytes) -> None:
        answer.reply(200, json.dumps({**json.loads(content), "fortune": "good"}).encode())

    hub.after.append(more)
    assert sent(state, hub).settled == 1


def test_a_hub_that_lost_its_database_gets_everything_again(state: State, hub: HubDouble) -> None:
    for window in HOURS:
        score(state, window)
        sent(state, hub)
    hub.forget()
    score(state, HOURS[0])
    warned: list[str] = []
    sent(state, hub, warned)
    assert hub.rows == 6
    assert warned == [f"{hub.address} has lost what came home before, so everything is sent again"]
    assert sent(state, hub, warned).windows == 0
    assert len(warned) == 1


def test_everything_goes_again_also_when_the_way_breaks_off_in_between(state: State, hub: HubDouble) -> None:
    score(state, *HOURS)
    sent(state, hub)
    hub.forget()
    hub.after = [lambda answer, content: answer.reply(200, content), closing, closing]
    with pytest.raises(BrokenError):
        sent(state, hub)
    hub.forget()
    sent(state, hub)
    assert hub.rows == 5


# --- refusals ---


def test_what_the_hub_refuses_is_told_and_remembered(state: State, hub: HubDouble) -> None:
    score(state, HOURS[0])
    hub.devices.clear()
    with pytest.raises(RefusedError, match=r"the hub refused: the device .* is not enrolled here") as caught:
        sent(state, hub)
    assert caught.value.exit_code == 5
    (standing,) = device_status(state, NOW).hubs
    assert "the hub refused: the device" in standing.trouble()
    assert standing.windows == 1
    assert "hub refused" in device_status(state, NOW).words()
    assert len(hub.bodies) == 1, "the same again would change nothing"
    hub.let_in(device_id(state), device_key(state).public.pem.decode())
    sent(state, hub)
    assert device_status(state, NOW).hubs[0].trouble() == ""


def test_hostile_words_of_a_hub_do_nothing_to_a_terminal(state: State, hub: HubDouble) -> None:
    hub.refuses = lambda parcel: (403, "blocked", "\x1b[2J" + "!" * 10_000)
    with pytest.raises(RefusedError) as caught:
        sent(state, hub)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


def unpublished(parcel: Parcel) -> tuple[int, str, str] | None:
    if any(tally.model == NEWER for tally in parcel.tallies):
        return 422, "unknown-bundle", "1 window of tiny 1.1.0, a bundle that is not known here"
    return None


def test_counts_of_a_bundle_that_is_refused_cost_the_others_nothing(state: State, hub: HubDouble) -> None:
    score(state, *HOURS[:3])
    score(state, HOURS[0], HOURS[1], model=NEWER)
    hub.refuses = unpublished
    with pytest.raises(RefusedError, match="a bundle that is not known here"):
        sent(state, hub)
    assert (hub.rows, waits(state)) == (3, 2)
    posted = len(hub.bodies)
    with pytest.raises(RefusedError):
        sent(state, hub)
    assert len(hub.bodies) == posted + 1, "one try a look"
    hub.refuses = lambda parcel: None
    assert sent(state, hub).settled == 2
    assert (hub.rows, waits(state)) == (5, 0)


def test_what_was_taken_in_part_and_not_acknowledged_goes_again_by_bundles(state: State, hub: HubDouble) -> None:
    score(state, *HOURS[:3])
    score(state, HOURS[0], model=NEWER)
    answered = hub.answer

    def in_part(path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, object]]:
        """Take it, and speak of the parcels of one bundle alone in receipts."""
        status, plain = answered(path, headers, body)
        hub.parcels = [one for one in hub.parcels if len({tally.model for tally in one.parcel.tallies}) < 2]
        return status, {**plain, "receipt": hub._receipt(device_id(state))}

    hub.answer = in_part  # type: ignore[method-assign]
    found = sent(state, hub)
    assert (found.settled, waits(state), hub.rows) == (4, 0, 4)


def test_what_is_too_large_for_whoever_stands_between_goes_in_smaller_parcels(state: State, hub: HubDouble) -> None:
    score(state, *HOURS)
    sizes: list[int] = []
    answered = hub.answer

    def limited(path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, object]]:
        sizes.append(len(body))
        return answered(path, headers, body) if len(body) < limit else (413, {"detail": "<html>"})

    hub.answer = limited  # type: ignore[method-assign]
    limit = 1_000_000
    sent(state, hub)
    limit = sizes[0] - 1
    score(state, *HOURS)
    assert sent(state, hub).settled == 5
    assert (len(sizes), waits(state)) == (4, 0)
    limit = 10
    with pytest.raises(RefusedError, match=r"takes no parcel of [0-9,]+ bytes \(413\)"):
        sent(state, hub)


# --- a hub that is busy ---


def busy(code: int = 429, **headers: str) -> Fault:
    return status(code, b'{"schema": "hakobu.refused/1", "kind": "busy", "error": "too many"}', **headers)


def test_a_short_wait_is_waited_and_a_long_one_is_left_for_another_look(state: State, hub: HubDouble) -> None:
    score(state, HOURS[0])
    hub.before = [busy(503, Retry_After="2")]
    assert sent(state, hub).settled == 1
    hub.before = [busy(Retry_After="3600")]
    with pytest.raises(BusyError, match=r"busy \(too many\), and asks to come again in 3,600 seconds"):
        sent(state, hub)
    posted = len(hub.bodies)
    with pytest.raises(TransferError, match="asked to be left alone until 2026-11-21 10:00:00"):
        sent(state, hub, now=NOW + timedelta(minutes=59))
    assert len(hub.bodies) == posted
    sent(state, hub, now=NOW + timedelta(minutes=61))
    assert len(hub.bodies) == posted + 1


@pytest.mark.parametrize("words", ["99999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT", "-5", "soon", "1e9", "²"])
def test_no_hub_shuts_a_device_out_for_more_than_a_day(state: State, hub: HubDouble, words: str) -> None:
    hub.before = [busy(Retry_After=words)] * 2
    with pytest.raises(BusyError):
        sent(state, hub)
    hub.before = []
    sent(state, hub, now=NOW + timedelta(days=1, seconds=1))
    assert hub.parcels


def test_a_clock_that_is_set_back_shuts_nobody_out(state: State, hub: HubDouble) -> None:
    hubs.change(state, hub.address, until="2099-01-01 00:00:00+00:00")
    sent(state, hub)
    assert hub.parcels


# --- who stands between ---

PAGE = b"<!DOCTYPE html><html><body>Please log in</body></html>"


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (status(200, PAGE), r"a web page answers \(200\), and no hub: .* log in with a browser"),
        (status(403, PAGE), r"a web page answers \(403\), and no hub"),
        (status(404, b'{"detail": "Not Found"}'), r"something else than a hub answers \(404\): check the address"),
        (status(200, b'{"schema": "hakobu.follow/1"}'), r"something else than a hub answers \(200\)"),
        (status(200, b"[" * 200_000), r"something else than a hub answers \(200\)"),
        (status(200, b"\xff\xfe\x00"), r"something else than a hub answers \(200\)"),
        (status(204), r"something else than a hub answers \(204\)"),
        (status(401), r"name and a password \(401\): .* address of the hub, like https://name:password@host/hub"),
        (status(407), r"the proxy .* wants a name and a password \(407\)"),
        (status(511, PAGE), r"the network wants a log-in \(511\)"),
        (status(500, PAGE), r"out of order or busy \(500\); try again later"),
        (status(302, Location="http://127.0.0.2:1/login"), r"sent on to http://127\.0\.0\.2:1/login, and nothing is"),
        (status(307, Location="https://example.org/api"), r"sent on to https://example\.org/api, and nothing is"),
        (status(308, Location="ftp://127.0.0.1/x"), "sent on to ftp://127.0.0.1/x"),
        (status(301), "sent on to nowhere"),
        (status(200, bytes(300_000)), r"answers with more than 262,144 bytes, which no hub needs"),
        (endless, r"answers with more than 262,144 bytes"),
        (closing, "the connection was closed before everything had come"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else "",
)
def test_whatever_answers_in_the_hubs_place_is_told_in_a_line_and_settles_nothing(
    state: State, hub: HubDouble, fault: Fault, words: str
) -> None:
    score(state, HOURS[0])
    hub.before = [fault] * 2
    with pytest.raises(TransferError, match=words) as caught:
        sent(state, hub)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 7
    assert (waits(state), hub.rows) == (1, 0)
    assert device_status(state, NOW).hubs[0].trouble()
    hub.before = []
    assert sent(state, hub).settled == 1


def test_a_hub_that_moved_to_another_path_of_its_host_is_followed_and_no_other_host_hears_of_it(
    state: State, hub: HubDouble
) -> None:
    score(state, HOURS[0])
    hub.before = [status(308, Location="/somewhere/api/v1/parcels")]
    assert sent(state, hub).settled == 1
    with serving(HubDouble(KEY)) as other:
        hub.before = [status(307, Location=f"{other.address}/api/v1/parcels")]
        with pytest.raises(TransferError, match="is sent on to"):
            sent(state, hub)
        assert other.asked == []
    hub.before = [status(308, Location="/again")] * 9
    with pytest.raises(TransferError, match="is sent on more than 3 times"):
        sent(state, hub)


def test_names_and_passwords_go_to_the_hub_and_into_no_message(state: State, hub: HubDouble) -> None:
    address = hub.address.replace("http://", "http://aiko:s3cret@")
    take_follow(state, follow(address))
    send(state, address, NOW, lambda words: None)
    assert hub.headers[-1]["Authorization"].startswith("Basic ")
    hub.before = [status(500)] * 2
    with pytest.raises(TransferError) as caught:
        send(state, address, NOW, lambda words: None)
    assert "s3cret" not in str(caught.value)
    assert "s3cret" not in device_status(state, NOW).words()
    assert not [check for check in reach(state, NOW) if "s3cret" in check.words]


@pytest.mark.parametrize("fault", [silent, dripping], ids=["silent", "dripping"])
def test_a_hub_that_hardly_answers_holds_nobody(state: State, hub: HubDouble, fault: Fault) -> None:
    hub.after = [fault] * 2
    with pytest.raises(BrokenError, match=r"too slow|stopped sending"):
        Poster(hub.address, timeout=0.3, least=3000).post(
            "api/v1/parcels", pack_portion(state, NOW, ()).content, {}, 9000
        )


def test_being_offline_is_told_and_lasts_no_longer_than_it_does(state: State, hub: HubDouble) -> None:
    score(state, HOURS[0])
    with serving(Server()) as gone:
        address = gone.address
    take_follow(state, follow(address))
    with pytest.raises(TransferError, match=r"nobody answers there; check the network, or try again later"):
        send(state, address, NOW, lambda words: None)
    take_follow(state, follow(hub.address))
    assert sent(state, hub).settled == 1


def test_a_proxy_of_the_environment_is_used(state: State, hub: HubDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    class Passing(Proxy):
        def do_POST(self) -> None:  # noqa: N802 - http.server's name
            """Pass it on as it is."""
            self.server.asked.append((self.path, self.command))
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found = urllib3.PoolManager().request("POST", self.path, body=body, headers=dict(self.headers))
            self.send_response(found.status)
            self.send_header("Content-Length", str(len(found.data)))
            self.end_headers()
            self.wfile.write(found.data)

    score(state, HOURS[0])
    with serving(Server(Passing)) as proxy:
        monkeypatch.setenv("http_proxy", proxy.address)
        monkeypatch.setattr("hakobu_runtime.channel.route.proxy_bypass", lambda host: False)
        assert sent(state, hub).settled == 1
        assert proxy.asked == [(f"{hub.address}/api/v1/parcels", "POST")]


def test_a_certificate_of_nobody_is_told(state: State, in_memory: Path) -> None:
    certificate = in_memory / "hub.pem"
    made = [
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
        *("-keyout", str(certificate), "-out", str(in_memory / "crt"), "-subj", "/CN=127.0.0.1", "-days", "2"),
    ]
    if not shutil.which("openssl"):
        pytest.skip("there is no openssl here")
    subprocess.run(made, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(in_memory / "crt", certificate)
    with serving(HubDouble(KEY), context) as secure:
        address = secure.address.replace("http:", "https:")
        take_follow(state, follow(address))
        with pytest.raises(TransferError, match="certificate does not hold"):
            send(state, address, NOW, lambda words: None)
        assert secure.asked == []


# --- broken off, twice, killed ---


def test_an_answer_cut_at_any_byte_settles_all_or_nothing(state: State, hub: HubDouble) -> None:
    score(state, HOURS[0])
    sizes: list[int] = []

    def note(answer: Answer, content: bytes) -> None:
        sizes.append(len(content))
        answer.reply(200, content)

    hub.after = [note]
    sent(state, hub)
    for size in range(0, sizes[0], sizes[0] // 25):
        score(state, HOURS[0])
        hub.after = [cut_after(size)] * 2
        with pytest.raises(BrokenError):
            sent(state, hub)
        assert waits(state) == 1
        hub.after = []
        sent(state, hub)
        assert waits(state) == 0
    with open_journal(state) as journal:
        assert hub.rows == journal.total(MODEL).rows


def test_a_post_that_comes_twice_counts_once(state: State, hub: HubDouble) -> None:
    score(state, *HOURS)
    hub.after = [closing]
    found = sent(state, hub)
    assert (hub.rows, found.settled, len(hub.bodies)) == (5, 5, 2)
    assert hub.bodies[0] == hub.bodies[1]
    assert len(hub.parcels) == 1


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_happens_on_the_way_the_hub_has_each_row_once_in_the_end(
    state: State, hub: HubDouble, in_memory: Path, data: st.DataObject
) -> None:
    own = State(Path(shutil.copytree(state.root, in_memory / f"try-{Random().random()}")))
    hub.forget()
    rows = 0
    faults = st.sampled_from([closing, cut_after(100), status(500), status(200, PAGE), busy(), "lose", "well"])
    for step in range(data.draw(st.integers(1, 8))):
        some = data.draw(st.lists(st.sampled_from(HOURS), max_size=3, unique=True))
        score(own, *some, model=data.draw(st.sampled_from([MODEL, NEWER])))
        rows += len(some)
        what = data.draw(faults)
        if what == "lose":
            hub.forget()
        elif callable(what):
            setattr(hub, data.draw(st.sampled_from(["before", "after"])), [what] * 2)
        with suppress(TransferError):
            send(own, hub.address, NOW + timedelta(days=2 * step), lambda words: None)
        hub.before, hub.after = [], []
    send(own, hub.address, NOW + timedelta(days=99), lambda words: None)
    assert hub.rows == rows
    assert waits(own) == 0
    shutil.rmtree(own.root)


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
def test_killed_between_the_post_and_its_receipt_the_counts_go_again_and_count_once(
    state: State, hub: HubDouble
) -> None:
    score(state, *HOURS)
    posted = threading.Event()

    def hold(answer: Answer, content: bytes) -> None:
        posted.set()
        answer.server.ending.wait(20)

    hub.after = [hold]
    command = [sys.executable, "-m", "hakobu_runtime", "--state", str(state.root), "sync"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert posted.wait(60)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert (process.returncode, hub.rows, waits(state)) == (-signal.SIGKILL, 5, 5)
    hub.after = []
    again = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert again.returncode == 0, again.stderr
    assert "counts of 5 windows went to" in again.stdout
    assert (hub.rows, waits(state)) == (5, 0)
    assert [opened.parcel.serial for opened in hub.parcels] == [1, 2]


# --- with an update, and again and again ---


def test_counts_go_after_the_update_and_tell_of_it_whatever_became_of_it(
    in_memory: Path, publisher: Any, hub: HubDouble, release_key: PrivateKey
) -> None:
    from hakobu_runtime.device.state import change_keyring
    from hakobu_runtime.trust import Pin

    state = open_state(in_memory / "state")
    change_keyring(state, lambda keyring: keyring.add(Pin(release_key.public)))
    publisher.publish(publisher.box("1.0.0"))
    take_follow(state, msgspec.structs.replace(publisher.follow(), hub=hub.address))
    hub.receipt_key = publisher.keychain.open(publisher.keychain.place("receipts"))
    hub.let_in(device_id(state), device_key(state).public.pem.decode())
    score(state, HOURS[0])
    found = list(visit(state, NOW, Asked(), Listener()))
    assert [type(one).__name__ for one in found] == ["Synced", "Sent"]
    (opened,) = hub.parcels
    assert opened.parcel.models[0].active is not None
    (publisher.path / "metadata" / "timestamp.json").write_bytes(PAGE)
    score(state, HOURS[1])
    looking = visit(state, NOW, Asked(), Listener())
    assert isinstance(next(looking), Sent)
    with pytest.raises(TransferError, match=r"tiny 1\.0\.0 stays in use"):
        next(looking)
    assert hub.rows == 2


def test_a_refusal_is_not_hurried_and_a_network_that_is_away_is(state: State, hub: HubDouble) -> None:
    class Stop:
        asked = False

        def __init__(self) -> None:
            self.pauses: list[float] = []

        def pause(self, seconds: float) -> None:
            self.pauses.append(round(seconds))
            self.asked = len(self.pauses) == 3

    class Even(Random):
        def uniform(self, a: float, b: float) -> float:
            return 1.0

    hub.devices.clear()
    stop, warned = Stop(), list[str]()
    keep_syncing(state, lambda: [*visit(state, NOW, Asked(), Listener())] and None, 21600, warned.append, stop, Even())  # type: ignore[arg-type]
    assert stop.pauses == [21600] * 3
    assert len(warned) == 1
    hub.before = [closing] * 99
    stop = Stop()
    keep_syncing(state, lambda: [*visit(state, NOW, Asked(), Listener())] and None, 21600, warned.append, stop, Even())  # type: ignore[arg-type]
    assert stop.pauses == [60, 120, 240]


def test_two_looks_that_brought_nothing_new_are_alike(state: State, hub: HubDouble) -> None:
    assert sent(state, hub) == sent(state, hub)
    assert dataclasses.asdict(sent(state, hub))["windows"] == 0


# --- enrolling ---


def test_a_device_enrols_by_its_key_and_the_code_and_counts_go_with_the_next_look(state: State, hub: HubDouble) -> None:
    hub.devices.clear()
    hub.invites = {"K7QF-3M2X": "plant-2"}
    score(state, HOURS[0])
    found = enrol(state, " K7QF-3M2X\n", NOW)
    assert (found.device, found.group, found.hub) == (device_id(state), "plant-2", hub.address)
    assert hub.devices == {device_id(state): device_key(state).public.pem.decode()}
    assert (hub.rows, hub.asked[-1][0]) == (0, "/api/v1/enrol")
    assert sent(state, hub).settled == 1
    assert "in the group plant-2" in device_status(state, NOW).words()


def test_a_code_that_is_refused_changes_nothing(state: State, hub: HubDouble) -> None:
    with pytest.raises(RefusedError, match="the hub refused: the invitation is unknown, or was used before"):
        enrol(state, "WRONG", NOW)
    for code in ("", "a\r\nX-Evil: 1", "é", "x" * 201):
        with pytest.raises(UsageError, match="is no code of an invitation"):
            enrol(state, code, NOW)
    assert len(hub.bodies) == 1
    assert device_status(state, NOW).hubs[0].facts.enrolled == ""


def test_it_is_said_which_hub_where_that_is_not_clear(state: State, hub: HubDouble, in_memory: Path) -> None:
    take_follow(state, follow("https://example.org/hub", "other"))
    with pytest.raises(UsageError, match="several hubs"):
        enrol(state, "CODE", NOW)
    with pytest.raises(StateError, match=r"take the file that names https://example\.com"):
        enrol(state, "CODE", NOW, "https://example.com")
    empty = open_state(in_memory / "empty")
    with pytest.raises(StateError, match="no hub is named in what is followed"):
        enrol(empty, "CODE", NOW)
    with pytest.raises(StateError, match="no channel is followed yet"):
        enrol(empty, "CODE", NOW, hub.address)
    take_follow(empty, follow("", depot="/nowhere"))
    with pytest.raises(TransferError, match="is no address like https"):
        enrol(empty, "CODE", NOW, "hub.example.org")
    hub.invites = {"CODE": ""}
    assert enrol(empty, "CODE", NOW, hub.address).group == ""
    assert hubs.hubs_of(empty) == {hub.address: frozenset({"tiny"})}


def test_a_hub_that_enrols_somebody_else_is_not_believed(state: State, hub: HubDouble) -> None:
    plain = {"schema": "hakobu.enrolled/1", "device": "another-device", "group": ""}
    hub.before = [status(200, json.dumps(plain).encode())]
    with pytest.raises(TransferError, match="says that it enrolled 'another-device'"):
        enrol(state, "CODE", NOW)


# --- looked at from the device ---


def test_doctor_says_how_it_stands_with_the_hub(state: State, hub: HubDouble) -> None:
    def checked() -> tuple[str, str]:
        (check,) = (check for check in reach(state, NOW) if check.name == "hub")
        return check.health.value, check.words

    assert checked()[0] == "warning"
    assert "does not know this device yet" in checked()[1]
    score(state, HOURS[0])
    assert "what waits: 1 window" in checked()[1]
    sent(state, hub)
    assert checked() == ("ok", f"{hub.address} is reachable; counts came home 2026-11-21 09:00:00+00:00; nothing waits")
    hub.refuses = lambda parcel: (403, "blocked", "this device is blocked: stolen")
    with pytest.raises(RefusedError):
        sent(state, hub)
    assert "this device is blocked: stolen" in checked()[1]
    before = state.journal.read_bytes()
    state.journal.write_bytes(b"damaged" * 1000)
    assert checked()[0] == "failure"
    assert state.journal.read_bytes() == b"damaged" * 1000, "it is not for doctor to set it aside"
    state.journal.write_bytes(before)
    hub.server_close()
    hub.shutdown()
    assert "scoring goes on" in checked()[1]


def test_what_posts_is_not_loaded_where_rows_are_scored_nor_for_status() -> None:
    modules = "hakobu_runtime.cli, hakobu_runtime.device.score, hakobu_runtime.device.status"
    code = f"import sys, {modules}; print({{'urllib3', 'tuf'}} & set(sys.modules))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "set()"
