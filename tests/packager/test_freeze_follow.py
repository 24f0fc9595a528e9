"""What a frozen program is to follow lies in its box, and must be for its model."""

from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from hakobu.freeze.inside import write_inside
from hakobu_runtime.bundle import open_bundle
from hakobu_runtime.device.floor import settle
from hakobu_runtime.device.follow import followed, open_follow
from hakobu_runtime.device.inside import read_inside
from hakobu_runtime.device.state import open_state
from hakobu_runtime.errors import UsageError
from hakobu_runtime.format.codec import encode
from hakobu_runtime.trust import Keyring, Pin


def test_the_box_carries_what_is_followed_and_the_first_start_takes_it(publisher: Any, in_memory: Path) -> None:
    keyring = Keyring((Pin(publisher.key.public),))
    bundle = open_bundle(publisher.box("1.0.0"), keyring)
    for name, follow in (("plain", None), ("following", publisher.follow())):
        write_inside(bundle, keyring, in_memory / name, follow)
    plain, box = read_inside(in_memory / "plain"), read_inside(in_memory / "following")
    assert plain.follow is None
    assert plain.mark != box.mark
    assert box.follow is not None
    assert sha256(box.follow.read_bytes()).hexdigest() == box.label.follow
    state = open_state(in_memory / "state")
    settle(state, plain, publisher.now)
    assert followed(state) == ()
    settle(state, box, publisher.now)
    assert followed(state) == (publisher.follow(),)


def test_what_another_model_follows_is_refused(publisher: Any, in_memory: Path) -> None:
    file = in_memory / "tiny.follow"
    file.write_bytes(encode(publisher.follow()))
    with pytest.raises(UsageError, match="is for the model tiny, not for fans"):
        open_follow(file, "fans")
