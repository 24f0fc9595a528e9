"""Predictions are kept where that was asked for, whichever way rows are scored, and labels join them once."""

import csv
import hmac
import io
import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hakobu_runtime.bundle import Bundle
from hakobu_runtime.console.results import results_table
from hakobu_runtime.device.install import install
from hakobu_runtime.device.load import load
from hakobu_runtime.device.outcomes import Asked, Joined, join_command, keep_command
from hakobu_runtime.device.outcomes_ids import Hasher
from hakobu_runtime.device.outcomes_periods import results_command, results_of
from hakobu_runtime.device.outcomes_store import Store
from hakobu_runtime.device.score import Asked as ScoreAsked
from hakobu_runtime.device.score import Listener, Outcome, score_command
from hakobu_runtime.device.state import State, change_keyring, open_state
from hakobu_runtime.device.stop import Stop
from hakobu_runtime.device.stream import Pipes, stream_command
from hakobu_runtime.errors import InputError, StateError, UsageError
from hakobu_runtime.format.outcome import OutcomeCounts
from hakobu_runtime.format.validation import Gate, Stage, Validation
from hakobu_runtime.format.validation import Outcome as Verdict
from hakobu_runtime.format.window import Span
from hakobu_runtime.journal import Journal
from hakobu_runtime.trust import Keyring

HEADER = "id,when,load,shifts,hot,line,maker"
ROWS = 300


def cells(row: int) -> list[str]:
    return [
        f"m{row:05d}",
        f"2026-01-{1 + row % 3:02d}T00:00",
        f"{30 + row % 40}.5",
        "2",
        str(row % 2),
        "ABC"[row % 3],
        "maker 1",
    ]


def table(rows: range) -> str:
    return "\n".join([HEADER, *(",".join(cells(row)) for row in rows)]) + "\n"


def labels(rows: range) -> str:
    return "\n".join(["id,broke", *(f"m{row:05d},{'yes' if row % 3 else 'no'}" for row in rows)]) + "\n"


@pytest.fixture
def state(machines_box: Path, keyring: Keyring, tmp_path: Path) -> State:
    found = open_state(tmp_path / "state")
    change_keyring(found, lambda before: keyring)
    install(found, machines_box, datetime.now(UTC))
    return found


@pytest.fixture
def keeping(state: State) -> State:
    keep_command(state.root, 90, (), off=False)
    return state


def score(state: State, folder: Path, rows: range, name: str = "in") -> Outcome:
    source = folder / f"{name}.csv"
    if not source.exists():
        source.write_text(table(rows))
    return score_command(state.root, ScoreAsked((source,), folder / f"{name}-out.csv"))


def join(state: State, folder: Path, content: str, **asked: object) -> Joined:
    path = folder / "labels.csv"
    path.write_text(content)
    return join_command(state.root, Asked(path, **asked))  # type: ignore[arg-type]


def counted(state: State) -> OutcomeCounts:
    total = OutcomeCounts()
    with Store.open(state.predictions) as store:
        for outcome in store.outcomes():
            total = total.plus(outcome.counts)
    return total


def test_nothing_is_kept_and_no_file_made_unless_it_is_asked_for(state: State, tmp_path: Path) -> None:
    score(state, tmp_path, range(ROWS))
    assert not state.predictions.exists()
    with pytest.raises(StateError, match="hakobu-run keep --days 90"):
        join(state, tmp_path, labels(range(ROWS)))


