"""Labels find their predictions once, whatever comes twice, late, corrected, or of a row that was scored again."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hakobu_runtime.device import outcomes_store
from hakobu_runtime.device.outcomes_joining import Found, join
from hakobu_runtime.device.outcomes_labels import Labels
from hakobu_runtime.device.outcomes_part import Part, joined, pack, unpack
from hakobu_runtime.device.outcomes_store import Store
from hakobu_runtime.errors import DamageError, FormatError
from hakobu_runtime.format.outcome import OutcomeCounts, Subject, counts_of
from hakobu_runtime.format.tally import ModelName

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
SUBJECT = Subject(ModelName("late", "1.0.0", "0" * 64), "late", ("no", "yes"), True, -20, {}, 1000)
NUMBERS = Subject(ModelName("size", "1.0.0", "1" * 64), "size", (), False, -18, {}, 1000)
NEXT = Subject(ModelName("late", "1.1.0", "2" * 64), "late", ("no", "yes"), True, -20, {}, 1000)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "predictions.sqlite") as opened:
        yield opened


def part(ids: list[int], *, code: int = 1, score: float = 0.75) -> Part:
    many = len(ids)
    return Part.fresh(np.array(ids, np.uint64), np.full(many, code), np.full(many, score, np.float32))


def labels(truths: dict[int, float]) -> Labels:
    ids = sorted(truths)
    return Labels(
        np.array(ids, np.uint64), np.array([truths[one] for one in ids], np.float64), np.arange(1, len(ids) + 1)
    )


def keep(store: Store, found: dict[str, Part], subject: Subject = SUBJECT, days: int = 90, now: datetime = NOW) -> None:
    store.keep(subject, {start: [one] for start, one in found.items()}, days, now)


def add(store: Store, truths: dict[int, float], *subjects: Subject) -> Found:
    return join(store, subjects or (SUBJECT,), 90, labels(truths))


def total(store: Store) -> OutcomeCounts:
    found = OutcomeCounts()
    for outcome in store.outcomes():
        found = found.plus(outcome.counts)
    return found


def rows_kept(store: Store) -> int:
    return sum(one.rows for one in store.waiting())


def test_the_same_labels_again_change_nothing_not_even_a_revision(store: Store) -> None:
    keep(store, {"2026-11-20": part([1, 2, 3]), "2026-11-21": part([4])})
    assert add(store, {1: 1.0, 2: 0.0, 4: 1.0, 9: 1.0}) == Found(unknown=1, unchanged=0, corrected=0, new=3, refused=())
    before = store.outcomes()
    assert add(store, {1: 1.0, 2: 0.0, 4: 1.0, 9: 1.0}) == Found(unknown=1, unchanged=3, corrected=0, new=0, refused=())
    assert store.outcomes() == before
    assert [(one.window.start, one.counts.rows) for one in before] == [("2026-11-20", 2), ("2026-11-21", 1)]


def test_a_corrected_label_takes_the_place_of_the_earlier_one(store: Store) -> None:
    keep(store, {"2026-11-20": part([1, 2])})
    add(store, {1: 1.0, 2: 1.0})
    (before,) = store.outcomes()
    assert add(store, {1: 0.0}).corrected == 1
    (after,) = store.outcomes()
    assert after.counts.confusion == ((0, 1, 1), (1, 1, 1))
    assert after.revision == before.revision + 1
    assert after.counts.rows == before.counts.rows == 2


def test_of_an_id_that_was_scored_twice_the_last_prediction_gets_the_label(store: Store) -> None:
    keep(store, {"2026-11-20": joined(part([1, 2], code=0, score=0.25), part([1], score=0.5))})
    add(store, {1: 1.0})
    assert store.outcomes()[0].counts.confusion == ((1, 1, 1),)
    keep(store, {"2026-11-21": part([1], code=0, score=0.125)})
    assert total(store).confusion == ((1, 1, 1),)  # until the label comes once more
    add(store, {1: 1.0})
    assert [one.counts.rows for one in store.outcomes()] == [0, 1]
    assert total(store).confusion == ((1, 0, 1),)


def test_each_version_of_a_model_gets_the_labels_of_its_own_predictions(store: Store) -> None:
    keep(store, {"2026-11-20": part([1, 2])})
    keep(store, {"2026-11-20": part([2, 3], code=0, score=0.25)}, NEXT)
    assert add(store, {1: 1.0, 2: 1.0, 3: 1.0, 4: 1.0}, SUBJECT, NEXT) == Found(1, 0, 0, 3, ())
    assert {one.model.version: one.counts.confusion for one in store.outcomes()} == {
        "1.0.0": ((1, 1, 2),),
        "1.1.0": ((1, 0, 2),),
    }


def test_a_number_a_thousand_spreads_away_is_no_label_of_the_row(store: Store) -> None:
    keep(
        store, {"2026-11-20": Part.fresh(np.array([1, 2], np.uint64), np.zeros(2, int), np.array([1.0, 2.0]))}, NUMBERS
    )
    found = add(store, {1: 1e9, 2: 2.5}, NUMBERS)
    assert (found.new, found.refused) == (1, (0,))
    assert total(store).rows == 1


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_whatever_the_order_the_counts_are_those_of_the_last_labels(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    codes, scores = rng.integers(0, 2, 30), rng.random(30).astype(np.float32)
    days = rng.integers(0, 3, 30)
    last: dict[int, float] = {}
    with TemporaryDirectory() as folder, Store.open(Path(folder) / "predictions.sqlite") as store:
        for day in range(3):
            rows = np.flatnonzero(days == day)
            keep(store, {f"2026-11-2{day}": Part.fresh(rows.astype(np.uint64), codes[rows], scores[rows])})
        for truths in data.draw(
            st.lists(st.dictionaries(st.integers(0, 33), st.sampled_from([0.0, 1.0]), max_size=20), max_size=5)
        ):
            add(store, truths)
            last |= {row: truth for row, truth in truths.items() if row < 30}
        known = np.array(sorted(last), dtype=np.int64)
        expected = counts_of(
            SUBJECT, codes[known], scores[known], np.array([last[row] for row in known.tolist()], float)
        )
        assert total(store) == expected
        found = store.outcomes()
        assert len({(one.model, one.window) for one in found}) == len(found)


def test_predictions_go_after_so_many_days_of_use_and_their_counts_stay(store: Store) -> None:
    keep(store, {"2026-11-20": part([1, 2])})
    add(store, {1: 1.0})
    for day in range(1, 4):
        keep(store, {"2026-11-22": part([10 + day])}, days=2, now=NOW + timedelta(days=day))
    assert rows_kept(store) == 3
    assert add(store, {2: 1.0}).unknown == 1
    assert total(store).rows == 1


def test_a_clock_that_jumps_to_2099_and_back_throws_nothing_away(store: Store) -> None:
    keep(store, {"2026-11-20": part([1])})
    keep(store, {"2026-11-20": part([2])}, now=NOW.replace(year=2099))
    keep(store, {"2026-11-20": part([3])})
    assert rows_kept(store) == 3


def test_the_oldest_go_when_there_are_too_many(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outcomes_store, "MOST_ROWS", 20)
    monkeypatch.setattr(outcomes_store, "_SMALL", 5)
    for start in range(10):
        keep(store, {"2026-11-20": part(list(range(start * 5, start * 5 + 5)))})
        assert rows_kept(store) <= 20
    assert add(store, {0: 1.0, 49: 1.0}) == Found(1, 0, 0, 1, ())


def test_single_rows_come_into_few_parts(store: Store, tmp_path: Path) -> None:
    for row in range(50):
        keep(store, {"2026-11-20": part([row])})
    assert len(store._database.read("SELECT id FROM parts")) == 1
    assert add(store, dict.fromkeys(range(50), 1.0)).new == 50


def test_forgetting_leaves_the_counts_and_no_byte_of_an_id(store: Store, tmp_path: Path) -> None:
    secret = 0x1122334455667788
    keep(store, {"2026-11-20": part([secret] * 300)})
    add(store, {secret: 1.0})
    assert store.forget() == 300
    assert (rows_kept(store), total(store).rows) == (0, 1)
    store._database.close()
    assert secret.to_bytes(8, "little") not in (tmp_path / "predictions.sqlite").read_bytes()


@pytest.mark.parametrize("wide", [np.float32, np.float64])
def test_a_part_comes_back_as_it_was_packed(wide: type[np.floating]) -> None:
    many = np.array([0, 1, 2**64 - 1], np.uint64)
    truths = np.array([np.nan, 0.1, 3.0])
    for codes in ([0, 0, 0], [0, 1, 70_000]):
        before = Part(many, np.array(codes), np.array([0.1, 0.2, -3e30], wide), truths)
        after = unpack(pack(before))
        assert after.scores.dtype == wide
        for one, other in zip(
            (before.ids, before.codes, before.scores, truths),
            (after.ids, after.codes, after.scores, after.truths),
            strict=True,
        ):
            np.testing.assert_array_equal(one, other)


def test_a_bit_that_turned_on_the_disk_is_noticed(store: Store) -> None:
    keep(store, {"2026-11-20": part([1, 2, 3])})
    with store._database.writing() as connection:
        packed = bytearray(connection.execute("SELECT packed FROM parts").fetchone()[0])
        packed[20] ^= 1
        with pytest.raises(FormatError):
            unpack(bytes(packed))
        connection.execute("UPDATE parts SET packed = ?", (bytes(packed),))
    with pytest.raises(DamageError, match=r"predictions\.sqlite: is damaged .* move it away"):
        add(store, {1: 1.0})
