"""PowerTransformer, missing numbers and all, rounded where scikit-learn rounds."""

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.preprocessing import PowerTransformer

from hakobu.export.converters.logarithms import expm1, log1p
from hakobu.export.converters.registry import Converter
from hakobu.export.converters.step import Step, as_many, gives


def _convert(scope: Any, operator: Any, container: Any) -> None:
    step, power = Step(scope, operator, container), operator.raw_operator
    found = (_yeo_johnson if power.method == "yeo-johnson" else _box_cox)(step, power.lambdas_)
    if power.standardize:
        scaler = power._scaler
        mean, scale = (part.astype(step.dtype).astype(np.float64) for part in (scaler.mean_, scaler.scale_))
        found = step.add("Div", step.stored(step.add("Sub", step.stored(found), mean)), scale)
    step.give(found)


def _yeo_johnson(step: Step, lambdas: Any) -> str:
    """Give sign * ((1 + |x|) ** power - 1) / power, where power is lambda, and 2 - lambda of negative numbers.

    scikit-learn computes each part in the type of the data where the lambdas have it too. Large powers make much of
    the roundings, so they are done here as well.
    """
    narrow = np.result_type(step.dtype, lambdas.dtype) == np.float32
    rounded: Callable[[str], str] = step.stored if narrow else lambda name: name
    epsilon = np.finfo(np.float32 if narrow else np.float64).eps
    value = step.numbers()
    positive = step.add("GreaterOrEqual", value, 0.0)
    grown = step.stored(log1p(step, step.add("Abs", value)))
    rest = 2 - lambdas
    power = step.add("Where", positive, _doubles(lambdas), _doubles(rest))
    flat_above = step.add("And", positive, np.abs(lambdas) < epsilon)
    flat_below = step.add("And", step.add("Not", positive), np.abs(rest) <= epsilon)
    raised = rounded(expm1(step, rounded(step.add("Mul", power, grown))))
    size = step.add("Where", step.add("Or", flat_above, flat_below), grown, step.add("Div", raised, power))
    return step.add("Where", positive, size, step.add("Neg", size))


def _box_cox(step: Step, lambdas: Any) -> str:
    """Give (x ** lambda - 1) / lambda, or log(x) where lambda is 0; scipy computes it in double."""
    grown = step.add("Log", step.numbers())
    raised = expm1(step, step.add("Mul", grown, _doubles(lambdas)))
    flat = np.abs(lambdas) < 1e-19  # scipy's own bound
    return step.add("Where", flat[None, :], grown, step.add("Div", raised, _doubles(lambdas)))


def _doubles(lambdas: Any) -> Any:
    return lambdas.astype(np.float64)[None, :]


CONVERTERS: tuple[Converter, ...] = (
    Converter(PowerTransformer, gives(as_many), _convert, "missing numbers stay missing, powers computed in double"),
)
