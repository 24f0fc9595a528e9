"""What a bundle promises: its inputs, outputs, metrics, and where it comes from."""

import re
from enum import StrEnum
from functools import cached_property
from typing import Final, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from hakobu_runtime.errors import BundleError, FormatError, TooNewError
from hakobu_runtime.format.best_before import STALE, BestBefore
from hakobu_runtime.format.codec import Value, decode
from hakobu_runtime.format.feature import Baseline, Feature
from hakobu_runtime.format.histogram import BinRows, CategoryBins, NumberBins
from hakobu_runtime.format.window import Span

SCHEMA: Final = "hakobu.manifest/1"
NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")
VERSION = re.compile(r"(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})(-[0-9a-z.]{1,32})?")

ClassLabel = bool | int | str


class Dtype(StrEnum):
    """The numbers that the model computes its inputs in; ranges and bins are compared in it too."""

    FLOAT32 = "float32"
    FLOAT64 = "float64"


class WindowBy(StrEnum):
    """Which time decides the window that a row is counted in."""

    ROW = "row"
    """The row's own time, when it holds one between the start of training and now; else its arrival."""
    ARRIVAL = "arrival"
    """The time of scoring."""


class Tensors(Value, frozen=True):
    """The names of the model's tensors; an absent one is None."""

    numbers: str | None
    """Input of shape (n, number features), in the manifest's dtype, NaN where missing."""
    strings: str | None
    """Input of shape (n, string features), of text, "" where missing."""
    label: str | None = None
    """Output of shape (n,): the class, as int64 or text."""
    probabilities: str | None = None
    """Output of shape (n, classes), float32; float64 is taken as float32."""
    value: str | None = None
    """Output of shape (n,) or (n, 1): the regression's value, float32 or float64."""
    lowercase: tuple[int, ...] = ()
    """The columns of `strings`, from 0, that are put in lower case, as Unicode has it, before the model reads them."""
    most_rows: int | None = None
    """How many rows the model reads at once, where it makes much of each: a number for every word that it knows."""

    def __post_init__(self) -> None:
        if sorted(set(self.lowercase)) != list(self.lowercase) or min(self.lowercase, default=0) < 0:
            raise FormatError(f"columns to put in lower case must be numbered upwards from 0, unlike {self.lowercase}")
        if self.most_rows is not None and self.most_rows < 1:
            raise FormatError(f"a model must read one row or more at once, not {self.most_rows}")


class Classification(Value, frozen=True, tag="classification", tag_field="task"):
    """A class for each row, with a probability a class where the model gives them."""

    classes: tuple[ClassLabel, ...]
    labels: Baseline
    """Counts of the predicted classes on the hold-out."""
    scores: Baseline | None = None
    """Counts of the score on the hold-out: the last class's probability of two classes, the largest of more."""

    def __post_init__(self) -> None:
        if len(self.classes) < 2 or len({str(c) for c in self.classes}) != len(self.classes):
            raise FormatError("a classification needs two or more distinct classes")
        if len({type(c) for c in self.classes}) != 1:
            raise FormatError("classes must be all text, all integers, or all booleans")
        if self.labels.bins != CategoryBins(tuple(str(label) for label in self.classes)):
            raise FormatError("the counts of the labels must be over the classes, in their order")


class Regression(Value, frozen=True, tag="regression", tag_field="task"):
    """A number for each row."""

    scores: Baseline
    """Counts of the predictions on the hold-out."""


class TimeColumn(Value, frozen=True):
    """The column that holds the time of a row."""

    column: str
    format: str | None = None


class Monitor(Value, frozen=True):
    """How counts are kept."""

    span: Span = Span.DAY
    window_by: WindowBy = WindowBy.ARRIVAL

    def __post_init__(self) -> None:
        if self.span not in (Span.HOUR, Span.DAY):
            raise FormatError(f"a device counts by hour or by day, not by {self.span}")


class Metric(Value, frozen=True):
    """One measure of the model, on the rows it learned from and on the hold-out."""

    train: float
    holdout: float


class Commit(Value, frozen=True):
    """The commit of git's that a project stood on."""

    commit: str
    dirty: bool
    """Whether something in the project's folder differed from it."""


class Tracked(Value, frozen=True):
    """DVC's record of the data."""

    file: str
    """The record's own file: `data.csv.dvc` or `dvc.lock`."""
    md5: str
    matches: bool
    """Whether the data was what the record says."""


class Provenance(Value, frozen=True):
    """Where the model comes from; digests are sha256 in hex."""

    data: str
    """Digest of the data file."""
    source: str
    """Digest of `hakobu.toml`, the pipeline's module or the model's file, and the project's modules that it imports."""
    training_rows: int
    holdout_rows: int
    seed: int
    python: str
    packages: dict[str, str]
    training_start: str | None = None
    """Time of the earliest and the latest training row, ISO 8601 in UTC, where the data names a time column."""
    training_end: str | None = None
    sources: dict[str, str] = {}
    """For each of the files behind `source`, its path from the project's folder, and its own digest."""
    git: Commit | None = None
    dvc: Tracked | None = None
    proven: bool = True
    """Whether the ONNX model was held against the trained one, row by row; one brought as ONNX cannot be."""


