"""Whatever a depot serves, a device believes what was signed, or says in words what is wrong."""

import json
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hakobu_runtime.channel.client import Client
from hakobu_runtime.errors import TransferError, TrustError
from hakobu_runtime.format.channel import Channel
from simulated_depot import SimulatedDepot, channel_of

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
DEPOT = SimulatedDepot(NOW, "pumps")
FOLLOW = DEPOT.follow("pumps")
CHANNEL = channel_of("pumps", DEPOT.release("pumps", "1.0.0", b"box"))
DEPOT.offer(CHANNEL)
DEPOT.rotate("snapshot")
DEPOT.publish()
FILES = dict(DEPOT.files)
ASKED = ("stable.json", "timestamp.json", "2.root.json", "3.snapshot.json", "3.targets.json", "3.pumps.json")
NAMES = [name for name in FILES if name.endswith(ASKED)]

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


def offered(name: str, content: bytes) -> Channel | None:
    """Return what a device sees when the depot serves `content` as the file `name`; None when it refuses that."""
    DEPOT.files = FILES | {name: content}
    with TemporaryDirectory() as folder:
        client = Client(Path(folder, "kept"), FOLLOW, DEPOT, NOW, NOW)
        try:
            client.refresh()
            return client.channel()
        except (TransferError, TrustError) as error:
            said = str(error)
    assert len(said) < 1500
    assert "\n" not in said
    return None


@pytest.fixture(scope="module", autouse=True)
def whole() -> None:
    assert len(NAMES) == len(ASKED)
    assert offered(NAMES[0], FILES[NAMES[0]]) == CHANNEL


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(NAMES), st.data())
def test_a_changed_byte_changes_nothing_that_is_believed(name: str, data: st.DataObject) -> None:
    content = bytearray(FILES[name])
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    assert offered(name, bytes(content)) in (CHANNEL, None)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(NAMES), values, st.data())
def test_another_value_anywhere_changes_nothing_that_is_believed(name: str, value: object, data: st.DataObject) -> None:
    document: Any = json.loads(FILES[name])
    place, key = document, data.draw(st.sampled_from(sorted(document)))
    while isinstance(place[key], dict) and place[key] and data.draw(st.booleans()):
        place, key = place[key], data.draw(st.sampled_from(sorted(place[key])))
    place[key] = value
    assert offered(name, json.dumps(document).encode()) in (CHANNEL, None)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(NAMES), st.binary(max_size=100) | values.map(lambda value: json.dumps(value).encode()))
def test_any_other_content_is_refused(name: str, content: bytes) -> None:
    assert offered(name, content) is None


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(NAMES), st.sampled_from(NAMES))
def test_one_file_in_the_place_of_another_is_refused(one: str, other: str) -> None:
    assert (offered(one, FILES[other]) == CHANNEL) == (one == other)


@settings(max_examples=60, deadline=None)
@given(values, st.sampled_from(["releases", "withdrawn", "revoked", "model", "name", "minimum_version", "schema"]))
def test_a_builders_own_mistake_in_a_channel_is_said_in_words(value: object, field: str) -> None:
    document = json.loads(FILES[next(name for name in FILES if name.endswith("stable.json"))])
    document[field] = value
    depot = SimulatedDepot(NOW, "pumps")
    depot.put("pumps/channels/stable.json", json.dumps(document).encode())
    depot.publish()
    with TemporaryDirectory() as folder:
        client = Client(Path(folder), depot.follow("pumps"), depot, NOW, NOW)
        client.refresh()
        try:
            said = f"channel of {client.channel().model}"
        except TransferError as error:
            said = str(error)
    assert "channel" in said
    assert "pumps" in said
