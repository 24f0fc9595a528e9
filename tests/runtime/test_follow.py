"""What a device follows, and what of it survives a new file; how often it looks; what `doctor` and `status` say."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hakobu_runtime.device import facts
from hakobu_runtime.device.arrival import Listener
from hakobu_runtime.device.follow import change_channel, followed, open_follow, place_of, read_follow, take_follow
from hakobu_runtime.device.reach import reach
from hakobu_runtime.device.rounds import FIRST_RETRY, keep_syncing, pause
from hakobu_runtime.device.state import State, change_keyring, open_state
from hakobu_runtime.device.status import device_status
from hakobu_runtime.device.stop import Stop, StopAsked
from hakobu_runtime.device.sync import Asked, sync
from hakobu_runtime.errors import FormatError, InputError, StateError, TransferError, UsageError
from hakobu_runtime.format.codec import encode
from hakobu_runtime.trust import Pin, PrivateKey

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)


@pytest.fixture
def state(in_memory: Path, release_key: PrivateKey) -> State:
    state = open_state(in_memory / "state")
    change_keyring(state, lambda keyring: keyring.add(Pin(release_key.public)))
    return state


@pytest.fixture
def address(publisher: Any) -> Iterator[str]:
    """The depot behind a loopback server."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *words: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(publisher.path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def look(state: State) -> None:
    list(sync(state, NOW, Asked(), Listener()))


def test_what_a_file_says_is_followed_until_another_comes(state: State, publisher: Any, in_memory: Path) -> None:
    file = in_memory / "tiny.follow"
    file.write_bytes(encode(publisher.follow()))
    take_follow(state, open_follow(file))
    assert followed(state) == (publisher.follow(),)
    assert change_channel(state, "beta", None).channel == "beta"
    assert read_follow(state, "tiny").channel == "beta"
    with pytest.raises(UsageError, match=r"ends in \.follow"):
        change_channel(state, "Not a channel", None)


def test_nothing_followed_is_told_with_its_remedy(state: State) -> None:
    with pytest.raises(StateError, match=r"no channel is followed yet; take one: hakobu-run follow FILE\.follow"):
        change_channel(state, "beta", None)
    with pytest.raises(StateError, match="fans follows no channel yet"):
        read_follow(state, "fans")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "truncated"),
        (b"{}", "missing required field"),
        (b"<html>", "malformed"),
        (b" " * (5 << 20), "is longer than"),
        (b'"root"', "Expected `object`"),
    ],
    ids=["empty", "bare", "page", "long", "text"],
)
def test_a_damaged_follow_file_changes_nothing(state: State, in_memory: Path, content: bytes, words: str) -> None:
    file = in_memory / "bad.follow"
    file.write_bytes(content)
    with pytest.raises(FormatError, match=f"{words}.*get the .follow file again"):
        open_follow(file)
    assert followed(state) == ()


def test_a_root_that_is_none_is_seen_before_it_is_followed(publisher: Any, in_memory: Path) -> None:
    file = in_memory / "bad.follow"
    file.write_bytes(encode(publisher.follow(root='{"signed": {"_type": "targets"}, "signatures": []}')))
    with pytest.raises(FormatError, match="is no root metadata of a depot"):
        open_follow(file)
    with pytest.raises(InputError, match="cannot be read"):
        open_follow(in_memory / "none.follow")
    file.write_bytes(encode(publisher.follow()))
    with pytest.raises(UsageError, match="is for the model tiny, not for fans"):
        open_follow(file, "fans")


def test_damaged_settings_say_what_to_do(state: State, publisher: Any) -> None:
    take_follow(state, publisher.follow())
    place_of(state, "tiny").settings.write_text("{")
    with pytest.raises(StateError, match="it is damaged: give it again"):
        look(state)


def test_another_depot_starts_anew_and_the_time_floor_stays(state: State, publisher: Any, in_memory: Path) -> None:
    publisher.publish(publisher.box("1.0.0"))
    take_follow(state, publisher.follow())
    look(state)
    take_follow(state, publisher.follow(channel="beta"))
    assert (place_of(state, "tiny").metadata / "timestamp.json").exists(), "it is the same depot"
    floor = facts.floor_in(facts.facts_of(state, "tiny"))
    other = type(publisher)(in_memory / "other", publisher._files, publisher._manifest, publisher.key)
    take_follow(state, other.follow())
    assert not place_of(state, "tiny").metadata.exists()
    assert facts.floor_in(facts.facts_of(state, "tiny")) == floor == NOW