class Manifest(Value, frozen=True, dict=True):
    """All that a bundle promises, in one value."""

    schema: Literal["hakobu.manifest/1"]
    name: str
    version: str
    min_runtime: str
    target: str
    dtype: Dtype
    tensors: Tensors
    features: tuple[Feature, ...]
    outputs: Classification | Regression
    provenance: Provenance
    metrics: dict[str, Metric] = {}
    id_columns: tuple[str, ...] = ()
    time: TimeColumn | None = None
    monitor: Monitor = Monitor()
    missing_values: tuple[str, ...] = ()
    """Texts that mean "missing", beside the empty one."""
    description: str = ""
    best_before: BestBefore = BestBefore()

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise FormatError(f"model name {self.name!r} must be 1 to 64 of a-z, 0-9 and inner hyphens")
        if not VERSION.fullmatch(self.version):
            raise FormatError(f"model version {self.version!r} must be written like 1.2.3 or 1.2.3-rc.1")
        if self.best_before.mark is not None and STALE in self.id_columns:
            raise FormatError(f"an id column cannot be named {STALE!r}: outputs are marked in a column of that name")
        names = [feature.name for feature in self.features]
        counted = {feature.counted for feature in self.features}
        if not names or len(set(names)) != len(names) or len(counted) != len(names):
            raise FormatError("a manifest needs one or more features with distinct names")
        if (self.tensors.numbers is None) != (not self.number_features):
            raise FormatError("the tensor 'numbers' goes with number features, and only so")
        if (self.tensors.strings is None) != (not self.string_features):
            raise FormatError("the tensor 'strings' goes with categories and free texts, and only so")
        if max(self.tensors.lowercase, default=-1) >= len(self.string_features):
            raise FormatError(f"the tensor 'strings' has no column {max(self.tensors.lowercase)} to put in lower case")
        if isinstance(self.outputs, Regression) == (self.tensors.value is None):
            raise FormatError("the tensor 'value' goes with a regression, and only so")
        if isinstance(self.outputs, Classification) == (self.tensors.label is None):
            raise FormatError("the tensor 'label' goes with a classification, and only so")

    @cached_property
    def number_features(self) -> tuple[Feature, ...]:
        """The features that fill the numbers matrix, in its order."""
        return tuple(feature for feature in self.features if not feature.reads_text)

    @cached_property
    def string_features(self) -> tuple[Feature, ...]:
        """The features that fill the strings matrix, in its order."""
        return tuple(feature for feature in self.features if feature.reads_text)

    @cached_property
    def number_bins(self) -> BinRows:
        """The bins of the number features, in their order."""
        return BinRows([feature.number_bins.edges for feature in self.number_features])

    @cached_property
    def score_bins(self) -> BinRows | None:
        """The bins of the number that is watched of the outputs, as the only row; None where none is."""
        scores = self.outputs.scores
        return BinRows([scores.bins.edges]) if scores and isinstance(scores.bins, NumberBins) else None

    @cached_property
    def number_limits(self) -> NDArray[np.floating]:
        """Shape (2, number features): the ends of their ranges, in the manifest's dtype; endless where one has none."""
        ranges = [feature.range for feature in self.number_features]
        ends = [(limits.low, limits.high) if limits else (-np.inf, np.inf) for limits in ranges]
        with np.errstate(over="ignore"):  # an end beyond float32 is infinite to it, and holds all the same
            return np.array(ends, dtype=self.dtype.value).reshape(-1, 2).T

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that a table to score must have, in the order of the features."""
        return tuple(dict.fromkeys(feature.column for feature in self.features))


class _Header(msgspec.Struct):
    schema: str = ""
    min_runtime: str = "0.0.0"


def read_manifest(content: bytes, runtime: str) -> Manifest:
    """Return the manifest in `content`; raise BundleError when it is damaged or needs more than version `runtime`."""
    header = decode(content, _Header, "manifest.json")
    if header.schema != SCHEMA:
        raise BundleError(
            f"manifest.json has the format {header.schema!r}; this runtime ({runtime}) reads {SCHEMA!r}: "
            "build the bundle again, or install a runtime that fits it"
        )
    if release(header.min_runtime) > release(runtime):
        raise TooNewError(
            f"the bundle needs hakobu-runtime {header.min_runtime} or newer; this is {runtime}: update it"
        )
    return decode(content, Manifest, "manifest.json")


def release(version: str) -> tuple[int, ...]:
    """Return the numbers of a version like 1.2.3, for comparing; raise FormatError when it is not one."""
    if not VERSION.fullmatch(version):
        raise FormatError(f"version {version!r} must be written like 1.2.3")
    return tuple(int(part) for part in version.partition("-")[0].split("."))


def precedence(version: str) -> tuple[tuple[int, ...], bool, tuple[tuple[bool, int, str], ...]]:
    """Return what versions are compared by: 1.0.0-rc.9 comes before 1.0.0-rc.10, and that before 1.0.0."""
    numbers, preview = release(version), version.partition("-")[2]
    parts = tuple((not part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in preview.split("."))
    return numbers, not preview, parts
