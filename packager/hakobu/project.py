"""A project: `hakobu.toml`, read strictly, and the folder around it."""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

from hakobu_runtime.errors import FormatError, ProjectError
from hakobu_runtime.format.feature import Input, Kind, Part, Policy
from hakobu_runtime.format.golden import Tolerance
from hakobu_runtime.format.manifest import NAME, VERSION, Dtype, Monitor, WindowBy
from hakobu_runtime.format.window import Span

FILE = "hakobu.toml"


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of `hakobu.toml`."""


class Task(StrEnum):
    """What the model predicts."""

    CLASSIFICATION = "classification"
    REGRESSION = "regression"


class ModelTable(Table, frozen=True):
    """`[model]`: the model's name and how it is trained."""

    name: str
    version: str
    task: Task
    pipeline: str = "pipeline:build"
    """The function that makes the pipeline, to be fitted here."""
    brought: str | None = msgspec.field(default=None, name="from")
    """The file of a model that was fitted elsewhere, in place of a pipeline."""
    trust_pickle: bool = False
    """Whether that file may be a pickle, which can run any program."""
    description: str = ""
    seed: int = 0
    dtype: Dtype = Dtype.FLOAT32
    """What the model reads its numbers as, in training and on the device: float64 tells more of them apart."""

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise ValueError(f"name {self.name!r} must be 1 to 64 of a-z, 0-9 and inner hyphens")
        if not VERSION.fullmatch(self.version):
            raise ValueError(f"version {self.version!r} must be written like 1.2.3 or 1.2.3-rc.1")
        module, colon, function = self.pipeline.partition(":")
        if not colon or not module.replace(".", "_").isidentifier() or not function.isidentifier():
            raise ValueError(f"pipeline {self.pipeline!r} must be written like 'module:function'")
        if self.brought is not None and self.pipeline != "pipeline:build":
            raise ValueError("a model comes from a pipeline or from a file: keep one of [model] pipeline and from")
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed {self.seed} must lie between 0 and 2^32 - 1")


class DataTable(Table, frozen=True):
    """`[data]`: the table to learn from."""

    path: str
    target: str
    time: str | None = None
    time_format: str | None = None
    group: str | None = None
    id: tuple[str, ...] = ()
    holdout: float = 0.2
    missing: tuple[str, ...] = ()
    delimiter: str | None = None
    encoding: str | None = None

    def __post_init__(self) -> None:
        if not 0.05 <= self.holdout <= 0.5:
            raise ValueError(f"holdout {self.holdout} must lie between 0.05 and 0.5")


class FeatureTable(Table, frozen=True):
    """`[features.NAME]`: one column that the model learns from."""

    kind: Literal["number", "integer", "boolean", "category", "text", "date"]
    policy: Policy = Policy.WARN
    range: tuple[float, float] | None = None
    parts: tuple[Part, ...] = ()
    format: str | None = None
    unit: str = ""
    description: str = ""

    def __post_init__(self) -> None:
        if (self.kind == "date") != bool(self.parts):
            raise ValueError("a date needs parts, like ['month', 'day_of_week'], and nothing else has them")
        if self.kind == "category" and (self.range is not None or self.policy is Policy.CLIP):
            raise ValueError("a category has no range and cannot be clipped; use policy reject, warn or missing")
        if self.kind == "text" and (self.unit or self.policy is Policy.CLIP):
            raise ValueError(
                "a text has no unit and cannot be clipped; use policy reject, warn or missing; "
                "its range is how many characters it may have"
            )
        if self.range is not None and not self.range[0] <= self.range[1]:
            raise ValueError(f"range {list(self.range)} is empty: the first number must not exceed the second")


class GatesTable(Table, frozen=True):
    """`[gates]`: what a build must pass."""

    metrics: dict[str, str] = {}
    """scikit-learn's scorer -> rule, like `roc_auc = ">= 0.65"`, judged on the hold-out."""
    overfit_gap: float = 0.1
    """How much better the main metric may be on the training rows, in its own unit."""
    dummy_margin: float = 0.02
    """How much better than a guess that ignores the inputs, in the main metric's own unit."""
    missing_rate: float = 0.95
    parity: Tolerance = Tolerance()


class KeysTable(Table, frozen=True):
    """`[keys]`: what the bundle is signed with."""

    release: str = "keys/release.pem"


class MonitorTable(Table, frozen=True):
    """`[monitor]`: how the device counts."""

    span: Span = Span.DAY
    window_by: WindowBy | None = None


class ProjectFile(Table, frozen=True):
    """All of `hakobu.toml`."""

    model: ModelTable
    data: DataTable
    features: dict[str, FeatureTable]
    gates: GatesTable = GatesTable()
    monitor: MonitorTable = MonitorTable()
    keys: KeysTable = KeysTable()


