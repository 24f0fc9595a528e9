"""A release that is on probation: what proves it, and what brings the former one back by itself."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from hakobu_runtime.bundle import open_bundle
from hakobu_runtime.device import barred, buffer, events
from hakobu_runtime.device.install import install, place, slot_of
from hakobu_runtime.device.ledger import changing
from hakobu_runtime.device.probation import begin, standing_of
from hakobu_runtime.device.score import Asked, Listener, Outcome, score_command
from hakobu_runtime.device.slots import activate, active_slots
from hakobu_runtime.device.state import State, change_keyring, open_state, read_keyring
from hakobu_runtime.device.stop import Stop
from hakobu_runtime.device.stream import Pipes, stream_command
from hakobu_runtime.device.watch import keep_watching, open_watch
from hakobu_runtime.errors import BundleError
from hakobu_runtime.format.channel import Probation
from hakobu_runtime.trust import Pin, PrivateKey

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
GOOD, BAD = "3,1", "9,1"
USUAL = Probation()
Update = Callable[..., str]

pytestmark = pytest.mark.usefixtures("former")


@pytest.fixture
def state(in_memory: Path, release_key: PrivateKey) -> State:
    state = open_state(in_memory / "state")
    change_keyring(state, lambda keyring: keyring.add(Pin(release_key.public)))
    return state


@pytest.fixture
def former(state: State, publisher: Any) -> None:
    """The bundle that is there before, which takes any row."""
    install(state, publisher.box("1.0.0"), NOW)


@pytest.fixture
def update(state: State) -> Update:
    """Make a file the active bundle, on probation; return its digest."""

    def made(file: Path, terms: Probation = USUAL) -> str:
        bundle = open_bundle(file, read_keyring(state))
        place(state, bundle.digest, file.read_bytes())
        with changing(state) as ledger:
            begin(ledger, "tiny", bundle.digest, terms)
            activate(ledger, slot_of(bundle, NOW), NOW, watched=True)
        return bundle.digest

    return made


def table(path: Path, *rows: str) -> Path:
    path.write_text("\n".join(["temp,load", *rows, ""]))
    return path


def score(state: State, *sources: Path, into: Path, warned: list[str] | None = None) -> Outcome:
    found: list[str] = warned if warned is not None else []
    return score_command(state.root, Asked(sources, into), Listener(warn=found.append))


def active(state: State) -> str:
    (slot,) = active_slots(state)
    return slot.version


def verdicts(path: Path) -> list[str]:
    with path.open(newline="") as file:
        return [row["verdict"] for row in csv.DictReader(file)]


def fails_on_other_than_three_rows() -> bytes:
    """The tiny model, through a shape that only the golden rows have."""
    weights = np.array([[-1, 1], [1, -1]], dtype=np.float32)
    nodes = [
        helper.make_node("Reshape", ["numbers", "shape"], ["three"]),
        helper.make_node("MatMul", ["three", "weights"], ["odds"]),
        helper.make_node("Sigmoid", ["odds"], ["probabilities"]),
        helper.make_node("ArgMax", ["probabilities"], ["label"], axis=1, keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("numbers", TensorProto.FLOAT, [None, 2])],
        [
            helper.make_tensor_value_info("label", TensorProto.INT64, [None]),
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2]),
        ],
        [
            numpy_helper.from_array(weights, "weights"),
            numpy_helper.from_array(np.array([3, 2], dtype=np.int64), "shape"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    content: bytes = model.SerializeToString()
    return content


def test_it_is_proven_after_its_batches(state: State, publisher: Any, update: Update, in_memory: Path) -> None:
    digest = update(publisher.strict("1.1.0"), Probation(batches=2))
    score(state, table(in_memory / "in.csv", GOOD), into=in_memory / "out.csv")
    standing = standing_of(state, "tiny", digest)
    assert standing is not None
    assert (standing.seen, standing.rows, standing.rejected) == (1, 1, 0)
    score(state, table(in_memory / "in2.csv", GOOD, BAD, GOOD), into=in_memory / "out2.csv")
    assert standing_of(state, "tiny", digest) is None
    assert active(state) == "1.1.0"
    assert events.events_of(state, "tiny")[-1].kind == "proven"


def test_one_that_rejects_too_many_rows_gives_way_and_the_file_is_scored_anew(
    state: State, publisher: Any, update: Update, in_memory: Path
) -> None:
    warned: list[str] = []
    source = table(in_memory / "in.csv", *[BAD] * 80, *[GOOD] * 40)
    score(state, source, into=in_memory / "former.csv")
    update(publisher.strict("1.1.0"))
    score(state, source, into=in_memory / "out.csv", warned=warned)
    assert active(state) == "1.0.0"
    assert (in_memory / "out.csv").read_bytes() == (in_memory / "former.csv").read_bytes()
    assert warned[0] == (
        "tiny 1.1.0 failed its probation: it rejected 80 of 120 rows, the former bundle 0%; 1.0.0 is used again, and "
        "1.1.0 is not tried any more"
    )
    assert "the bundle is another one since" in warned[1]
    (held,) = barred.held_back(state)
    assert (held.version, held.reason) == ("1.1.0", "it rejected 80 of 120 rows, the former bundle 0%")
    assert events.events_of(state, "tiny")[-1].kind == "rolled back"


def test_few_rows_say_nothing_before_the_last_batch(
    state: State, publisher: Any, update: Update, in_memory: Path
) -> None:
    update(publisher.strict("1.1.0"), Probation(batches=2))
    score(state, table(in_memory / "in.csv", BAD), into=in_memory / "out.csv")
    assert active(state) == "1.1.0"
    score(state, table(in_memory / "in.csv", BAD, BAD), into=in_memory / "out2.csv")
    assert active(state) == "1.0.0"
    assert verdicts(in_memory / "out2.csv") == ["warned", "warned"]


def test_rows_that_the_former_bundle_rejected_as_often_are_not_held_against_it(
    state: State, publisher: Any, update: Update, in_memory: Path
) -> None:
    install(state, publisher.strict("1.0.1"), NOW)
    source = table(in_memory / "in.csv", *[BAD] * 150)
    score(state, source, into=in_memory / "former.csv")
    update(publisher.strict("1.1.0"))
    score(state, source, into=in_memory / "out.csv")
    assert active(state) == "1.1.0"


def test_one_that_raises_at_inference_gives_way(state: State, publisher: Any, update: Update, in_memory: Path) -> None:
    warned: list[str] = []
    update(publisher.box("1.1.0", model_onnx=fails_on_other_than_three_rows()))
    score(state, table(in_memory / "in.csv", GOOD), into=in_memory / "out.csv", warned=warned)
    assert verdicts(in_memory / "out.csv") == ["ok"]
    assert active(state) == "1.0.0"
    assert "it failed while scoring: onnxruntime cannot run the model" in warned[0]


def test_without_probation_a_failure_is_told_and_nothing_changes(state: State, publisher: Any, in_memory: Path) -> None:
    install(state, publisher.box("1.1.0", model_onnx=fails_on_other_than_three_rows()), NOW)
    with pytest.raises(BundleError, match="cannot run the model"):
        score(state, table(in_memory / "in.csv", GOOD), into=in_memory / "out.csv")
    assert active(state) == "1.1.0"


def test_several_files_are_all_scored_with_the_former_one(
    state: State, publisher: Any, update: Update, in_memory: Path
) -> None:
    files = [table(in_memory / f"{name}.csv", *[BAD] * 60) for name in "ab"]
    update(publisher.strict("1.1.0"))
    outcome = score(state, *files, into=in_memory / "out")
    assert outcome.bundle.manifest.version == "1.0.0"
    assert {verdict for name in "ab" for verdict in verdicts(in_memory / "out" / f"{name}.csv")} == {"warned"}


CRASH = """
import os, signal, sys
from pathlib import Path
from hakobu_runtime.device import run
from hakobu_runtime.device.score import Asked, score_command
act = {"crash": lambda: os.kill(os.getpid(), signal.SIGKILL),
       "term": lambda: os.kill(os.getpid(), signal.SIGTERM),
       "bug": lambda: 1 / 0,
       "ctrl-c": lambda: os.kill(os.getpid(), signal.SIGINT)}[sys.argv[1]]
