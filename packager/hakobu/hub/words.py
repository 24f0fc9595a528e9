"""The words of the hub's pages: English in the source, Japanese by `templates/hub/ja.po`; numbers and dates as people
of that language write them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO

from babel import Locale, negotiate_locale
from babel.dates import format_date, format_datetime, format_timedelta
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal, format_percent

from hakobu.hub.sentences import SENTENCES
from hakobu.resources import folder
from hakobu_runtime.format.window import Span, parse_start

LANGUAGES: Mapping[str, str] = {"en": "English", "ja": "日本語"}
"""By their codes, as their speakers call them."""

_FORMATS = {
    "en": ("d MMM y", "d MMM y, HH:mm", "MMM y", "d MMM"),
    "ja": ("y年M月d日", "y年M月d日 HH:mm", "y年M月", "M/d"),
}
"""Day, moment, month, and the shortest: CLDR's own patterns of English put the month first."""
_JUST = timedelta(minutes=1)
_PLACE = re.compile(r"%\\\((\w+)\\\)s")


@dataclass(frozen=True, slots=True)
class Words:
    """What to say in one language; calling it translates a text, whose `%(name)s` are filled in."""

    language: str
    catalogue: NullTranslations

    def __call__(self, text: str, **values: object) -> str:
        """Return `text` in this language."""
        found = self.catalogue.gettext(text) if text else ""
        return found % values if values else found

    def many(self, one: str, more: str, number: int, **values: object) -> str:
        """Return the text that fits `number`, which `%(number)s` stands for."""
        return self.catalogue.ngettext(one, more, number) % {"number": self.number(number), **values}

    def told(self, sentence: str) -> str:
        """Return a sentence that another part of hakobu wrote in English; as it is where it is not known."""
        if self.language == "en":
            return sentence
        for text, pattern in _patterns():
            if found := pattern.fullmatch(sentence):
                parts = {name: self.told(part) for name, part in found.groupdict().items()}
                return self(text, **parts) if parts else self(text)
        return sentence

    def number(self, value: float, decimals: int | None = None) -> str:
        """Return a number with its groups of thousands; with so many decimals where they are told."""
        pattern = None if decimals is None else "#,##0" + ("." + "0" * decimals if decimals else "")
        return format_decimal(value, format=pattern, locale=self.language)

    def share(self, value: float, decimals: int = 0) -> str:
        """Return a share in per cent."""
        pattern = "#,##0" + ("." + "0" * decimals if decimals else "") + "%"
        return format_percent(value, format=pattern, locale=self.language)

    def day(self, value: date) -> str:
        """Return a day."""
        return format_date(value, _FORMATS[self.language][0], locale=self.language)

    def moment(self, value: datetime) -> str:
        """Return a time of day in UTC, which is what everything is counted in."""
        return format_datetime(value.astimezone(UTC), _FORMATS[self.language][1], locale=self.language) + " UTC"

    def told_moment(self, text: str) -> str:
        """Return a time that a device wrote, in ISO 8601; as it is where it is none."""
        try:
            return self.moment(datetime.fromisoformat(text))
        except (ValueError, OverflowError):  # the latter for the year 1, or 9999, in a zone that leads out of it
            return text

    def ago(self, value: datetime, now: datetime) -> str:
        """Return how long ago something was."""
        if abs(value - now) < _JUST:
            return self("just now")
        return format_timedelta(value - now, add_direction=True, locale=self.language)

    def window(self, start: str) -> str:
        """Return the name of a window that starts at `start`: a day, a week, a month."""
        span = _SPANS[len(start)]
        moment = parse_start(start, span)
        if span is Span.WEEK:
            return self("week of %(day)s", day=self.day(moment))
        return format_date(moment, _FORMATS[self.language][2 if span is Span.MONTH else 0], locale=self.language)

    def short_day(self, value: date) -> str:
        """Return a day without its year, for the end of an axis."""
        return format_date(value, _FORMATS[self.language][3], locale=self.language)


_SPANS = {10: Span.DAY, 8: Span.WEEK, 7: Span.MONTH}


def words_for(asked: str | None, kept: str | None, accepted: str | None) -> Words:
    """Return the words in the language that is `asked` for, was `kept` in a cookie, or is `accepted` by a browser."""
    for code in (asked, kept):
        if code in LANGUAGES:
            return _words(code)
    wished = [part.partition(";")[0].strip() for part in sorted((accepted or "").split(","), key=_weight)]
    return _words((negotiate_locale(wished[:20], list(LANGUAGES), sep="-") or "en")[:2])


def _weight(part: str) -> float:
    """Return the place of a language in an Accept-Language, the most wanted first."""
    _, _, quality = part.partition(";q=")
    try:
        return -float(quality) if quality else -1.0
    except ValueError:
        return 0.0


@cache
def _words(language: str) -> Words:
    if language == "en":
        return Words("en", NullTranslations())
    with (folder("templates") / "hub" / f"{language}.po").open("rb") as source:
        catalogue = read_po(source, locale=Locale(language))
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return Words(language, GNUTranslations(compiled))


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Return each known sentence with what matches it, its places named; those without places first."""
    ordered = sorted(SENTENCES, key=lambda text: "%(" in text)
    return tuple((text, re.compile(_PLACE.sub(r"(?P<\1>.+?)", re.escape(text)))) for text in ordered)