@dataclass(frozen=True, slots=True)
class Project:
    """A project that was read and is in order."""

    root: Path
    file: ProjectFile
    source: bytes
    """The text of `hakobu.toml`."""

    @property
    def data_path(self) -> Path:
        """Where the training table stands."""
        return self.root / self.file.data.path

    @property
    def inputs(self) -> tuple[Input, ...]:
        """The inputs of the model, in the order of `hakobu.toml`; a date gives one for each of its parts."""
        return tuple(wish for name, table in self.file.features.items() for wish in _inputs(name, table))

    @property
    def dtype(self) -> Dtype:
        """What the model reads its numbers as."""
        return self.file.model.dtype

    @property
    def monitor(self) -> Monitor:
        """How the device counts: by the row's own time where the data names a time column, unless told otherwise."""
        default = WindowBy.ROW if self.file.data.time else WindowBy.ARRIVAL
        return Monitor(self.file.monitor.span, self.file.monitor.window_by or default)

    @property
    def spans(self) -> tuple[Span, ...]:
        """The lengths of the windows whose usual drift the manifest tells: none shorter than the device counts."""
        return tuple(span for span in Span if span is not Span.HOUR or self.monitor.span is Span.HOUR)

    @property
    def bundle_path(self) -> Path:
        """Where the built bundle goes."""
        return self.root / "dist" / f"{self.file.model.name}-{self.file.model.version}.hako"

    def table_of(self, wish: Input) -> FeatureTable:
        """Return what `hakobu.toml` says of the column of `wish`."""
        return self.file.features[wish.column]


def read_project(folder: Path) -> Project:
    """Read `folder/hakobu.toml`; raise ProjectError naming the key, the value, the rule, and the nearest known key."""
    path = folder / FILE if folder.is_dir() else folder
    try:
        source = path.read_bytes()
    except FileNotFoundError as error:
        raise ProjectError(
            f"{path}: not found; run this in a project's folder, or make one with 'hakobu new DIR --from data.csv'"
        ) from error
    except OSError as error:
        raise ProjectError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        raw = tomllib.loads(source.decode("utf-8-sig"))  # editors on Windows begin UTF-8 with a mark
    except tomllib.TOMLDecodeError as error:
        raise ProjectError(f"{path}: is not valid TOML: {error}") from error
    except UnicodeDecodeError as error:
        raise ProjectError(f"{path}: is not in UTF-8 (byte {error.start}): save it in UTF-8") from error
    unknown = next(_unknown_words(raw, ProjectFile, ""), None)
    if unknown is not None:
        raise ProjectError(f"{path}: {unknown}")
    try:
        features = raw.get("features")
        for name, feature in features.items() if isinstance(features, dict) else ():
            _convert_feature(name, feature)
        file = msgspec.convert(raw, ProjectFile)
        Monitor(file.monitor.span)
        project = Project(path.parent, file, source)
        _check_columns(project)
    except msgspec.ValidationError as error:
        raise ProjectError(f"{path}: {_place(str(error))}") from error
    except (FormatError, ValueError) as error:
        raise ProjectError(f"{path}: {error}") from error
    return project


def _convert_feature(name: str, raw: object) -> None:
    """Try one feature's table by itself: converted within the whole, an error would not name the feature."""
    try:
        msgspec.convert(raw, FeatureTable)
    except msgspec.ValidationError as error:
        raise ValueError(_place(str(error), f"features.{name}")) from error


def _check_columns(project: Project) -> None:
    data, features = project.file.data, project.file.features
    if not features:
        raise ValueError("[features] is empty: name at least one column to learn from")
    if data.target in features:
        raise ValueError(f"the target '{data.target}' cannot be a feature as well: remove [features.{data.target}]")
    names = [wish.name for wish in project.inputs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise ValueError(f"two features would be called '{twice}': rename a column or leave out a part")


def _inputs(name: str, table: FeatureTable) -> Iterator[Input]:
    if table.kind == "date":
        for part in table.parts:
            kind = Kind.NUMBER if part is Part.ELAPSED_DAYS else Kind.INTEGER
            yield Input(name=f"{name}.{part}", kind=kind, column=name, part=part, format=table.format)
    else:
        yield Input(name=name, kind=Kind(table.kind), column=name)


def _unknown_words(raw: Any, kind: Any, path: str) -> Iterator[str]:
    """Yield a sentence for each key of `raw` that `kind` does not know, and for each word where it knows only a few."""
    if not isinstance(raw, dict):
        choices = _choices(kind)
        for word in raw if isinstance(raw, list) else [raw]:
            if choices and isinstance(word, str) and word not in choices:
                near = get_close_matches(word, choices, n=1)
                hint = f"did you mean '{near[0]}'?" if near else f"choose one of {', '.join(choices)}"
                yield f"{path[:-1]} = '{word}' is not known; {hint}"
        return
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        fields = {field.encode_name: field.type for field in msgspec.structs.fields(kind)}
        for key, value in raw.items():
            if key not in fields:
                yield _unknown(f"{path}{key}", key, list(fields), path)
            else:
                yield from _unknown_words(value, fields[key], f"{path}{key}.")
    elif get_args(kind) and get_args(kind)[-1] is FeatureTable:
        for key, value in raw.items():
            yield from _unknown_words(value, FeatureTable, f"{path}{key}.")


def _choices(kind: Any) -> list[str]:
    """Return the words that a value of `kind` is chosen from; none when it is chosen freely."""
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return [str(member) for member in kind]
    return [word for part in get_args(kind) for word in ([part] if isinstance(part, str) else _choices(part))]


def _unknown(place: str, key: str, known: list[str], path: str) -> str:
    near = get_close_matches(key, known, n=1, cutoff=0.5)
    where = f" in [{path[:-1]}]" if path else ""
    hint = f"did you mean '{near[0]}'?" if near else f"known{where} are: {', '.join(known)}"
    return f"unknown key '{place}'; {hint}"


def _place(message: str, root: str = "") -> str:
    """Turn msgspec's `... - at `$.a.b`` into words that start with the key, below `root`."""
    words, _, place = message.partition(" - at `$")
    words = words.replace("Object missing required field", "lacks the key")
    key = (root + place.rstrip("`")).lstrip(".")
    return f"[{key}]: {words}" if key else words
