"""The background of a bundle: rows that stand for "nothing known", against which one row is explained."""

from math import isfinite
from typing import Final, Literal

from hakobu_runtime.errors import FormatError
from hakobu_runtime.format.codec import Value
from hakobu_runtime.format.manifest import Manifest

SCHEMA: Final = "hakobu.background/1"

MOST_ROWS = 200


class Background(Value, frozen=True):
    """What the features of some rows hold, each column in an order of its own, so that no row is anybody's."""

    schema: Literal["hakobu.background/1"]
    features: dict[str, tuple[float | str | None, ...]]
    """For each feature of the manifest its values, None where missing; none of them where nothing may be explained."""

    def __post_init__(self) -> None:
        lengths = {len(values) for values in self.features.values()}
        if len(lengths) > 1 or max(lengths, default=0) > MOST_ROWS:
            raise FormatError(f"the background's columns must be of one length, and of {MOST_ROWS} rows at most")
        numbers = (value for values in self.features.values() for value in values if isinstance(value, float))
        if not all(map(isfinite, numbers)):
            raise FormatError("the background holds a number that is not finite")

    def __len__(self) -> int:
        return max((len(values) for values in self.features.values()), default=0)


def check_background(background: Background, manifest: Manifest) -> None:
    """Raise FormatError when the background is not about the features of the manifest."""
    if not background.features:
        return
    names = [feature.name for feature in manifest.features]
    if list(background.features) != sorted(names):
        raise FormatError("background.json holds other features than manifest.json: build the bundle again")
    for feature in manifest.features:
        kind = str if feature.reads_text else float
        for value in background.features[feature.name]:
            if value is not None and not isinstance(value, kind):
                raise FormatError(f"background.json: feature {feature.name} holds {value!r}, no {kind.__name__}")
