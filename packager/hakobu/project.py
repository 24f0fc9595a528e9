"""A project: `hakobu.toml`, read strictly, and the folder around it."""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import Any, get_args

import msgspec

from hakobu.settings import FeatureTable, ProjectFile
from hakobu_runtime.errors import FormatError, ProjectError
from hakobu_runtime.format.feature import Input, Kind, Part
from hakobu_runtime.format.manifest import Dtype, Monitor, WindowBy
from hakobu_runtime.format.window import Span

FILE = "hakobu.toml"


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
