"""When a judged period is an alarm, and when an alarm is over: pure, with a fleet and its groups."""

from collections.abc import Iterable
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hakobu.hub.sightings import Change, Close, Keep, Kind, Last, Matter, Open, Sighting, changes
from hakobu_runtime.format.drift import Judgement
from hakobu_runtime.format.window import Span, Window

FLEET = Matter("tiny", "1.0.0", Kind.DRIFT, "temp")
NORTH = Matter("tiny", "1.0.0", Kind.DRIFT, "temp", "north")
SOUTH = Matter("tiny", "1.0.0", Kind.DRIFT, "temp", "south")
LETTERS = {"A": Judgement.ALARM, "w": Judgement.WARN, ".": Judgement.OK, "?": Judgement.INSUFFICIENT}


def days(letters: str, first: int = 0) -> list[Sighting]:
    """Days from Monday 2 November on, one a letter; a space is a day that nothing was seen of."""
    return [
        Sighting(_day(place), LETTERS[letter], f"day {place}")
        for place, letter in enumerate(letters, start=first)
        if letter != " "
    ]


def week(number: int, letter: str) -> Sighting:
    return Sighting(Window(f"2026-W{number}", Span.WEEK), LETTERS[letter], f"week {number}")


def _day(place: int) -> Window:
    return Window((date(2026, 11, 2) + timedelta(days=place)).isoformat(), Span.DAY)


class Book:
    """The alarms that are open and over, as the database would keep them."""

    def __init__(self) -> None:
        self.last: dict[Matter, Last] = {}
        self.opened: list[tuple[Matter, str]] = []

    def evaluate(self, **seen: Iterable[Sighting]) -> dict[Matter, Change]:
        """Take in what was seen of the fleet and of groups; by the rule, again changes nothing."""
        matters = {"fleet": FLEET, "north": NORTH, "south": SOUTH}
        every = {matters[name]: list(some) for name, some in seen.items()}
        found = changes(every, self.last)
        for matter, change in found.items():
            if isinstance(change, Open | Keep):
                self.last[matter] = Last(change.sighting.window, change.sighting.words, is_open=True)
            else:
                last = self.last[matter]
                self.last[matter] = Last(last.window, last.words, is_open=False)
            if isinstance(change, Open):
                self.opened.append((matter, change.sighting.words))
        assert changes(every, self.last) == {}
        return found

    @property
    def open(self) -> set[Matter]:
        return {matter for matter, last in self.last.items() if last.is_open}


@pytest.fixture
def book() -> Book:
    return Book()


def test_an_alarm_is_opened_once_and_tells_of_the_newest_period(book: Book) -> None:
    book.evaluate(fleet=days("..A"))
    assert book.evaluate(fleet=days("..AA")) == {FLEET: Keep(days("A", 3)[0])}
    assert book.opened == [(FLEET, "day 2")]
    assert book.last[FLEET].words == "day 3"


@pytest.mark.parametrize("letters", ["...", "www", "???", ""])
def test_without_an_alarm_nothing_is_opened(book: Book, letters: str) -> None:
    assert book.evaluate(fleet=days(letters)) == {}


@pytest.mark.parametrize(("letters", "is_open"), [("A..", True), ("A.w.", True), ("A?????", True), ("A.w..", False),
                                                  ("A...", False), ("A..A..", True), ("A..?.", False)])  # fmt: skip
def test_an_alarm_is_over_after_three_later_days_that_are_ok(book: Book, letters: str, is_open: bool) -> None:
    for many in range(1, len(letters) + 1):
        book.evaluate(fleet=days(letters[:many]))
    assert (FLEET in book.open) == is_open
    assert len(book.opened) == 1


def test_an_alarm_stays_open_when_its_days_are_out_of_sight(book: Book) -> None:
    book.evaluate(fleet=days("A"))
    assert book.evaluate(fleet=days("..", 20)) == {}
    assert book.evaluate(fleet=days("...", 20)) == {FLEET: Close()}


def test_what_comes_back_is_a_new_alarm(book: Book) -> None:
    book.evaluate(fleet=days("A"))
    book.evaluate(fleet=days("A..."))
    book.evaluate(fleet=days("A...A"))
    assert book.opened == [(FLEET, "day 0"), (FLEET, "day 4")]


def test_late_counts_of_days_that_are_over_open_nothing(book: Book) -> None:
    assert book.evaluate(fleet=days("AAAA...")) == {}


def test_a_day_that_wavers_around_the_limit_opens_one_alarm(book: Book) -> None:
    for letters in ("A", ".", "A", ".", "A"):
        book.evaluate(fleet=days(letters))
    assert book.opened == [(FLEET, "day 0")]
    assert book.open == {FLEET}


