import logging
import time
from pathlib import Path

import pytest

from hakobu_runtime.device.buffer import Buffer
from hakobu_runtime.device.load import load
from hakobu_runtime.device.state import State, open_state
from hakobu_runtime.errors import StateError
from hakobu_runtime.journal import Journal
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
