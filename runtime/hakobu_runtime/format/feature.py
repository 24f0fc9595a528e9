"""What the model is promised of each of its inputs: kind, limits, policy, and the counts seen in training."""

from enum import StrEnum
from math import isfinite

from hakobu_runtime.errors import FormatError
from hakobu_runtime.format.codec import Value
from hakobu_runtime.format.histogram import Bins, CategoryBins, NumberBins, as_counts
from hakobu_runtime.format.window import Span


class Kind(StrEnum):
    """What the cells of a feature hold."""

    NUMBER = "number"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    CATEGORY = "category"
    TEXT = "text"
    """Free text, like a note: its words are the model's business, its length is what is watched."""


class Policy(StrEnum):
    """What becomes of a value that its feature does not allow."""

    REJECT = "reject"
    """The row gets no score."""
    CLIP = "clip"
    """The value is moved to the nearest end of the range."""
    WARN = "warn"
    """The row is scored as it is, and marked."""
    MISSING = "missing"
    """The value is treated as missing, and the row is marked."""


class Missing(StrEnum):
    """What the model makes of a missing value."""

    EXPECTED = "expected"
    """Seen in training: no breach."""
    UNEXPECTED = "unexpected"
    """Never seen in training, yet the model can score it: a breach under the feature's policy."""
    REFUSED = "refused"
    """The model cannot score it: the row is rejected."""


class Part(StrEnum):
    """The number that is taken from a date, by the clock as it is written."""

    YEAR = "year"
    MONTH = "month"
    DAY = "day"
    DAY_OF_WEEK = "day_of_week"
    """Monday is 0."""
    DAY_OF_YEAR = "day_of_year"
    HOUR = "hour"
    MINUTE = "minute"
    ELAPSED_DAYS = "elapsed_days"
    """Days, with fractions, since 1970-01-01."""


class Range(Value, frozen=True):
    """The closed interval of values that a feature may take."""

    low: float
    high: float
    learned: bool = True
    """Whether it was seen in training, rather than declared by the builder."""

    def __post_init__(self) -> None:
        if not (isfinite(self.low) and isfinite(self.high) and self.low <= self.high):
            raise FormatError(f"range {self.low}..{self.high} is empty or endless: low must not exceed high")

    def __contains__(self, value: float) -> bool:
        """Say whether `value` is allowed; NaN never is."""
        return self.low <= value <= self.high


class Categories(Value, frozen=True):
    """The texts that a feature may take, and whether the model can score one that it never saw."""

    values: tuple[str, ...]
    scores_unknown: bool

    def __post_init__(self) -> None:
        if not self.values or "" in self.values or len(set(self.values)) != len(self.values):
            raise FormatError("categories must be one or more distinct texts, none of them empty")


class Usual(Value, frozen=True):
    """How far windows of one span strayed from the whole inside the training period."""

    windows: int
    p99: float
    """The 99th percentile of their de-biased PSI."""

    def __post_init__(self) -> None:
        if self.windows < 1 or not (isfinite(self.p99) and self.p99 >= 0):
            raise FormatError(f"{self.windows} windows with a 99th percentile of {self.p99} are no reference")


class Baseline(Value, frozen=True):
    """The counts that live counts are held against."""

    bins: Bins
    counts: tuple[int, ...]
    usual: dict[Span, Usual] = {}

    def __post_init__(self) -> None:
        if as_counts(self.counts, self.bins).sum() == 0:
            raise FormatError("a baseline needs at least one row")


class Input(Value, frozen=True, kw_only=True):
    """Where one input of the model comes from: a column of the table, or a part of the date that stands in it."""

    name: str
    kind: Kind
    column: str
    part: Part | None = None
    format: str | None = None
    """How the date is written, in `strptime`'s terms; ISO 8601 when absent."""

    def __post_init__(self) -> None:
        if not self.name or not self.column:
            raise FormatError("a feature needs a name and a column")
        if self.reads_text and self.part is not None:
            raise FormatError(f"feature {self.name}: a part of a date is a number, not a {self.kind}")
        if self.format is not None and self.part is None:
            raise FormatError(f"feature {self.name}: a date format needs the part of the date to take")

    @property
    def reads_text(self) -> bool:
        """Whether the model reads this input as text, in the strings matrix."""
        return self.kind in (Kind.CATEGORY, Kind.TEXT)

    @property
    def is_category(self) -> bool:
        """Whether this input is one of a few texts, each of which is known."""
        return self.kind is Kind.CATEGORY


class Feature(Input, frozen=True, kw_only=True):
    """An input with what it may hold, what becomes of the rest, and the counts seen in training."""

    policy: Policy
    missing: Missing
    baseline: Baseline
    range: Range | None = None
    """Of a number its values, of free text its length in characters."""
    categories: Categories | None = None
    unit: str = ""
    description: str = ""

    def __post_init__(self) -> None:
        Input.__post_init__(self)
        binned = isinstance(self.baseline.bins, CategoryBins)
        if self.is_category != (self.categories is not None) or self.is_category != binned:
            raise FormatError(f"feature {self.name}: categories and category bins go with a category, and only so")
        if self.is_category == (self.range is not None):
            raise FormatError(f"feature {self.name}: a range goes with every number or free text, and with no category")
        if self.reads_text and self.policy is Policy.CLIP:
            raise FormatError(f"feature {self.name}: a {self.kind} cannot be clipped; use reject, warn or missing")
        if self.policy is Policy.MISSING and self.missing is Missing.REFUSED:
            raise FormatError(f"feature {self.name}: policy 'missing' needs a model that can score a missing value")

    @property
    def counted(self) -> str:
        """What the counts are of, in words: the feature, or the length of a free text."""
        return f"length of {self.name}" if self.kind is Kind.TEXT else self.name

    @property
    def number_bins(self) -> NumberBins:
        """The bins of a number, or of the length of a free text."""
        if not isinstance(self.baseline.bins, NumberBins):
            raise FormatError(f"feature {self.name} is a category: it has no number bins")
        return self.baseline.bins

    @property
    def category_bins(self) -> CategoryBins:
        """The bins of a category."""
        if not isinstance(self.baseline.bins, CategoryBins):
            raise FormatError(f"feature {self.name} is a {self.kind}: it has no category bins")
        return self.baseline.bins
