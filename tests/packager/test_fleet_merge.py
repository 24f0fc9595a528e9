"""Whatever happens to parcels on their way, the fleet's counts are those of all rows, had they been in one place."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hakobu.fleet.merge import counts_of, merge, merge_outcomes, outcome_totals, place_of, total
from hakobu_runtime.errors import FormatError
from hakobu_runtime.format.counts import WindowCounts
from hakobu_runtime.format.outcome import SCHEMA as OUTCOME
from hakobu_runtime.format.outcome import Outcome, OutcomeCounts
from hakobu_runtime.format.tally import SCHEMA, ModelName, Tally
from hakobu_runtime.format.window import Span, Window
from hakobu_runtime.journal import Journal

START = datetime(2026, 3, 1, tzinfo=UTC)
MODELS = tuple(ModelName("tiny", version, sha256(version.encode()).hexdigest()) for version in ("1.0.0", "1.1.0"))


def tally(window: Window, rows: int, revision: int = 1, device: str = "device-1", epoch: str = "e") -> Tally:
    counts = (rows, 0)
    return Tally(SCHEMA, device, MODELS[0], window, revision, rows, {"ok": rows}, {"temp": counts}, {}, {}, (), epoch)


def row(slot: int) -> WindowCounts:
    features = {"temp": np.eye(5, dtype=np.int64)[slot], "load": np.eye(5, dtype=np.int64)[4 - slot]}
    breaches = {"temp": {"above": 1}} if slot == 4 else {}
    return WindowCounts(1, {"ok": 1}, features, {"labels": np.eye(2, dtype=np.int64)[slot % 2]}, breaches)


class Afield:
    """A device with a real journal, whose parcels go missing, come twice, and come late."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name, self.path, self.now = name, folder, START
        self.serials = count(1)
        self._open(0)

    def _open(self, number: int) -> None:
        self.number = number
        self.journal = Journal.open(self.path / f"{self.name}-{number}.sqlite", clock=lambda: self.now)

    def lose(self) -> None:
        """Begin a new journal, as after a damaged one."""
        self.journal.close()
        self._open(self.number + 1)

    def score(self, model: ModelName, hour: int, slot: int) -> None:
        self.journal.add(model, {Window.of(START + timedelta(hours=hour), Span.HOUR): row(slot)})

    def send(self) -> tuple[int, tuple[Tally, ...]]:
        serial, found = next(self.serials), self.journal.tallies(self.name, unsent=True)
        self.journal.note_parcel(serial, digest(serial), found)
        return serial, found


def digest(serial: int) -> str:
    return sha256(str(serial).encode()).hexdigest()


def same(one: WindowCounts, other: WindowCounts) -> bool:
    return plain(one) == plain(other)


def plain(counts: WindowCounts) -> dict[str, Any]:
    return {
        "rows": counts.rows,
        "verdicts": {name: n for name, n in counts.verdicts.items() if n},
        "features": {name: found.tolist() for name, found in sorted(counts.features.items())},
        "outputs": {name: found.tolist() for name, found in sorted(counts.outputs.items())},
        "breaches": counts.breaches,
    }


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("score"), st.integers(0, 2), st.integers(0, 1), st.integers(0, 24 * 50), st.integers(0, 4)),
        st.tuples(st.just("send"), st.integers(0, 2)),
        st.tuples(st.just("deliver"), st.integers(0, 50), st.booleans()),
        st.tuples(st.just("sleep"), st.integers(0, 2), st.integers(1, 500)),
        st.tuples(st.just("lose"), st.integers(0, 2)),
    ),
    max_size=40,
)


@contextmanager
def fleet_of(many: int) -> Iterator[list[Afield]]:
    with TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:  # noqa: S108
        devices = [Afield(Path(folder), f"device-{number}") for number in range(many)]
        yield devices
        for device in devices:
            device.journal.close()


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_the_fleet_counts_what_all_rows_count_in_one_place(steps: list[Any]) -> None:
    every: dict[ModelName, WindowCounts] = {model: WindowCounts() for model in MODELS}
    sent: list[tuple[Afield, int, tuple[Tally, ...]]] = []
    home: tuple[Tally, ...] = ()
    came: list[Tally] = []

    def deliver(place: int, *, receipt: bool) -> None:
        nonlocal home
        device, serial, found = sent[place % len(sent)]
        came.extend(found)
        home = merge((*home, *found))
        if receipt:
            device.journal.settle({serial: digest(serial)})

    def send(device: Afield) -> None:
        sent.append((device, *device.send()))

    with fleet_of(3) as devices:
        for act, *rest in steps:
            match act:
                case "score":
                    device, model, hour, slot = devices[rest[0]], MODELS[rest[1]], rest[2], rest[3]
                    device.score(model, hour, slot)
                    every[model].add(row(slot))
                case "send":
                    send(devices[rest[0]])
                case "deliver" if sent:
                    deliver(rest[0], receipt=rest[1])
                case "sleep":
                    devices[rest[0]].now += timedelta(days=rest[1])
                case "lose":  # after its last parcel came home: what was lost before that is lost
                    send(devices[rest[0]])
                    deliver(-1, receipt=False)
                    devices[rest[0]].lose()
        for device in devices:
            for _ in range(2):  # the first may fold windows, which then go once more
                send(device)
                deliver(-1, receipt=True)
            assert device.journal.tallies(device.name, unsent=True) == ()
    for model, counts in every.items():
        assert same(total(one for one in home if one.model == model), counts)
    random.Random(len(steps)).shuffle(came)
    assert merge(came) == home, "what was forgotten on the way makes no difference"
    assert merge((*home, *came)) == home


