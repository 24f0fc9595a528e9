"""Judging one value: a gate that passed or failed, with what to do about it."""

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np

from hakobu.gates.evidence import Interval
from hakobu_runtime.errors import ProjectError
from hakobu_runtime.format.validation import Gate, Outcome, Stage

_RULE = re.compile(r"\s*(>=|<=)\s*([-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)\s*")
_COMPARE: dict[str, Callable[[float, float], bool]] = {">=": operator.ge, "<=": operator.le}


def judge(stage: Stage, name: str, rule: str, value: object, limit: object, *, passed: bool, remedy: str) -> Gate:
    """Return a gate that was judged."""
    outcome = Outcome.PASSED if passed else Outcome.FAILED
    return Gate(stage, name, rule, _shown(value), _shown(limit), outcome, "" if passed else remedy)


def _shown(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True, slots=True)
class Rule:
    """What `hakobu.toml` asks of a metric: a sign and a limit."""

    sign: str
    limit: float

    @classmethod
    def of(cls, name: str, text: str) -> Self:
        """Return the rule that `text` writes for the metric `name`; raise ProjectError when it is none."""
        match = _RULE.fullmatch(text)
        if match is None:
            raise ProjectError(f'[gates.metrics]: {name} = {text!r} must be written like ">= 0.65" or "<= 0.2"')
        return cls(match[1], float(match[2]))

    def holds(self, value: float) -> bool:
        """Say whether `value` meets the rule; NaN never does."""
        return _COMPARE[self.sign](value, self.limit)

    def worse(self, found: Interval) -> float:
        """Return the end of an interval that is the harder one to pass by."""
        return found.low if self.sign == ">=" else found.high


def threshold(name: str, rule: Rule, found: Interval, by: str) -> Gate:
    """Return how the metric `name` stands to its rule: by its value, or by the worse end of its interval."""
    remedy = f"the hold-out says {words_of(found)}: improve the model, or change [gates.metrics] {name}"
    if np.isnan(found.value) or not rule.holds(found.value) or by == "value":
        return judged(name, f"{name} on the hold-out", found.value, rule.limit, rule.sign, remedy)
    limit, words = f"{rule.sign} {rule.limit:.4g}", f"{name} on the hold-out, worse end of its 95% interval"
    if np.isnan(rule.worse(found)):
        remedy = 'too few rows to say how sure the value is: bring more, or set [gates] by = "value"'
        return Gate(Stage.MODEL, name, words, words_of(found), limit, Outcome.NOT_JUDGED, remedy)
    remedy = (
        f"the value meets the rule, but {words_of(found)} is what these rows can tell: bring more rows for the "
        'hold-out, improve the model, or set [gates] by = "value"'
    )
    return judge(Stage.MODEL, name, words, words_of(found), limit, passed=rule.holds(rule.worse(found)), remedy=remedy)


def gained(name: str, rule: str, found: Interval, margin: float, remedy: str) -> Gate:
    """Return the gate that a gain is at least `margin`, and surely one at all."""
    if np.isnan(found.value):
        return judged(name, rule, found.value, margin, ">=", remedy)
    if np.isnan(found.low):
        words = "too few rows to say how sure the gain is: bring more"
        return Gate(Stage.MODEL, name, rule, words_of(found), f">= {margin:.4g}", Outcome.NOT_JUDGED, words)
    passed = found.value >= margin and (found.low > 0 or margin <= 0)
    return judge(Stage.MODEL, name, rule, words_of(found), f">= {margin:.4g}, surely > 0", passed=passed, remedy=remedy)


def words_of(found: Interval) -> str:
    """Return a measure with its bounds, where it has some."""
    bounds = "" if np.isnan(found.low) else f" ({found.low:.4g} to {found.high:.4g})"
    return f"{found.value:.4g}{bounds}"


def judged(name: str, rule: str, value: float, limit: float, sign: str, remedy: str) -> Gate:
    """Return the gate of the model that holds `value` against `limit`; NaN never passes."""
    if np.isnan(value):
        words = (
            "the metric cannot be computed: the hold-out lacks a class, the model gives no probabilities, or the "
            "metric asks for the classes 0 and 1 (then take f1_macro for f1, say); name another in [gates.metrics]"
        )
        return Gate(Stage.MODEL, name, rule, "nan", f"{sign} {limit:.4g}", Outcome.FAILED, words)
    passed = _COMPARE[sign](value, limit)
    return judge(Stage.MODEL, name, rule, value, f"{sign} {limit:.4g}", passed=passed, remedy=remedy)
