"""Judging one value: a gate that passed or failed, with what to do about it."""

import operator
import re
from collections.abc import Callable

import numpy as np

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


def threshold(name: str, rule: str, value: float) -> Gate:
    """Return how `value` of the metric `name` stands to the rule that `hakobu.toml` gives for it."""
    match = _RULE.fullmatch(rule)
    if match is None:
        raise ProjectError(f'[gates.metrics]: {name} = {rule!r} must be written like ">= 0.65" or "<= 0.2"')
    remedy = f"the hold-out says {value:.4g}: improve the model, or change [gates.metrics] {name}"
    return judged(name, f"{name} on the hold-out", value, float(match[2]), match[1], remedy)


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
