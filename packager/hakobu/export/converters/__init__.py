"""Converters of our own: what people use and the standard exporter lacks, or gets silently wrong."""

from functools import cache
from typing import Any

from hakobu.export.converters.registry import Converter
from hakobu.export.inside import inside

FAMILIES: tuple[tuple[Converter, ...], ...] = ()
"""Each module's own converters."""


@cache
def register() -> None:
    """Put every converter of ours before the standard ones, once a process."""
    for family in FAMILIES:
        for converter in family:
            converter.register()


def repairs_of(estimator: Any) -> tuple[str, ...]:
    """Return, in words, what our converters mend in the fitted `estimator`, each once."""
    found = (
        f"{type(part).__name__}: {converter.repair}"
        for family in FAMILIES
        for converter in family
        for part in inside(estimator, (converter.kind,))
        if type(part) is converter.kind and converter.applies(part)
    )
    return tuple(dict.fromkeys(found))
