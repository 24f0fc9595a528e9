"""The words for a breach: the value, the rule, what was done, and under which policy."""

from functools import lru_cache

import numpy as np

from hakobu_runtime.format.feature import Feature, Kind, Policy, Range
from hakobu_runtime.format.manifest import Dtype
from hakobu_runtime.limits.breach import Rule, Verdict, quote

_INVALID = {
    Rule.NOT_A_NUMBER: "is not a number",
    Rule.NOT_FINITE: "is not a finite number",
    Rule.NOT_WHOLE: "is not a whole number",
    Rule.NOT_BOOLEAN: "is not true or false",
}


def range_reason(feature: Feature, value: float, rule: Rule, verdict: Verdict, dtype: Dtype) -> str:
    """Say that `value`, which the model reads as `dtype`, lies outside the feature's range."""
    limits = feature.range or Range(value, value)
    limit, word, end = (limits.low, "below", "lowest") if rule is Rule.BELOW else (limits.high, "above", "highest")
    source = "seen in training" if limits.learned else "allowed"
    shown = _limit(feature.kind, limit, dtype)
    done = f", scored as {shown}" if verdict is Verdict.CLIPPED else _done(feature, verdict)
    left = _left(feature, _number(feature.kind, value, dtype))
    return f"{left} is {word} {shown}, the {end} {source} (policy: {feature.policy}{done})"


def length_reason(feature: Feature, text: str, rule: Rule, verdict: Verdict) -> str:
    """Say that a free text is shorter or longer than the feature's range of lengths."""
    limits = feature.range or Range(len(text), len(text))
    limit, word, end = (
        (limits.low, "below", "shortest") if rule is Rule.TOO_SHORT else (limits.high, "above", "longest")
    )
    start = f"{feature.name} = {quote(text)} has {len(text):,} characters"
    if verdict is Verdict.REJECTED and feature.policy is not Policy.REJECT:
        return f"{start}, more than are ever scored"
    source = "seen in training" if limits.learned else "allowed"
    done = f"policy: {feature.policy}{_done(feature, verdict)}"
    return f"{start}, {word} {limit:,.0f}, the {end} {source} ({done})"


def unknown_reason(feature: Feature, value: str, verdict: Verdict) -> str:
    """Say that `value` is no category of the feature, and which known one it resembles."""
    known = feature.categories.values if feature.categories else ()
    alike = next((k for k in known if k.strip().casefold() == value.strip().casefold()), None)
    hint = f"; did you mean {quote(alike)}?" if alike else ""
    if verdict is Verdict.REJECTED and feature.policy is not Policy.REJECT:
        done = "the model cannot score an unknown one"
    else:
        done = f"policy: {feature.policy}{_done(feature, verdict)}"
    return f"{_left(feature, quote(value))} is not one of the {len(known)} categories seen in training{hint} ({done})"


def missing_reason(feature: Feature, verdict: Verdict) -> str:
    """Say that the cell is missing."""
    if verdict is Verdict.REJECTED and feature.policy is not Policy.REJECT:
        return f"{feature.name} is missing, and the model cannot score without it"
    return f"{feature.name} is missing; it never was in training (policy: {feature.policy})"


def invalid_reason(feature: Feature, rule: Rule, text: str, verdict: Verdict) -> str:
    """Say that the cell holds nothing of the feature's kind."""
    shown = text if rule in (Rule.NOT_FINITE, Rule.NOT_WHOLE) else quote(text)
    if rule is Rule.NOT_A_DATE:
        what = f"is not a date like {feature.format or '2026-12-31'}"
    else:
        what = _INVALID[rule]
    hint = "; write it without commas, with a decimal point" if rule is Rule.NOT_A_NUMBER and "," in text else ""
    name = feature.column if feature.part else feature.name
    if verdict is not Verdict.REJECTED:
        done = f"policy: {feature.policy}, scored as missing"
    elif feature.policy is Policy.REJECT:
        done = f"policy: {feature.policy}"
    else:
        done = "the model cannot score without it"
    return f"{name} = {shown} {what}{hint} ({done})"


def _left(feature: Feature, shown: str) -> str:
    unit = f" {feature.unit}" if feature.unit else ""
    return f"{feature.name} = {shown}{unit}"


def _done(feature: Feature, verdict: Verdict) -> str:
    as_missing = feature.policy is Policy.MISSING and verdict is Verdict.WARNED
    return ", scored as missing" if as_missing else ""


def _number(kind: Kind, value: float, dtype: Dtype) -> str:
    if kind is Kind.INTEGER and float(value).is_integer():
        return str(int(value))
    if dtype is Dtype.FLOAT64:
        return repr(float(value))
    short = np.float32(value)
    # A float32 file says 64.94 with 64.94000244140625; both read back as the same float32, and people know the first.
    return str(short) if float(short) == value else repr(float(value))


_limit = lru_cache(maxsize=4096)(_number)  # the same few ends of ranges stand in all reasons
