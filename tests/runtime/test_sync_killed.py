"""An update that is killed at every single step: the device scores with the old or the new bundle, never neither."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hakobu_runtime.device.arrival import Listener
from hakobu_runtime.device.follow import take_follow
from hakobu_runtime.device.score import Asked, score_command
from hakobu_runtime.device.state import State, change_keyring, open_state
from hakobu_runtime.device.sync import Asked as Wanted
from hakobu_runtime.device.sync import sync
from hakobu_runtime.trust import Pin, PrivateKey

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
SCRIPT = Path(__file__).with_name("killed_syncing.py")


def look(state: State) -> None:
    list(sync(state, NOW, Wanted(), Listener()))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that are cheap to begin")
def test_killed_at_every_step_it_scores_with_the_old_or_the_new_bundle_and_a_second_look_completes_it(
    publisher: Any, in_memory: Path, release_key: PrivateKey
) -> None:
    (in_memory / "in.csv").write_text("temp,load\n3,1\n9,1\n1,2\n")
    state = open_state(in_memory / "state")
    change_keyring(state, lambda keyring: keyring.add(Pin(release_key.public)))
    take_follow(state, publisher.follow())
    outputs = []
    for name, box in (("old", publisher.box("1.0.0")), ("new", publisher.strict("1.1.0"))):
        publisher.publish(box)
        outputs.append(in_memory / f"{name}.csv")
        if name == "new":
            before = {path: path.read_bytes() for path in state.root.rglob("*") if path.is_file()}
        look(state)
        score_command(state.root, Asked((in_memory / "in.csv",), outputs[-1]))
    assert outputs[0].read_bytes() != outputs[1].read_bytes()
    whole = [path for path in state.root.rglob("*") if path.is_file()]
    for path in whole:
        path.unlink()
    for path, content in before.items():
        path.write_bytes(content)
    job = {"folder": str(in_memory), "now": NOW.isoformat(), "outputs": [str(path) for path in outputs]}
    left = sorted(str(path.relative_to(state.root)) for path in whole)
    (in_memory / "job.json").write_text(json.dumps({**job, "left": left}))
    ended = subprocess.run([sys.executable, str(SCRIPT), str(in_memory / "job.json")], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr[-2000:]
    found = json.loads(ended.stdout)
    scored = found["scored"]
    assert found["steps"] == len(scored) > 100
    assert scored == sorted(scored), "once the new one is active, it stays so"
    assert scored.count(0) > 50
    assert scored.count(1) > 0
