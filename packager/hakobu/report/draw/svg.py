"""Elements of SVG as safe markup: whatever text is put in is escaped, so a column's name may hold anything."""

from collections.abc import Iterable

from markupsafe import Markup, escape

Point = tuple[float, float]


def element(tag: str, *inside: object, **attributes: str | float) -> Markup:
    """Return `<tag>`; of an attribute's name a trailing underscore is dropped, and others become hyphens."""
    words = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(shown(value))}"' for name, value in attributes.items()
    )
    content = "".join(escape(part) for part in inside)
    return Markup(f"<{tag}{words}>{content}</{tag}>") if content else Markup(f"<{tag}{words}/>")  # noqa: S704 - escaped


def shown(value: str | float) -> str:
    """Return a coordinate with one decimal at most: a tenth of a pixel is nothing that anybody sees."""
    return value if isinstance(value, str) else f"{round(value, 1) + 0.0:g}"


def picture(width: float, height: float, label: str, *inside: object) -> Markup:
    """Return a drawing of its own, which says `label` to whoever cannot see it."""
    return element(
        "svg", *inside, viewBox=f"0 0 {shown(width)} {shown(height)}", role="img", aria_label=label, class_="plot"
    )


def words(x: float, y: float, text: str, look: str = "tick", anchor: str = "start") -> Markup:
    """Return a text whose baseline is at `y`."""
    return element("text", text, x=x, y=y, class_=look, text_anchor=anchor)


def along(points: Iterable[Point]) -> str:
    """Return the path through `points`."""
    return "M" + "L".join(f"{shown(x)} {shown(y)}" for x, y in points)


def boxes(rectangles: Iterable[tuple[float, float, float, float]]) -> str:
    """Return one path of many rectangles: left, top, width, height."""
    return "".join(
        f"M{shown(x)} {shown(y)}h{shown(width)}v{shown(height)}h{shown(-width)}z" for x, y, width, height in rectangles
    )


def dots(points: Iterable[Point]) -> str:
    """Return one path of many dots, for a stroke with round ends: 12 bytes each, where a circle takes 40."""
    return "".join(f"M{shown(x)} {shown(y)}h0" for x, y in points)