def test_a_scored_file_is_joined_by_day_with_what_the_output_says(keeping: State, tmp_path: Path) -> None:
    score(keeping, tmp_path, range(ROWS))
    joined = join(keeping, tmp_path, labels(range(ROWS)))
    assert (joined.new, joined.joined, joined.unknown, joined.read.rows) == (ROWS, ROWS, 0, ROWS)
    predicted = [line.split(",")[1] for line in (tmp_path / "in-out.csv").read_text().splitlines()[1:]]
    right = sum(one == ("yes" if row % 3 else "no") for row, one in enumerate(predicted))
    counts = counted(keeping)
    assert sum(many for truth, code, many in counts.confusion if truth == code) == right
    _, results = results_command(keeping.root, None, "day")
    assert [(one.start, one.scored, one.counts.rows) for one in results] == [
        (f"2026-01-0{day}", 100, 100) for day in (1, 2, 3)
    ]


def test_stream_and_library_keep_what_score_keeps(
    keeping: State, machines_box: Path, keyring: Keyring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("atexit.register", lambda act: None)
    score(keeping, tmp_path, range(ROWS))
    join(keeping, tmp_path, labels(range(ROWS)))
    expected = counted(keeping)
    rows = [dict(zip(HEADER.split(","), cells(row), strict=True)) for row in range(ROWS)]
    for row in rows:
        row |= {"load": float(row["load"]), "shifts": 2}  # type: ignore[dict-item]

    def lines() -> None:
        inlet = io.BytesIO("".join(json.dumps(row) + "\n" for row in rows).encode())
        stream_command(keeping.root, None, None, Pipes(inlet, io.BytesIO(), Stop()), lambda words: None)

    def single() -> None:
        scorer = load(machines_box, trust=keyring, state=keeping.root)
        for row in rows:
            scorer.score_one(row)
        scorer.flush()

    def whole() -> None:
        scorer = load(machines_box, trust=keyring, state=keeping.root)
        scorer.score({name: [row[name] for row in rows] for name in rows[0]})
        scorer.flush()

    for way in (lines, single, whole):
        keeping.predictions.unlink()
        way()
        assert join(keeping, tmp_path, labels(range(ROWS))).new == ROWS, way
        assert counted(keeping) == expected, way


def test_a_fast_row_is_kept_with_its_id(
    tiny_box: Path, keyring: Keyring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("atexit.register", lambda act: None)
    state = open_state(tmp_path / "state")
    keep_command(state.root, 90, ("name",), off=False)  # the tiny model names no id column
    scorer = load(tiny_box, trust=keyring, state=state.root)
    for name in (7, "8", None):
        scorer.score_one({"temp": 3.0, "load": 1.0, "name": name})
    scorer.score_one({"temp": 3.0, "load": 1.0})
    scorer.flush()
    with Store.open(state.predictions) as store:
        assert [one.rows for one in store.waiting()] == [2]
        with Journal.open(state.journal) as journal:
            assert journal.total(journal.models()[0]).rows == 4


def test_wrong_labels_are_refused_by_row_and_the_others_joined(keeping: State, tmp_path: Path) -> None:
    score(keeping, tmp_path, range(10))
    joined = join(keeping, tmp_path, "id,broke\nm00001,yes\nm00002,maybe\nm00003,\n,yes\nnobody,no\nm00001,no\n")
    assert (joined.new, joined.unknown, joined.read.refused, joined.read.empty, joined.read.repeated) == (1, 1, 1, 2, 1)
    assert joined.refusals[0].row == 2
    assert joined.refusals[0].reason == "broke = 'maybe' is no class of the model; write one of 'no', 'yes'"
    assert counted(keeping).confusion[0][0] == 0
    with pytest.raises(InputError, match=r"labels\.csv: 1 of 6 rows are refused"):
        joined.refuse()


def test_labels_of_which_none_finds_a_prediction_are_an_error_with_a_remedy(keeping: State, tmp_path: Path) -> None:
    score(keeping, tmp_path, range(10))
    joined = join(keeping, tmp_path, "id,broke\nx1,yes\nx2,no\n")
    with pytest.raises(InputError, match="none of the 2 ids has a kept prediction; check --id"):
        joined.refuse()


def test_the_columns_of_the_labels_may_have_other_names(keeping: State, tmp_path: Path) -> None:
    score(keeping, tmp_path, range(10))
    assert join(keeping, tmp_path, "machine,outcome\nm00001,yes\n", ids=("machine",), label="outcome").new == 1
    with pytest.raises(InputError, match="column 'broke' is missing"):
        join(keeping, tmp_path, "id,outcome\nm00001,yes\n")
    with pytest.raises(UsageError, match="known by id: name as many columns"):
        join(keeping, tmp_path, "a,b,broke\n1,2,yes\n", ids=("a", "b"))


def test_turning_it_off_deletes_what_is_kept_and_leaves_the_counts(keeping: State, tmp_path: Path) -> None:
    score(keeping, tmp_path, range(10))
    join(keeping, tmp_path, labels(range(5)))
    found = keep_command(keeping.root, None, (), off=True)
    assert found.forgotten == 10
    assert counted(keeping).rows == 5
    score(keeping, tmp_path, range(10), "again")
    with Store.open(keeping.predictions) as store:
        assert sum(one.rows for one in store.waiting()) == 0


def test_a_damaged_store_ends_the_keeping_and_not_the_scoring(keeping: State, tmp_path: Path) -> None:
    keeping.predictions.write_bytes(b"no database" * 100)
    (tmp_path / "in.csv").write_text(table(range(10)))
    said: list[str] = []
    asked = ScoreAsked((tmp_path / "in.csv",), tmp_path / "out.csv")
    outcome = score_command(keeping.root, asked, Listener(warn=said.append))
    assert outcome.summaries[0].rows == 10
    assert len(said) == 1
    assert "predictions.sqlite: is damaged" in said[0]


def test_a_table_without_the_id_column_is_scored_with_one_word_about_it(keeping: State, tmp_path: Path) -> None:
    lines = [line.partition(",")[2] for line in table(range(10)).splitlines()]
    (tmp_path / "in.csv").write_text("\n".join(lines) + "\n")
    said: list[str] = []
    score_command(keeping.root, ScoreAsked((tmp_path / "in.csv",), tmp_path / "out.csv"), Listener(warn=said.append))
    assert said == ["no predictions are kept of rows without 'id': no label could ever find them"]


def test_no_id_and_no_plain_hash_of_one_lies_in_the_state_folder(keeping: State, tmp_path: Path) -> None:
    score(keeping, tmp_path, range(10))
    content = b"".join(path.read_bytes() for path in keeping.root.glob("predictions*"))
    assert b"m00001" not in content
    assert keeping.keep.stat().st_mode & 0o077 == 0 or os.name == "nt"


def test_a_damaged_setting_is_told_with_its_remedy(keeping: State, tmp_path: Path) -> None:
    for content in ("{", "{}", keeping.keep.read_text().replace('"salt": "', '"salt": "zz')):
        keeping.keep.write_text(content)
        with pytest.raises(StateError, match=r"keep\.json: .*delete the file"):
            score(keeping, tmp_path, range(10))


def test_an_estimate_before_labels_come_is_given_of_a_calibrated_model_alone(
    keeping: State, machines: Bundle, tmp_path: Path
) -> None:
    score(keeping, tmp_path, range(ROWS))
    gate = Gate(Stage.MODEL, "calibration", "error", "0.01", "<= 0.05", Verdict.PASSED)
    calibrated = replace(machines, validation=Validation("hakobu.validation/1", (gate,)))
    with Journal.open(keeping.journal) as journal:
        assert results_of(machines, journal, None, Span.MONTH, ()) == ()
        (found,) = results_of(calibrated, journal, None, Span.MONTH, ())
    with (tmp_path / "in-out.csv").open(newline="") as file:
        odds = [max(float(row["p_no"]), float(row["p_yes"])) for row in csv.DictReader(file)]
    assert found.estimate is not None
    assert found.estimate.low <= sum(odds) / ROWS <= found.estimate.high
    assert (found.counts.rows, found.standings, found.alarm) == (0, (), False)
    assert "estimate" in found.plain()
    assert "~" in results_table([found], 6)


def test_the_hash_is_hmac_sha256_cut_to_64_bits() -> None:
    salt = os.urandom(32)
    texts = ["", "7", "運ぶ", "x" * 1000]
    found = Hasher(salt.hex()).hashes(texts)
    assert [int(one) for one in found] == [
        int.from_bytes(hmac.digest(salt, text.encode(), "sha256")[:8], "little") for text in texts
    ]


def test_an_id_of_several_columns_keeps_its_parts_apart(tiny_box: Path, keyring: Keyring, tmp_path: Path) -> None:
    from hakobu_runtime.device.outcomes_ids import ids_of
    from hakobu_runtime.format.block import Block

    texts = {"a": np.array(["1", "12", ""], object), "b": np.array(["23", "3", ""], object)}
    found = ids_of(Block(0, 3, {}, texts), ("a", "b"))
    assert found is not None
    assert len(set(found)) == 3
    assert found[2] == ""
    assert ids_of(Block(0, 3, {"a": np.array([7.0, 7.5, np.nan])}, {}), ("a",)) == ["7", "7.5", ""]
    assert ids_of(Block(0, 3, {}, {}), ("a",)) is None


KILLED = """
import os, random, signal, sys, time
from pathlib import Path
from hakobu_runtime.device import run, scoring
from hakobu_runtime.device.score import Asked, score_command
from hakobu_runtime.device.slots import open_active
from hakobu_runtime.device.state import open_state
import arro3.io, onnxruntime, hakobu_runtime.rows.delimited, hakobu_runtime.device.outcomes_store
run.COMMIT_SECONDS = 0.0
scoring.BLOCK_ROWS = 20
state, source, target = map(Path, sys.argv[1:4])
chance = random.Random(5)
def begin(target):
    child = os.fork()
    if not child:
        try:
            score_command(state, Asked((source,), target))
        finally:
            os._exit(0)
    return child
started = time.perf_counter()
os.waitpid(begin(target.with_name("whole.csv")), 0)
whole = time.perf_counter() - started
kills = midway = 0
while not target.exists():
    child = begin(target)
    if kills < 12:
        time.sleep(chance.uniform(0.1, 0.9) * whole)
        os.kill(child, signal.SIGKILL)
        kills += 1
    os.waitpid(child, 0)
    grown = target.with_name(target.name + ".partial")
    midway += not target.exists() and grown.exists() and grown.read_bytes().count(b"\\n") > 20
    if target.exists() and kills < 12:
        target.unlink()
print(kills, midway)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that are cheap to begin")
def test_a_kill_at_any_moment_loses_no_prediction_and_counts_no_label_twice(keeping: State, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text(table(range(ROWS)))
    words = [sys.executable, "-c", KILLED, str(keeping.root), str(tmp_path / "in.csv"), str(tmp_path / "out.csv")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    kills, midway = map(int, done.stdout.split())
    assert kills == 12
    assert midway > 2, "the kills came before anything was committed, so they prove nothing"
    joined = join(keeping, tmp_path, labels(range(ROWS)))
    assert joined.new == ROWS
    assert counted(keeping).rows == ROWS


def test_predictions_are_on_the_disk_before_their_counts_are(
    keeping: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = Journal.checkpoint

    def pulled(*given: Any) -> None:
        checkpoint(*given)
        raise KeyboardInterrupt

    monkeypatch.setattr(Journal, "checkpoint", pulled)
    with pytest.raises(KeyboardInterrupt):
        score(keeping, tmp_path, range(10))
    monkeypatch.undo()
    (done,) = score(keeping, tmp_path, range(10)).summaries  # the same order once more
    assert done.resumed_at == 10
    assert join(keeping, tmp_path, labels(range(10))).new == counted(keeping).rows == 10
