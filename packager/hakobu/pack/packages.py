"""The packages that a model was made with: the builder's, the pipeline's, and all that these need."""

import sys
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from types import MappingProxyType
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_ANYWAY = {"hakobu", "numpy", "pandas", "scipy", "sklearn"}
"""What the builder needs itself: looking up where a module comes from takes half a second."""


def packages_of(estimator: Any) -> dict[str, str]:
    """Return name -> version of every package that the build rests on, by name.

    What merely happens to be installed beside them is left out: it must not change the bundle.
    """
    return dict(closure(("hakobu", *_homes(estimator))))


@cache
def closure(names: tuple[str, ...]) -> Mapping[str, str]:
    """Return the installed versions of the packages `names` and of all that they need here, by name."""
    found: dict[str, str] = {}
    waiting = list(names)
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in found:
            continue
        try:
            there = distribution(name)
        except PackageNotFoundError:  # an extra of another platform, or one that was installed without what it needs
            continue
        found[name] = there.version
        needs = (Requirement(line) for line in there.requires or ())
        waiting += [need.name for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]
    return MappingProxyType(dict(sorted(found.items())))


def _homes(estimator: Any) -> list[str]:
    """Return the packages that the classes of an estimator and of its parts come from."""
    roots = {type(part).__module__.partition(".")[0] for part in _parts(estimator)} - _ANYWAY
    if not roots - sys.stdlib_module_names:
        return []
    known = _distributions()
    return sorted({home for root in roots - sys.stdlib_module_names for home in known.get(root, ())})


@cache
def _distributions() -> Mapping[str, list[str]]:
    """Return which packages each importable name comes from: half a second of reading, once."""
    return packages_distributions()


def _parts(estimator: Any) -> Iterable[Any]:
    yield estimator
    params = getattr(estimator, "get_params", None)
    if params is not None:
        yield from (part for part in params(deep=True).values() if hasattr(part, "get_params"))
