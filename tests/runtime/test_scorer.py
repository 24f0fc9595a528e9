import threading
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
import numpy as np
import pytest

from hakobu_runtime import load
from hakobu_runtime.bundle import Bundle
from hakobu_runtime.device.state import State
from hakobu_runtime.errors import InputError
from hakobu_runtime.format.tally import ModelName
from hakobu_runtime.format.window import Span, Window
from hakobu_runtime.journal import Journal
from hakobu_runtime.rows.columns import block_of
from hakobu_runtime.scorer.counting import count, places
from hakobu_runtime.scorer.scorer import Scorer
from hakobu_runtime.trust import Keyring

ROW = {"load": 60.0, "shifts": 2, "hot": True, "line": "A", "maker": "maker 1", "when": "2026-01-05T10:00"}
NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)


@pytest.fixture
def scorer(machines: Bundle) -> Scorer:
    return Scorer(machines.manifest, machines.model)


def test_one_row_gets_a_class_probabilities_and_a_verdict(scorer: Scorer) -> None:
    score = scorer.score_one(ROW)
    assert score.prediction in ("no", "yes")
    assert sum(score.probabilities.values()) == pytest.approx(1, abs=1e-6)
    assert (score.verdict, score.reasons) == ("ok", ())


def test_a_rejected_row_has_no_score_and_costs_no_other(scorer: Scorer) -> None:
    alone = scorer.score_one(ROW)
    good, bad = scorer.score({name: [cell, cell if name != "line" else "Z"] for name, cell in ROW.items()})
    assert (bad.prediction, bad.probabilities, bad.verdict) == (None, {}, "rejected")
    assert bad.reasons == ("line = 'Z' is not one of the 3 categories seen in training (policy: reject)",)
    assert good == alone


def test_a_clipped_row_is_scored_as_the_end_of_the_range(scorer: Scorer) -> None:
    clipped = scorer.score_one(ROW | {"shifts": 99})
    assert clipped.verdict == "clipped"
    assert clipped.probabilities == scorer.score_one(ROW | {"shifts": 3}).probabilities


def test_a_missing_column_is_an_error_that_names_it(scorer: Scorer) -> None:
    with pytest.raises(InputError, match="load"):
        scorer.score_one({name: cell for name, cell in ROW.items() if name != "load"})


def test_golden_rows_agree_and_a_changed_one_does_not(machines: Bundle, scorer: Scorer) -> None:
    assert scorer.replay(machines.golden) == ()
    wrong = {"no": "yes", "yes": "no", None: None}
    other = msgspec.structs.replace(
        machines.golden,
        predictions=tuple(wrong[p] for p in machines.golden.predictions),  # type: ignore[index]
    )
    kept = sum(prediction is not None for prediction in machines.golden.predictions)
    assert len(scorer.replay(other)) == kept
    off = tuple(None if row is None else (row[0] + 0.001, row[1] - 0.001) for row in machines.golden.probabilities)
    assert len(scorer.replay(msgspec.structs.replace(machines.golden, probabilities=off))) == kept


def counts_of(scorer: Scorer, **columns: Sequence[object]) -> dict[Window, dict[str, object]]:
    rows = max(len(cells) for cells in columns.values())
    table = {name: columns.get(name, [cell] * rows) for name, cell in ROW.items()}
    scored = scorer.score_block(block_of(table, scorer.wanted()))
    found = count(scorer.manifest, scored, places(scorer.manifest, scored.block, NOW), 0.001)
    return {window: {"rows": c.rows, "verdicts": c.verdicts, "features": c.features} for window, c in found.items()}


def test_rows_are_counted_in_the_window_of_their_own_time(scorer: Scorer) -> None:
    found = counts_of(scorer, when=["2026-01-05T10:00", "2026-02-06", "2026-01-05T23:59:59"])
    assert {window.start: counts["rows"] for window, counts in found.items()} == {"2026-01-05": 2, "2026-02-06": 1}


@pytest.mark.parametrize("when", ["1999-01-01", "2031-01-01", "soon", None])
def test_a_time_that_cannot_be_believed_counts_as_now(scorer: Scorer, when: str | None) -> None:
    assert [window.start for window in counts_of(scorer, when=[when])] == ["2026-11-21"]


def test_counts_are_over_what_came_in_not_over_what_the_policies_made_of_it(scorer: Scorer) -> None:
    found = counts_of(scorer, shifts=[99, -5, "x", None, 2])
    counts = next(iter(found.values()))
    shifts = counts["features"]["shifts"]  # type: ignore[index]
    assert (shifts[0], shifts[-3], shifts[-2], shifts[-1], shifts.sum()) == (1, 1, 1, 1, 5)


def test_counts_by_window_add_up_to_the_counts_of_all(scorer: Scorer) -> None:
    rng = np.random.default_rng(0)
    loads = [*rng.normal(50, 30, 200).tolist(), None, "x"]
    days = [f"2026-01-{1 + row % 28:02d}" for row in range(202)]
    apart, whole = counts_of(scorer, load=loads, when=days), counts_of(scorer, load=loads)
    assert len(apart) == 28
    assert len(whole) == 1
    total = sum(counts["features"]["load"] for counts in apart.values())  # type: ignore[index]
    assert np.array_equal(total, next(iter(whole.values()))["features"]["load"])  # type: ignore[index]


def test_counts_of_single_rows_from_several_threads_reach_the_journal_exactly(
    machines: Bundle, keyring: Keyring, tmp_path_factory: pytest.TempPathFactory
) -> None:
    state = State(tmp_path_factory.mktemp("state"))
    scorer = load(machines.path, trust=keyring, state=state.root)

    def work() -> None:
        for _ in range(300):
            scorer.score_one(ROW)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    scorer.flush()
    model = ModelName(machines.manifest.name, machines.manifest.version, machines.digest)
    with Journal.open(state.journal) as journal:
        windows = journal.windows(model)
    assert {window: counts.rows for window, counts in windows.items()} == {Window("2026-01-05", Span.DAY): 1200}