def test_of_two_revisions_the_higher_holds_whenever_it_comes() -> None:
    old, new = (tally(Window("2026-03-01T09", Span.HOUR), rows, revision) for rows, revision in ((5, 1), (9, 2)))
    assert merge((old, new)) == merge((new, old)) == merge((new, old, old)) == (new,)


def test_a_longer_window_covers_those_inside_it_and_no_others() -> None:
    hour, day = tally(Window("2026-03-01T09", Span.HOUR), 5, 7), tally(Window("2026-03-01", Span.DAY), 8)
    month, other = tally(Window("2026-03", Span.MONTH), 20), tally(Window("2026-04-01T00", Span.HOUR), 1)
    assert merge((hour, day, other)) == (day, other)
    assert merge((hour, month, other, day)) == (month, other)
    stranger = tally(Window("2026-03", Span.MONTH), 20, device="device-2")
    assert merge((stranger, hour)) == (hour, stranger)


def test_a_new_beginning_adds_to_the_one_before() -> None:
    window = Window("2026-03-01T09", Span.HOUR)
    both = merge((tally(window, 5, 9, epoch="a"), tally(window, 3, 1, epoch="b")))
    assert total(both).rows == 8


def test_two_contents_of_one_revision_come_to_the_same_one_in_any_order() -> None:
    window = Window("2026-03-01T09", Span.HOUR)
    one, other = tally(window, 5), msgspec.structs.replace(tally(window, 5), features={"temp": (4, 1)})
    assert merge((one, other)) == merge((other, one))


def test_counts_over_other_slots_are_refused_with_the_name_of_the_device() -> None:
    one = tally(Window("2026-03-01T09", Span.HOUR), 5)
    other = msgspec.structs.replace(one, device="device-2", features={"temp": (5, 0, 0)})
    with pytest.raises(FormatError, match=r"device device-2, tiny 2026-03-01T09: temp: 3 counts cannot be added to 2"):
        total((one, other))


def test_a_tally_holds_its_counts() -> None:
    one = tally(Window("2026-03-01T09", Span.HOUR), 5)
    assert counts_of(one).features["temp"].tolist() == [5, 0]
    assert place_of(one) == ("device-1", MODELS[0], "e", one.window)


# --- what came of predictions ---


def right_and_wrong(right: int, wrong: int) -> OutcomeCounts:
    """Counts of a classification without probabilities."""
    pairs = tuple(pair for pair in ((0, 0, right), (0, 1, wrong)) if pair[2])
    return OutcomeCounts(right + wrong, pairs)


def outcome(revision: int, right: int, wrong: int = 0, device: str = "device-1", unit: int = -20) -> Outcome:
    window = Window("2026-03-01", Span.DAY)
    return Outcome(OUTCOME, device, MODELS[0], window, revision, "e", unit, right_and_wrong(right, wrong))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_outcomes_are_the_same_whatever_comes_twice_late_or_out_of_order(data: st.DataObject) -> None:
    sent: list[Outcome] = []
    expected: dict[tuple[ModelName, Window], OutcomeCounts] = {}
    for device in range(data.draw(st.integers(1, 4))):
        for day in range(1, 4):
            window = Window(f"2026-03-0{day}", Span.DAY)
            # A correction makes the next revision smaller, or other, not only larger.
            revisions = data.draw(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=3))
            for revision, (right, wrong) in enumerate(revisions):
                found = outcome(revision, right, wrong, f"device-{device}")
                sent.append(msgspec.structs.replace(found, window=window))
            place = (MODELS[0], window)
            expected[place] = expected.get(place, OutcomeCounts()).plus(sent[-1].counts)
    arrived = data.draw(st.permutations([*sent, *data.draw(st.lists(st.sampled_from(sent), max_size=5))]))
    cut = data.draw(st.integers(0, len(arrived)))
    merged = merge_outcomes(arrived)
    assert merge_outcomes([*arrived[cut:], *merge_outcomes(arrived[:cut])]) == merged
    assert outcome_totals(merged) == expected


def test_two_contents_of_one_revision_come_to_the_same_in_any_order() -> None:
    one, other = outcome(1, 3, 1), outcome(1, 2, 2)
    assert merge_outcomes([one, other]) == merge_outcomes([other, one])


def test_outcomes_in_other_units_or_of_another_kind_are_not_added_but_told() -> None:
    with pytest.raises(FormatError, match=r"device device-2, tiny 2026-03-01: errors in units of 2\^-10, where others"):
        outcome_totals([outcome(1, 1), outcome(1, 1, device="device-2", unit=-10)])
    number = msgspec.structs.replace(outcome(1, 1, device="device-2"), counts=OutcomeCounts(1, (), (), (), 1, 1, 1))
    with pytest.raises(FormatError, match="device device-2, tiny 2026-03-01: outcomes of different kinds"):
        outcome_totals([outcome(1, 1), number])