def test_several_models_are_looked_after_whatever_becomes_of_one(state: State, publisher: Any, in_memory: Path) -> None:
    publisher.publish(publisher.box("1.0.0"))
    take_follow(state, publisher.follow())
    root = publisher.follow().root
    take_follow(state, type(publisher.follow())("hakobu.follow/1", "fans", "stable", root, NOW.isoformat(), "/none"))
    warned: list[str] = []
    found = sync(state, NOW, Asked(), Listener(warned.append))
    assert next(found).installed == "1.0.0"
    with pytest.raises(TransferError, match="1 of 2 models could not be looked after"):
        next(found)
    assert "there is no such folder" in warned[0]


def checks(state: State, now: datetime = NOW) -> list[tuple[str, str]]:
    return [(check.health.value, check.words) for check in reach(state, now)]


def test_doctor_says_whether_the_depot_can_be_reached(state: State, publisher: Any, address: str) -> None:
    assert checks(state)[0][0] == "ok"
    publisher.publish(publisher.box("1.0.0"))
    take_follow(state, publisher.follow(address=address))
    assert checks(state) == [("ok", f"tiny stable: {address} is reachable; never read yet")]
    look(state)
    take_follow(state, publisher.follow(address="http://127.0.0.1:9"))
    ((health, words),) = checks(state)
    assert health == "warning"
    assert "last read 2026-11-21 09:00:00+00:00; scoring goes on" in words
    ((health, words),) = checks(state, NOW + timedelta(days=4000))
    assert "expired" in words
    take_follow(state, publisher.follow(address=""))
    assert checks(state)[0][1].startswith("tiny stable: updates come on sticks")


def test_status_says_what_runs_what_is_held_back_and_what_was_learned(state: State, publisher: Any) -> None:
    publisher.publish(publisher.box("1.0.0"))
    take_follow(state, publisher.follow())
    assert "read     never" in device_status(state, NOW).words()
    look(state)
    publisher.publish(publisher.strict("1.1.0"))
    look(state)
    found = device_status(state, NOW)
    words = found.words()
    for line in (
        "model    tiny 1.1.0",
        "trial    tiny 1.1.0 is on probation: 0 of 20 batches",
        "former   tiny 1.0.0",
        f"follows  tiny stable, from {publisher.path}",
        "read     2026-11-21 09:00:00+00:00: tiny 1.1.0 is what the channel offers; believed until 2027-12-26",
    ):
        assert line in words
    assert json.loads(json.dumps(found.plain(), default=str))["following"][0]["channel"] == "stable"
    assert "it expired" in device_status(state, NOW + timedelta(days=4000)).words()


@given(st.floats(60, 1e6), st.integers(0, 2000), st.integers())
def test_a_pause_is_never_much_longer_than_asked_for_nor_shorter_than_the_first_retry(
    every: float, failures: int, seed: int
) -> None:
    found = pause(every, failures, Random(seed))
    assert 0.9 * min(every, FIRST_RETRY) <= found <= 1.1 * every


class Paused(Stop):
    """Ends after some pauses, without waiting."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.pauses: list[float] = []
        self._most = most

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.asked = len(self.pauses) >= self._most


def test_rounds_go_on_after_trouble_tell_it_once_and_come_back_sooner(state: State) -> None:
    results: list[str] = ["", "no net", "no net", "no net", "", ""]
    warned: list[str] = []
    stop = Paused(len(results))

    def once() -> None:
        if words := results[len(stop.pauses)]:
            raise TransferError(words)

    keep_syncing(state, once, 3600.0, warned.append, stop, Random(1))
    assert warned == ["no net; it is tried again"]
    expected = [3600, 60, 120, 240, 3600, 3600]
    assert [round(found / wanted) for found, wanted in zip(stop.pauses, expected, strict=True)] == [1] * 6


def test_two_rounds_at_the_same_time_are_refused(state: State) -> None:
    def inner() -> None:
        with pytest.raises(StateError, match="another hakobu is at work"):
            keep_syncing(state, lambda: None, 60.0, lambda words: None, Paused(1), Random(1))
        raise StopAsked

    keep_syncing(state, inner, 60.0, lambda words: None, Paused(1), Random(1))
