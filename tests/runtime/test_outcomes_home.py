"""Outcomes leave as tallies do: until a receipt speaks of them, at the revision that went."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner

from hakobu_runtime.cli import main
from hakobu_runtime.device.condition import examine
from hakobu_runtime.device.counting import open_journal
from hakobu_runtime.device.follow import take_follow
from hakobu_runtime.device.homecoming import settle
from hakobu_runtime.device.outcomes_joining import join
from hakobu_runtime.device.outcomes_labels import Labels
from hakobu_runtime.device.outcomes_part import Part
from hakobu_runtime.device.outcomes_setting import turn_on
from hakobu_runtime.device.outcomes_store import Store
from hakobu_runtime.device.outgoing import Packed, gather, pack
from hakobu_runtime.device.state import State, open_state
from hakobu_runtime.device.status import device_status
from hakobu_runtime.device.stick import carry
from hakobu_runtime.errors import DamageError
from hakobu_runtime.format.counts import WindowCounts
from hakobu_runtime.format.follow import Follow
from hakobu_runtime.format.outcome import Subject
from hakobu_runtime.format.tally import ModelName
from hakobu_runtime.format.window import Span, Window
from hakobu_runtime.uplink.parcel import read_parcel
from hakobu_runtime.uplink.stick import Stick

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
MODEL = ModelName("tiny", "1.0.0", sha256(b"tiny").hexdigest())
SUBJECT = Subject(MODEL, "late", ("no", "yes"), True, -20, {}, 1000)


@pytest.fixture
def state(in_memory: Path) -> State:
    return open_state(in_memory / "state")


def predict(state: State, day: str, *ids: int) -> None:
    many = len(ids)
    part = Part.fresh(np.array(ids, np.uint64), np.ones(many, int), np.full(many, 0.75, np.float32))
    with Store.open(state.predictions) as store:
        store.keep(SUBJECT, {day: [part]}, 90, NOW)


def label(state: State, truth: float, *ids: int) -> None:
    labels = Labels(np.array(ids, np.uint64), np.full(len(ids), truth), np.arange(1, len(ids) + 1))
    with Store.open(state.predictions) as store:
        join(store, (SUBJECT,), 90, labels)


def leaving(state: State) -> list[tuple[str, int, int]]:
    """The days of outcomes that would leave: which, at what revision, of how many rows."""
    found = [outcome for parcel in gather(state, NOW) for outcome in parcel.outcomes]
    return [(one.window.start, one.revision, one.counts.rows) for one in found]


def sent(state: State) -> dict[int, str]:
    """Send all; return what a receipt would say."""
    return {one.parcel.serial: digest(one) for one in pack(state, NOW)}


def digest(packed: Packed) -> str:
    return read_parcel(packed.content, "it").digest


def test_outcomes_go_until_they_are_known_to_have_come_home(state: State) -> None:
    predict(state, "2026-11-20", 1, 2, 3)
    predict(state, "2026-11-21", 4)
    assert leaving(state) == []
    label(state, 1.0, 1, 2, 4)
    assert [leaving(state) for _ in range(2)] == [[("2026-11-20", 1, 2), ("2026-11-21", 1, 1)]] * 2
    homes = sent(state)
    label(state, 1.0, 3)
    assert settle(state, homes) == 2
    assert leaving(state) == [("2026-11-20", 2, 3)], "what was joined since has not come home"
    assert settle(state, homes) == 0
    assert settle(state, sent(state)) == 1
    assert leaving(state) == []
    assert [len(parcel.outcomes) for parcel in gather(state, NOW, every=True)] == [2]


def test_what_is_corrected_goes_once_more_also_when_nothing_is_left_of_it(state: State) -> None:
    predict(state, "2026-11-20", 1)
    label(state, 1.0, 1)
    settle(state, sent(state))
    label(state, 0.0, 1)
    assert leaving(state) == [("2026-11-20", 2, 1)]
    predict(state, "2026-11-21", 1)
    label(state, 0.0, 1)
    assert leaving(state) == [("2026-11-20", 3, 0), ("2026-11-21", 1, 1)]


def test_a_receipt_settles_windows_and_outcomes_together_and_another_one_nothing(state: State) -> None:
    with open_journal(state, lambda words: None) as journal:
        counts = WindowCounts(1, {"ok": 1}, {"temp": np.array([1, 0], dtype=np.int64)})
        journal.add(MODEL, {Window.of(NOW, Span.HOUR): counts})
    predict(state, "2026-11-20", 1)
    label(state, 1.0, 1)
    ((serial, found),) = sent(state).items()
    assert settle(state, {serial: "0" * 64, serial + 1: found}) == 0
    assert settle(state, {serial: found}) == 2


def test_days_of_too_few_labels_wait_and_taken_back_ones_do_not(state: State) -> None:
    follow = Follow("hakobu.follow/1", "tiny", "stable", "{}", "2026-01-01T00:00:00+00:00", least_rows=3)
    take_follow(state, follow)
    predict(state, "2026-11-20", 1, 2, 3)
    label(state, 1.0, 1, 2)
    assert leaving(state) == []
    label(state, 1.0, 3)
    assert leaving(state) == [("2026-11-20", 2, 3)]
    settle(state, sent(state))
    predict(state, "2026-11-21", 1, 2, 3)
    label(state, 1.0, 1, 2, 3)
    assert leaving(state) == [("2026-11-20", 3, 0), ("2026-11-21", 1, 3)]


def test_more_than_fits_goes_in_several_parcels_and_each_settles_its_own(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hakobu_runtime.device.outgoing._ROOM", 1500)
    for day in range(10, 16):
        predict(state, f"2026-11-{day}", day)
        label(state, 1.0, day)
    homes = sent(state)
    assert len(homes) > 2
    for serial, found in homes.items():
        assert settle(state, {serial: found}) >= 1
    assert leaving(state) == []


def test_damaged_outcomes_keep_no_window_from_leaving(state: State) -> None:
    predict(state, "2026-11-20", 1)
    state.predictions.write_bytes(b"no database" * 1000)
    with open_journal(state, lambda words: None) as journal:
        counts = WindowCounts(1, {"ok": 1}, {"temp": np.array([1, 0], dtype=np.int64)})
        journal.add(MODEL, {Window.of(NOW, Span.HOUR): counts})
    with pytest.raises(DamageError), Store.open(state.predictions):
        pass
    assert settle(state, sent(state)) == 1


def test_a_store_of_before_outcomes_travelled_is_brought_up_to_date(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as earlier:
        earlier.setattr("hakobu_runtime.device.outcomes_store._STEPS", _first_step())
        predict(state, "2026-11-20", 1)
    label(state, 1.0, 1)
    assert leaving(state) == [("2026-11-20", 1, 1)]


def _first_step() -> tuple[tuple[str, ...], ...]:
    from hakobu_runtime.device import outcomes_store

    return outcomes_store._STEPS[:1]


def test_outcomes_leave_on_a_stick_and_stay_there_while_they_may_be_all_that_is_left(
    state: State, in_memory: Path
) -> None:
    stick = Stick(in_memory / "stick")
    stick.place.mkdir(parents=True)

    def bring() -> list[int]:
        assert carry(state, stick, NOW + timedelta(hours=1), lambda words: None).windows == len(leaving(state))
        found = sorted(stick.root.rglob("*.parcel"), key=lambda path: int(path.stem))
        return [len(read_parcel(path.read_bytes(), "it").parcel.outcomes) for path in found]

    for day in (20, 21):
        predict(state, f"2026-11-{day}", day)
        label(state, 1.0, day)
        assert bring() == [day - 19], "the newer parcel holds what the older one did"
    state.predictions.unlink()
    assert bring() == [2, 0]


def test_what_leaves_tells_of_no_row(state: State) -> None:
    predict(state, "2026-11-20", 2**60 + 12345)
    label(state, 1.0, 2**60 + 12345)
    (parcel,) = gather(state, NOW)
    content = msgspec.json.encode(parcel)
    assert str(2**60 + 12345).encode() not in content
    assert b"salt" not in content


def test_status_and_doctor_say_what_is_kept_and_that_damage_ends_the_keeping_alone(state: State) -> None:
    def looked() -> tuple[str, str]:
        (check,) = (one for one in examine(state.root, NOW)[1] if one.name == "predictions")
        return check.health.value, check.words

    assert device_status(state, NOW).kept is None
    assert looked() == ("ok", "not there yet; none is kept")
    turn_on(state, 90, ())
    assert looked() == ("ok", "not there yet; they are kept for 90 days of use")
    predict(state, "2026-11-20", 1, 2, 3)
    label(state, 1.0, 1, 2)
    assert looked() == ("ok", "kept for 90 days of use, 3 are here; 0.0 MB, whole")
    found = device_status(state, NOW).kept
    assert found is not None
    assert (found.rows, found.labels, found.days, found.damage) == (3, 2, 90, "")
    with Store.open(state.predictions) as store, store._database.writing() as connection:
        connection.execute("UPDATE parts SET packed = x'00112233'")
    assert looked()[0] == "warning"
    state.predictions.write_bytes(b"no database" * 1000)
    assert looked()[0] == "warning"
    assert "is damaged" in looked()[1]
    shown = device_status(state, NOW).words()
    assert "keeps    " in shown
    assert "is damaged" in shown


def test_what_leaves_can_be_read_before_it_does(state: State, tmp_path: Path) -> None:
    predict(state, "2026-11-20", 1, 2)
    label(state, 1.0, 1, 2)
    shown = CliRunner().invoke(main, ["--state", str(state.root), "export", "--show"]).output
    assert "outcomes  tiny 1.0.0, the day 2026-11-20, revision 1: 2 rows with a label" in shown
    assert "true class as predicted class, by their places: 1 as 1 2" in shown
    written = CliRunner().invoke(main, ["--state", str(state.root), "export", "-o", str(tmp_path / "it.parcel")])
    assert "(parcel 1, 0 windows, 1 day of outcomes, " in written.output
    assert len(read_parcel((tmp_path / "it.parcel").read_bytes(), "it").parcel.outcomes) == 1