folder = Path(sys.argv[2])
asked = Asked((folder / "in.csv",), folder / "out.csv")
from hakobu_runtime.device.score import Listener
def advance(done, size, rows):
    act()
score_command(folder / "state", asked, Listener(advance=advance))
"""


def dies(how: str, folder: Path) -> int:
    table(folder / "in.csv", GOOD)
    ended = subprocess.run([sys.executable, "-c", CRASH, how, str(folder)], capture_output=True, timeout=120)
    return ended.returncode


@pytest.mark.skipif(os.name == "nt", reason="has no such signals")
def test_processes_that_die_while_scoring_end_it_and_clean_ends_do_not_count(
    state: State, publisher: Any, update: Update, in_memory: Path
) -> None:
    digest = update(publisher.strict("1.1.0"), Probation(crashes=3))

    def crashes() -> int:
        standing = standing_of(state, "tiny", digest)
        assert standing is not None
        return standing.crashes

    assert dies("term", in_memory) == -signal.SIGTERM
    assert dies("ctrl-c", in_memory) != 0
    assert dies("crash", in_memory) == -signal.SIGKILL
    assert crashes() == 0, "it is counted when somebody looks"
    assert dies("bug", in_memory) == 1
    assert crashes() == 2, "the process that was killed, and the bug"
    assert dies("crash", in_memory) == -signal.SIGKILL
    warned: list[str] = []
    score(state, in_memory / "in.csv", into=in_memory / "out.csv", warned=warned)
    assert active(state) == "1.0.0"
    assert "3 processes died while scoring with it" in warned[0]
    assert not list((state.updates / "tiny" / "in-flight").iterdir())


def test_marks_that_lie_together_count_once(state: State, publisher: Any, update: Update, in_memory: Path) -> None:
    digest = update(publisher.strict("1.1.0"))
    marks = state.updates / "tiny" / "in-flight"
    marks.mkdir(parents=True)
    for number in range(5):
        (marks / f"{digest[:16]}-{number}.lock").write_bytes(b"\0\n")
    (marks / f"{digest[:16]}-empty.lock").touch()
    score(state, table(in_memory / "in.csv", GOOD), into=in_memory / "out.csv")
    standing = standing_of(state, "tiny", digest)
    assert standing is not None
    assert standing.crashes == 1, "a power cut takes them all at once"


def test_a_process_that_lives_is_no_crash(state: State, publisher: Any, update: Update, in_memory: Path) -> None:
    from hakobu_runtime.device.probation import crashes_of, marked

    digest = update(publisher.strict("1.1.0"))
    with marked(state, "tiny", digest):
        found = crashes_of(state, "tiny", digest)
    assert found is not None
    assert found.crashes == 0


def lines(*rows: Mapping[str, float]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def stream(state: State, sent: bytes, warned: list[str]) -> list[dict[str, Any]]:
    outlet = io.BytesIO()
    stream_command(state.root, None, None, Pipes(io.BytesIO(sent), outlet, Stop()), warned.append)
    return [json.loads(line) for line in outlet.getvalue().splitlines()]


def test_a_stream_goes_on_with_the_former_one_when_a_row_fails(state: State, publisher: Any, update: Update) -> None:
    warned: list[str] = []
    update(publisher.box("1.1.0", model_onnx=fails_on_other_than_three_rows()))
    found = stream(state, lines({"temp": 3, "load": 1}, {"temp": 3, "load": 1}), warned)
    assert [reply["verdict"] for reply in found] == ["ok", "ok"]
    assert active(state) == "1.0.0"
    assert len(warned) == 1


def test_a_stream_goes_on_with_the_former_one_when_too_many_are_rejected(
    state: State, publisher: Any, update: Update, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buffer, "ENOUGH", 50)
    warned: list[str] = []
    update(publisher.strict("1.1.0"))
    many = 2 * 512 + 300
    found = stream(state, lines(*[{"temp": 9, "load": 1}] * many), warned)
    assert len(found) == many
    assert found[0]["verdict"] == "rejected"
    assert found[-1]["verdict"] == "warned"
    assert active(state) == "1.0.0"


def test_a_watch_hands_the_file_to_the_former_one(
    state: State, publisher: Any, update: Update, in_memory: Path
) -> None:
    update(publisher.strict("1.1.0"))
    inbox = in_memory / "inbox"
    inbox.mkdir()
    table(inbox / "day.csv", *[BAD] * 120)
    watch = open_watch(state.root, inbox, None, model=None, every=0.05, settle=0.0)
    stop, warned = Stop(), list[str]()

    def tell(handled: Any) -> None:
        stop.asked = True

    thread = threading.Thread(target=keep_watching, args=(watch, tell, warned.append, stop))
    thread.start()
    thread.join(60)
    assert verdicts(inbox / "scored" / "day.csv") == ["warned"] * 120
    assert active(state) == "1.0.0"
    assert "failed its probation" in warned[0]


def test_what_came_from_a_pipe_is_told_to_be_scored_with_it(
    state: State, publisher: Any, update: Update, in_memory: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    update(publisher.strict("1.1.0"))
    warned: list[str] = []
    score(state, table(in_memory / "in.csv", *[BAD] * 120), into=Path("-"), warned=warned)
    assert capfdbinary.readouterr().out.count(b"rejected") == 120
    assert "was scored with it" in warned[-1]
    assert active(state) == "1.0.0"


def test_with_nothing_to_go_back_to_nothing_is_watched(
    publisher: Any, in_memory: Path, release_key: PrivateKey
) -> None:
    state = open_state(in_memory / "fresh")
    change_keyring(state, lambda keyring: keyring.add(Pin(release_key.public)))
    file = publisher.strict("1.1.0")
    bundle = open_bundle(file, read_keyring(state))
    place(state, bundle.digest, file.read_bytes())
    with changing(state) as ledger:
        begin(ledger, "tiny", bundle.digest, Probation())
        activate(ledger, slot_of(bundle, NOW), NOW, watched=True)
    assert standing_of(state, "tiny", bundle.digest) is None
    score(state, table(in_memory / "in.csv", *[BAD] * 120), into=in_memory / "out.csv")
    assert active(state) == "1.1.0"


def test_a_bundle_that_is_gone_from_the_disk_gives_way(
    state: State, publisher: Any, update: Update, in_memory: Path
) -> None:
    digest = update(publisher.strict("1.1.0"))
    path = state.bundles / f"{digest}.hako"
    path.write_bytes(path.read_bytes()[:-10])
    score(state, table(in_memory / "in.csv", GOOD), into=in_memory / "out.csv")
    assert active(state) == "1.0.0"


def test_when_the_former_one_was_revoked_meanwhile_this_one_goes_on(
    state: State, publisher: Any, update: Update, in_memory: Path
) -> None:
    (before,) = active_slots(state)
    digest = update(publisher.strict("1.1.0"))
    with changing(state) as ledger:
        ledger.execute("INSERT INTO revoked VALUES ('tiny', ?, '1.0.0', 'leaks')", (before.digest,))
    score(state, table(in_memory / "in.csv", *[BAD] * 120), into=in_memory / "out.csv")
    assert active(state) == "1.1.0"
    assert verdicts(in_memory / "out.csv") == ["rejected"] * 120
    assert standing_of(state, "tiny", digest) is None
    assert events.events_of(state, "tiny")[-1].kind == "failed"


def test_a_watch_begins_though_the_bundle_on_probation_is_damaged(
    state: State, publisher: Any, update: Update, in_memory: Path
) -> None:
    digest = update(publisher.strict("1.1.0"))
    (state.bundles / f"{digest}.hako").write_bytes(b"junk")
    open_watch(state.root, in_memory, None, model=None, every=1.0, settle=0.0)
    assert active(state) == "1.0.0"
