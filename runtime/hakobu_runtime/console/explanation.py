"""An explanation for a person, and for JSON."""

from hakobu_runtime.console.table import bar, style, table
from hakobu_runtime.explain import Explanation, Scale, Share

_WIDTH = 16


def plain(found: Explanation) -> dict[str, object]:
    """Return an explanation for JSON; `base` plus all shares is `score`."""
    return {
        "explains": found.what,
        "scale": found.scale.value,
        "prediction": found.prediction,
        "score": found.score,
        "base": found.base,
        "background_rows": found.rows,
        "verdict": found.verdict,
        "reasons": found.reasons,
        "shares": [{"feature": one.feature, "value": one.value, "share": one.share} for one in found.shares],
    }


def words(found: Explanation, most: int) -> str:
    """Return an explanation for a person: what matters most, and a line for all the rest."""
    shown, rest = found.shares[:most], found.shares[most:]
    scale = f"{found.what}, as log-odds," if found.scale is Scale.LOG_ODDS else found.what
    lines = [
        f"{scale} is {_number(found.score)}; on average the model says {_number(found.base)}.",
        _sentence(found),
        "",
        table(["input", "value", "moves it by", ""], _rows(found, shown, rest)),
        "",
        f"These add up to {_signed(found.score - found.base)}, from {_number(found.base)} to {_number(found.score)}. "
        "They say what the model makes of the row, not what causes what.",
    ]
    if found.reasons:
        lines.insert(2, f"The row was {found.verdict}: {'; '.join(found.reasons)}.")
    return "\n".join(lines)


def _sentence(found: Explanation) -> str:
    """Say which inputs matter most, one way and the other."""
    up = [one for one in found.shares if one.share > 0][:3]
    down = [one for one in found.shares if one.share < 0][:3]
    parts = [
        f"{how} {', '.join(_named(one) for one in some)}" for how, some in (("Up by", up), ("down by", down)) if some
    ]
    if not parts:
        return "No input moves it."
    return "; ".join(parts)[0].upper() + "; ".join(parts)[1:] + "."


def _named(one: Share) -> str:
    unit = f" {one.unit}" if one.unit and one.value else ""
    return f"{one.feature} = {one.value or 'missing'}{unit}"


def _rows(found: Explanation, shown: tuple[Share, ...], rest: tuple[Share, ...]) -> list[list[str]]:
    largest = max((abs(one.share) for one in found.shares), default=0.0) or 1.0
    rows = [
        [one.feature, f"{one.value} {one.unit}".strip() or "missing", _signed(one.share), _bar(one.share, largest)]
        for one in shown
    ]
    if rest:
        left = sum(one.share for one in rest)
        rows.append([f"{len(rest)} others", "", _signed(left), _bar(left, largest)])
    return rows


def _bar(share: float, largest: float) -> str:
    return style(bar(abs(share) / largest, _WIDTH).rstrip(), fg="red" if share > 0 else "blue")


def _number(value: float) -> str:
    return f"{value:.4g}"


def _signed(value: float) -> str:
    return f"{value:+.3g}"