def test_an_alarm_never_goes_back_to_an_earlier_day(book: Book) -> None:
    book.evaluate(fleet=days("A..A"))
    assert book.evaluate(fleet=days("A..w")) == {}


def test_closed_by_hand_only_a_later_day_opens_it_again(book: Book) -> None:
    book.evaluate(fleet=days("AA"))
    book.last[FLEET] = Last(_day(1), "day 1", is_open=False)
    assert book.evaluate(fleet=days("AA")) == {}
    assert book.evaluate(fleet=days("AAA")) == {FLEET: Open(days("A", 2)[0])}


def test_what_a_week_shows_a_quiet_week_answers_and_not_quiet_days(book: Book) -> None:
    book.evaluate(fleet=[week(45, "A")])
    assert book.evaluate(fleet=[week(45, "A"), *days(".....", 7)]) == {}
    assert book.evaluate(fleet=[week(46, "?"), *days(".....", 14)]) == {}
    assert book.evaluate(fleet=[week(46, ".")]) == {FLEET: Close()}


def test_the_week_that_ends_with_its_last_day_is_told_rather_than_that_day(book: Book) -> None:
    book.evaluate(fleet=[week(45, "A"), *days("......A")])
    assert book.opened == [(FLEET, "week 45")]


def test_the_week_around_an_alarm_that_is_over_opens_no_other(book: Book) -> None:
    book.evaluate(fleet=days(" .A..."))
    book.last[FLEET] = Last(_day(2), "day 2", is_open=False)
    assert book.evaluate(fleet=[week(45, "A"), *days(" .A...")]) == {}
    book.evaluate(fleet=[week(46, "A")])
    assert book.opened == [(FLEET, "week 46")]


def test_what_the_fleet_shows_is_one_alarm_not_one_for_each_group(book: Book) -> None:
    book.evaluate(fleet=days("A"), north=days("A"), south=days("A"))
    assert book.opened == [(FLEET, "day 0")]


def test_a_group_alone_has_an_alarm_of_its_own(book: Book) -> None:
    book.evaluate(fleet=days("."), north=days("A"), south=days("."))
    assert book.opened == [(NORTH, "day 0")]


def test_the_alarm_of_a_group_goes_over_into_that_of_the_fleet_and_back(book: Book) -> None:
    book.evaluate(fleet=days("."), north=days("A"))
    book.evaluate(fleet=days(".A"), north=days("AA"), south=days(".A"))
    assert book.open == {FLEET}
    book.evaluate(fleet=days(".A..."), north=days("AAAAA"), south=days(".A..."))
    assert book.open == {NORTH}
    assert book.opened == [(NORTH, "day 0"), (FLEET, "day 1"), (NORTH, "day 4")]


def test_closing_that_of_the_fleet_by_hand_brings_up_no_storm_of_groups(book: Book) -> None:
    book.evaluate(fleet=days("AA"), north=days("AA"), south=days("AA"))
    book.last[FLEET] = Last(_day(1), "day 1", is_open=False)
    assert book.evaluate(fleet=days("AA"), north=days("AA"), south=days("AA")) == {}


LINES = st.text(alphabet="A.w? ", max_size=10)


@given(fleet=LINES, data=st.data())
def test_in_whatever_order_days_come_the_same_alarm_is_open_in_the_end(fleet: str, data: st.DataObject) -> None:
    book, seen = Book(), []
    for sighting in data.draw(st.permutations(days(fleet))):
        seen.append(sighting)
        if data.draw(st.booleans()):
            book.evaluate(fleet=seen)
    book.evaluate(fleet=days(fleet))
    at_once = Book()
    at_once.evaluate(fleet=days(fleet))
    assert book.open == at_once.open
    # However often it was looked, no alarm was opened twice for the same day.
    assert len(book.opened) == len(set(book.opened))


@given(fleet=LINES, north=LINES, south=LINES, weeks=st.text(alphabet="A.w?", min_size=2, max_size=2))
def test_no_alarm_of_a_group_is_open_beside_that_of_the_fleet(fleet: str, north: str, south: str, weeks: str) -> None:
    book = Book()
    for many in range(1, 11):
        told = [week(45 + place, letter) for place, letter in enumerate(weeks) if many > 7 * (place + 1)]
        book.evaluate(fleet=[*days(fleet[:many]), *told], north=days(north[:many]), south=days(south[:many]))
        assert book.open == {FLEET} or FLEET not in book.open
