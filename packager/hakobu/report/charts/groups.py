"""Whether the model treats groups of rows alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from markupsafe import Markup

from hakobu.gates.evidence import GroupMetric
from hakobu.report.draw.scale import Scale, figure_of, spanning
from hakobu.report.draw.svg import along, boxes, dots, element

_LEAST = 0.15
"""How far a picture of shares reaches at least to both sides."""


@dataclass(frozen=True, slots=True)
class GroupTable:
    """One column of groups by one measure."""

    column: str
    metric: str
    lines: tuple[tuple[str, str, Markup | str, str], ...]
    """Group, rows, a drawing, the value in words."""
    apart: str
    """How far the groups lie apart."""


def group_tables(found: Sequence[GroupMetric], wholes: dict[str, float]) -> tuple[GroupTable, ...]:
    """Return a table for each column and measure; `wholes` has the measures over all rows, where they are known."""
    keys = dict.fromkeys((one.column, one.metric) for one in found)
    return tuple(
        _table(column, metric, [one for one in found if (one.column, one.metric) == (column, metric)], wholes)
        for column, metric in keys
    )


def _table(column: str, metric: str, lines: list[GroupMetric], wholes: dict[str, float]) -> GroupTable:
    values = [one.value for one in lines if isfinite(one.value)]
    share = metric.startswith("given ")
    whole = wholes.get(metric)
    x = Scale(*((0.0, max([*values, 1e-9]) * 1.08) if share else _around(values, whole)), 2, 198)
    return GroupTable(
        column=column,
        metric=f"share {metric}" if share else metric,
        lines=tuple((one.group, f"{one.rows:,}", _drawn(one, x, whole, share=share), _shown(one)) for one in lines),
        apart=figure_of(max(values) - min(values)) if len(values) > 1 else "",
    )


def _around(values: list[float], whole: float | None) -> tuple[float, float]:
    """Return a span with all rows in its middle, so wide that a small difference looks small."""
    if whole is None or not all(0 <= value <= 1 for value in [*values, whole]):
        return spanning([*values, *([] if whole is None else [whole])], 0.15)
    reach = max([_LEAST, *(1.15 * abs(value - whole) for value in values)])
    return whole - reach, whole + reach


def _shown(one: GroupMetric) -> str:
    if not isfinite(one.value):
        return "too few rows"
    return f"{one.value:.1%}" if one.metric.startswith("given ") else figure_of(one.value)


def _drawn(one: GroupMetric, x: Scale, whole: float | None, *, share: bool) -> Markup | str:
    if not isfinite(one.value):
        return ""
    parts = [element("path", d=along([(0, 9), (200, 9)]), class_="grid")]
    if share:
        parts.append(element("path", d=boxes([(2, 4, x(one.value) - 2, 10)]), class_="f0"))
    else:
        parts.append(element("path", d=dots([(x(one.value), 9)]), class_="dots c0 big"))
    if whole is not None:
        parts.append(element("path", d=along([(x(whole), 0), (x(whole), 18)]), class_="wholemark"))
    return element(
        "svg", *parts, viewBox="0 0 200 18", class_="strip fixed", role="img", aria_label=f"{one.group}: {_shown(one)}"
    )
