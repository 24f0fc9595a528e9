"""The words of the hub's pages: every text has its Japanese, with the same places, and numbers read as they should."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po
from hypothesis import given
from hypothesis import strategies as st

import hakobu.hub
from hakobu.fleet.odd import odd
from hakobu.hub.pages.standings import Trouble
from hakobu.hub.refusals import Kind
from hakobu.hub.sentences import NAMES, SENTENCES
from hakobu.hub.words import LANGUAGES, Words, words_for
from hakobu.resources import folder
from hakobu_runtime.device.events import Kind as Event
from hakobu_runtime.format.concept import judge_outcomes
from hakobu_runtime.format.counts import WindowCounts
from hakobu_runtime.format.drift import judge
from hakobu_runtime.format.feature import Baseline
from hakobu_runtime.format.histogram import CategoryBins, NumberBins
from hakobu_runtime.format.manifest import Manifest, Metric
from hakobu_runtime.format.outcome import OutcomeCounts, Subject
from hakobu_runtime.format.tally import ModelName
from hakobu_runtime.format.validation import Outcome
from hakobu_runtime.format.window import Span
from hakobu_runtime.limits.breach import Rule

ENGLISH, JAPANESE = words_for("en", None, None), words_for("ja", None, None)
NOW = datetime(2026, 11, 21, 9, 5, tzinfo=UTC)
Key = str | tuple[str, ...]


def spoken_in(path: Path, method: str, keywords: dict[str, tuple[int, ...] | None]) -> Iterator[Key]:
    for _, message, _, _ in extract(method, BytesIO(path.read_bytes()), keywords, options={"trim_blocks": "true"}):
        yield message if isinstance(message, str) else tuple(part for part in message if part)


@pytest.fixture(scope="module")
def source() -> set[Key]:
    """All texts that the pages may say."""
    found: set[Key] = set()
    for path in (folder("templates") / "hub").glob("*.jinja"):
        found |= set(spoken_in(path, "jinja2.ext:babel_extract", {"_": None, "many": (1, 2)}))
    place = Path(hakobu.hub.__path__[0])
    for path in place.rglob("*.py"):
        keywords: dict[str, tuple[int, ...] | None] = {"spoken": None}
        if (path.parent != place and path.parent.name != "web") or path.name == "words.py":
            keywords |= {"words": None, "self": None, "many": (1, 2)}
        found |= set(spoken_in(path, "python", keywords))
    return found - {"", "%(number)s"}


@pytest.fixture(scope="module")
def catalogue() -> Catalog:
    with (folder("templates") / "hub" / "ja.po").open("rb") as file:
        return read_po(file, locale="ja")


def known(catalogue: Catalog) -> dict[Key, str]:
    found = {}
    for message in catalogue:
        if message.id:
            key = tuple(message.id) if isinstance(message.id, list | tuple) else message.id
            string = message.string or ""
            found[key] = string if isinstance(string, str) else string[0]
    return found


def test_every_text_of_the_pages_has_its_japanese(source: set[Key], catalogue: Catalog) -> None:
    assert len(source) > 250
    assert sorted(map(str, source - {key for key, text in known(catalogue).items() if text})) == []


def test_the_catalogue_has_nothing_that_no_page_says(source: set[Key], catalogue: Catalog) -> None:
    assert sorted(map(str, known(catalogue).keys() - source)) == []


def test_a_translation_has_the_places_of_its_text_and_no_others(catalogue: Catalog) -> None:
    for key, text in known(catalogue).items():
        originals = [key] if isinstance(key, str) else key
        wanted = {place for original in originals for place in re.findall(r"%\((\w+)\)s", original)}
        assert set(re.findall(r"%\((\w+)\)s", text)) == wanted, key
        assert re.sub(r"%\(\w+\)s", "", text).count("%(") == 0, key


def test_texts_with_places_can_be_filled_in(source: set[Key], catalogue: Catalog) -> None:
    for key in source:
        for original in [key] if isinstance(key, str) else key:
            places = re.findall(r"%\((\w+)\)s", original)
            if places:
                values = dict.fromkeys(places, "x")
                assert original % values
                assert known(catalogue)[key] % values


def test_every_value_that_is_shown_by_its_name_has_its_japanese() -> None:
    shown = {*map(str, (*Trouble, *Kind, *Event, *Outcome, *Rule, Span.DAY, Span.WEEK, Span.MONTH))}
    assert shown <= {*NAMES, *SENTENCES, "blocked", "passed"}


@pytest.mark.parametrize(
    ("asked", "kept", "accepted", "language"),
    [
        (None, None, None, "en"),
        (None, None, "ja-JP,ja;q=0.9,en;q=0.8", "ja"),
        (None, None, "de-DE,de;q=0.9,ja;q=0.5,en;q=0.4", "ja"),
        (None, None, "en;q=0.4,ja;q=0.9", "ja"),
        (None, "ja", "en", "ja"),
        ("en", "ja", "ja", "en"),
        ("tlh", "xx", "zz;q=what,,;", "en"),
    ],
)
def test_the_language_is_the_one_asked_for_then_kept_then_accepted(
    asked: str | None, kept: str | None, accepted: str | None, language: str
) -> None:
    assert words_for(asked, kept, accepted).language == language


@given(st.text(max_size=200))
def test_whatever_a_browser_accepts_there_is_a_language(accepted: str) -> None:
    assert words_for(None, None, accepted).language in LANGUAGES


def test_numbers_and_dates_read_as_people_of_the_language_write_them() -> None:
    assert ENGLISH.number(1234567) == "1,234,567"
    assert ENGLISH.number(0.12345, 3) == "0.123"
    assert (ENGLISH.share(0.873), ENGLISH.share(0.0873, 1)) == ("87%", "8.7%")
    assert (ENGLISH.day(date(2026, 11, 2)), JAPANESE.day(date(2026, 11, 2))) == ("2 Nov 2026", "2026年11月2日")
    assert JAPANESE.moment(NOW) == "2026年11月21日 09:05 UTC"
    assert (ENGLISH.window("2026-11"), JAPANESE.window("2026-11")) == ("Nov 2026", "2026年11月")
    assert ENGLISH.window("2026-W47") == "week of 16 Nov 2026"
    assert JAPANESE.window("2026-W47") == "2026年11月16日 の週"


def test_how_long_ago_something_was_is_said_in_words() -> None:
    assert ENGLISH.ago(NOW - timedelta(hours=3), NOW) == "3 hours ago"
    assert JAPANESE.ago(NOW - timedelta(days=2), NOW) == "2 日前"
    assert ENGLISH.ago(NOW - timedelta(seconds=1), NOW) == "just now"


def test_a_time_that_is_none_stays_as_the_device_wrote_it() -> None:
    assert ENGLISH.told_moment("2026-11-21T09:05:00+00:00") == "21 Nov 2026, 09:05 UTC"
    assert ENGLISH.told_moment("yesterday") == "yesterday"
    for text in ("0001-01-01T00:00:00+12:00", "9999-12-31T23:59:59-12:00"):  # in UTC, of no year that there is
        assert JAPANESE.told_moment(text) == text


def test_a_sentence_that_is_not_known_stays_as_it_is() -> None:
    assert JAPANESE.told("the disk is full, as I told you") == "the disk is full, as I told you"


def said_by_drift() -> Iterator[str]:
    numbers = Baseline(NumberBins((0.0, 1.0, 2.0, 3.0)), (10, 300, 300, 300, 0, 50, 5))
    names = Baseline(CategoryBins(("a", "b")), (500, 300, 100, 50))
    for slot in range(7):
        live = np.full(7, 20, dtype=np.int64)
        live[slot] += 2000
        for scale in (1, 2000):
            for one in judge({"x": numbers}, {"x": live // scale}, Span.DAY):
                yield one.words()
    for slot in range(4):
        counts = np.array([500, 300, 100, 50], dtype=np.int64)
        counts[slot] += 700
        yield from (one.words() for one in judge({"c": names}, {"c": counts}, Span.DAY))
    yield from (one.words() for one in judge({"x": numbers}, {"x": np.array(numbers.counts)}, Span.WEEK))


def said_by_outcomes() -> Iterator[str]:
    model = ModelName("m", "1.0.0", "a" * 64)
    subject = Subject(model, "y", ("a", "b"), False, -20, {"accuracy": Metric(0.9, 0.9)}, 5000)
    for right, days in ((270, 10), (150, 10), (255, 2), (3, 1)):
        wrong = max(300 - right, 0) if right > 10 else 2
        day = OutcomeCounts(right + wrong, tuple(cell for cell in ((0, 0, right), (0, 1, wrong)) if cell[2]))
        for drifted in (True, False):
            yield from (one.words() for one in judge_outcomes(subject, [day] * days, inputs_drifted=drifted))


def said_of_odd_devices(manifest: Manifest) -> Iterator[str]:
    for slot in range(6):
        by_device = {}
        for place in range(20):
            counts = np.array([0, 50, 50, 0, 0, 0], dtype=np.int64)
            if place == 0:
                counts = np.zeros(6, dtype=np.int64)
                counts[slot] = 100
            by_device[f"device-{place:02d}"] = WindowCounts(100, features={"temp": counts, "load": np.array(counts)})
        yield from (one.words for one in odd(manifest, by_device))


def test_what_is_said_of_drift_outcomes_and_odd_devices_is_said_in_japanese_too(tiny_manifest: Manifest) -> None:
    sentences = {*said_by_drift(), *said_by_outcomes(), *said_of_odd_devices(tiny_manifest)}
    assert len(sentences) > 20
    for sentence in sentences:
        for ending in ("", " (without 1 odd device)", " (without 3 odd devices); in 1 of 2 groups: a, b"):
            found = JAPANESE.told(sentence + ending)
            assert re.search(r"[ぁ-ん一-龠]", found), sentence
            assert not re.search(r"\b(rows|training|drift\w*|odd|groups|values|devices|worse|sensor)\b", found), found


@pytest.mark.parametrize(
    ("ending", "japanese"),
    [
        (" (without 1 odd device)", "(異常な端末 1台を除く)"),
        ("; in 1 of 2 groups: north", "。2グループ中 1グループ: north"),
        ("; in 2 of 3 groups: a, b (without 12 odd devices)", "。3グループ中 2グループ: a, b(異常な端末 12台を除く)"),
        ("; in 7 of 9 groups: a, b, c, d, e and 2 more", "。9グループ中 7グループ: a, b, c, d, e ほか2グループ"),
        (
            "; in 7 of 9 groups: a, b, c, d, e and 2 more (without 1 odd device)",
            "。9グループ中 7グループ: a, b, c, d, e ほか2グループ(異常な端末 1台を除く)",
        ),
    ],
)
def test_where_an_alarm_is_and_what_it_leaves_out_is_said_in_japanese(ending: str, japanese: str) -> None:
    told = JAPANESE.told("temp is as in training")
    assert JAPANESE.told("temp is as in training" + ending) == told + japanese


def test_a_sentence_stays_as_it_is_in_english() -> None:
    for sentence in said_by_drift():
        assert ENGLISH.told(sentence) == sentence


@given(st.text(max_size=300))
def test_whatever_a_device_says_can_be_shown(text: str) -> None:
    assert isinstance(JAPANESE.told(text), str)


def test_many_are_told_apart_from_one() -> None:
    assert ENGLISH.many("%(number)s device", "%(number)s devices", 1) == "1 device"
    assert ENGLISH.many("%(number)s device", "%(number)s devices", 1200) == "1,200 devices"
    assert JAPANESE.many("%(number)s device", "%(number)s devices", 1200) == "1,200台"
    assert isinstance(JAPANESE, Words)
