import logging
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from hakobu_runtime.bundle import open_bundle
from hakobu_runtime.device import buffer as buffer_module
from hakobu_runtime.device.buffer import Buffer
from hakobu_runtime.device.load import load
from hakobu_runtime.device.probation import Trial
from hakobu_runtime.device.state import State, open_state
from hakobu_runtime.errors import StateError
from hakobu_runtime.format.counts import WindowCounts
from hakobu_runtime.journal import Journal
from hakobu_runtime.scorer import single as single_module
from hakobu_runtime.scorer.scorer import Scorer
from hakobu_runtime.trust import Keyring

ORDINARY, STRANGE = {"temp": 3.0, "load": 1.0}, {"temp": 9.0, "load": 1.0}


@pytest.fixture
def state(tmp_path: Path) -> State:
    return open_state(tmp_path / "state")


@pytest.fixture
def scorer(tiny_box: Path, keyring: Keyring, state: State, monkeypatch: pytest.MonkeyPatch) -> Scorer:
    monkeypatch.setattr("atexit.register", lambda act: None)  # the folder is gone by then
    return load(tiny_box, trust=keyring, state=state.root)


def counted(state: State) -> int:
    with Journal.open(state.journal) as journal:
        return sum(journal.total(model).rows for model in journal.models())


def test_at_most_1024_rows_wait_whichever_way_they_went(
    scorer: Scorer, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Buffer, "SECONDS", 1000)
    for done in range(1, 2200):
        scorer.score_one(ORDINARY if done % 2 else STRANGE)
        if done % 100 == 0 or 1000 < done < 1050:
            assert done - 1024 <= counted(state) <= done
    scorer.flush()
    assert counted(state) == 2199


def test_no_row_is_lost_to_a_journal_that_does_not_take_the_counts_of_those_before(
    scorer: Scorer, state: State, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Buffer, "SECONDS", 1000)
    state.journal.mkdir()  # no file can be opened there
    with caplog.at_level(logging.WARNING, "hakobu_runtime"):
        verdicts = [scorer.score_one(ORDINARY if done % 3 else STRANGE).verdict for done in range(2100)]
    assert len(verdicts) == 2100
    assert caplog.text.count("counts are waiting for the journal") == 2
    with pytest.raises(StateError, match="cannot be opened"):
        scorer.flush()
    state.journal.rmdir()
    scorer.flush()
    assert counted(state) == 2100


def test_what_the_journal_does_not_take_at_the_end_is_said_to_be_lost(
    tiny_box: Path, keyring: Keyring, state: State, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Buffer, "SECONDS", 1000)
    at_exit: list[Callable[[], None]] = []
    monkeypatch.setattr(buffer_module, "atexit", SimpleNamespace(register=at_exit.append))
    scorer = load(tiny_box, trust=keyring, state=state.root)
    for _ in range(5):
        scorer.score_one(ORDINARY)
    state.journal.mkdir()  # no file can be opened there
    with caplog.at_level(logging.WARNING, "hakobu_runtime"):
        at_exit[0]()
    assert "the program ends, and with it the counts of 5 rows: " in caplog.text


def test_whoever_hears_of_a_journal_that_takes_no_counts_may_score(
    scorer: Scorer, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Buffer, "SECONDS", 1000)
    state.journal.mkdir()  # no file can be opened there
    heard = []

    class Scoring(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard.append(scorer.score_one(STRANGE).verdict)

    handler = Scoring()
    logging.getLogger("hakobu_runtime").addHandler(handler)
    try:
        work = threading.Thread(target=lambda: [scorer.score_one(ORDINARY) for _ in range(1100)], daemon=True)
        work.start()
        work.join(30)
    finally:
        logging.getLogger("hakobu_runtime").removeHandler(handler)
    assert not work.is_alive()
    assert len(heard) == 1


def test_what_the_probation_could_not_take_it_gets_with_the_next_counts(
    tiny_box: Path, keyring: Keyring, state: State, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Buffer, "SECONDS", 1000)
    taken: list[int] = []

    class Locked:
        failed = ""

        def note(self, counts: Iterable[WindowCounts]) -> None:
            if not taken:
                taken.append(0)
                raise StateError("ledger.sqlite: is locked")
            taken.append(sum(found.rows for found in counts))

    bundle = open_bundle(tiny_box, keyring)
    scorer = Scorer(bundle.manifest, bundle.model, Buffer(state, bundle, cast("Trial", Locked())))
    with caplog.at_level(logging.WARNING, "hakobu_runtime"):
        for _ in range(1001):
            scorer.score_one(ORDINARY)
    assert "the probation is not judged: ledger.sqlite: is locked" in caplog.text
    assert counted(state) == 1000
    scorer.flush()
    assert taken == [0, 1001]
    assert counted(state) == 1001


def test_rows_of_several_threads_that_go_the_fast_way_are_each_counted_once(
    scorer: Scorer, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (buffer_module, single_module):
        monkeypatch.setattr(module, "ENOUGH", 50)
    monkeypatch.setattr(Buffer, "SECONDS", 0.01)
    temps, threads, rounds = (0.5, 1.5, 2.5, 3.5), 4, 1500

    def work(own: int) -> None:
        for done in range(rounds):
            scorer.score_one({"temp": temps[(own + done % 7) % 4], "load": own})
            if done % 400 == own:
                scorer.flush()

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        working = [threading.Thread(target=work, args=(own,)) for own in range(threads)]
        for thread in working:
            thread.start()
        for thread in working:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    scorer.flush()
    chosen = [temps[(own + done % 7) % 4] for own in range(threads) for done in range(rounds)]
    feature = scorer.manifest.features[0]
    with Journal.open(state.journal) as journal:
        (model,) = journal.models()
        total = journal.total(model)
    assert total.rows == len(chosen)
    assert total.features["temp"].tolist() == feature.number_bins.count(np.array(chosen, dtype=np.float32)).tolist()
    assert sum(total.verdicts.values()) == total.outputs["labels"].sum() == total.latency.sum() == len(chosen)


def test_counts_that_the_journal_does_not_take_wait_with_a_warning_and_go_later(
    scorer: Scorer, state: State, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Buffer, "SECONDS", 0.05)
    state.journal.mkdir()  # no file can be opened there
    scorer.score_one(ORDINARY)
    latest = time.monotonic() + 10
    with caplog.at_level(logging.WARNING, "hakobu_runtime"):
        while not caplog.records and time.monotonic() < latest:
            time.sleep(0.01)
    assert "counts are waiting for the journal" in caplog.text
    state.journal.rmdir()
    scorer.score_one(STRANGE)
    scorer.flush()
    assert counted(state) == 2
