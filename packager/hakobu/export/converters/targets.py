"""TransformedTargetRegressor: the way back from the transformed target, in double."""

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np
from scipy import special
from sklearn.compose import TransformedTargetRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)

from hakobu.export.converters import responses
from hakobu.export.converters.classes import give, regressor_shape
from hakobu.export.converters.erf import erf
from hakobu.export.converters.functions import KNOWN, Function
from hakobu.export.converters.logarithms import log1p
from hakobu.export.converters.piecewise import interpolated
from hakobu.export.converters.registry import Converter
from hakobu.export.converters.responses import values_of
from hakobu.export.converters.writer import Writer

_BOUNDS = 1e-7
"""How near to 0 and 1 a normal QuantileTransformer takes a share for the end itself."""


def _hyperbolic_area(writer: Writer, value: str) -> str:
    """Return asinh(x) as log1p(|x| + x² / (1 + sqrt(1 + x²))), which loses nothing near 0."""
    size, square = writer.add("Abs", value), writer.add("Mul", value, value)
    root = writer.add("Add", writer.add("Sqrt", writer.add("Add", square, 1.0)), 1.0)
    area = log1p(writer, writer.add("Add", size, writer.add("Div", square, root)))
    return writer.add("Mul", writer.add("Sign", value), area)


_FUNCTIONS: dict[Any, Function] = {
    **KNOWN,
    np.exp2: lambda writer, value: writer.add("Pow", 2.0, value),
    np.arcsinh: _hyperbolic_area,
    special.exp2: lambda writer, value: writer.add("Pow", 2.0, value),
    special.exp10: lambda writer, value: writer.add("Pow", 10.0, value),
    special.expm1: KNOWN[np.expm1],
    special.log1p: KNOWN[np.log1p],
    special.cbrt: KNOWN[np.cbrt],
    special.expit: lambda writer, value: writer.add("Sigmoid", value),
}
"""What inverse_func may be."""


def _back(writer: Writer, transformer: Any, value: str) -> str:
    """Return inverse_transform of a fitted `transformer` of one column on the doubles `value` (n, 1)."""
    if isinstance(transformer, Pipeline):
        for _, step in reversed(transformer.steps):
            value = value if step is None or step == "passthrough" else _back(writer, step, value)
        return value
    way = _INVERSES.get(type(transformer))
    if way is None:
        raise NotImplementedError(f"the way back of {type(transformer).__name__} has no converter")
    return way(writer, transformer, value)


def has_way_back(transformer: Any) -> bool:
    """Say whether inverse_transform of a fitted `transformer` of a target can be exported."""
    if isinstance(transformer, Pipeline):
        return all(step in (None, "passthrough") or has_way_back(step) for _, step in transformer.steps)
    return type(transformer) in _INVERSES and (
        not isinstance(transformer, FunctionTransformer) or _has_inverse(transformer)
    )


def _has_inverse(transformer: Any) -> bool:
    inverse = transformer.inverse_func
    return inverse is None or (isinstance(inverse, Hashable) and inverse in _FUNCTIONS and not transformer.inv_kw_args)


def _function(writer: Writer, transformer: Any, value: str) -> str:
    inverse = transformer.inverse_func
    if inverse is None:
        return value
    if not _has_inverse(transformer):
        name = getattr(inverse, "__name__", type(inverse).__name__)
        raise NotImplementedError(
            f"inverse_func {name} has no converter: numpy's own exp, expm1, square and so on have"
        )
    return _FUNCTIONS[inverse](writer, value)


def _standard(writer: Writer, scaler: Any, value: str) -> str:
    value = writer.add("Mul", value, float(scaler.scale_[0])) if scaler.with_std else value
    return writer.add("Add", value, float(scaler.mean_[0])) if scaler.with_mean else value


def _minmax(writer: Writer, scaler: Any, value: str) -> str:
    return writer.add("Div", writer.add("Sub", value, float(scaler.min_[0])), float(scaler.scale_[0]))


def _robust(writer: Writer, scaler: Any, value: str) -> str:
    value = writer.add("Mul", value, float(scaler.scale_[0])) if scaler.with_scaling else value
    return writer.add("Add", value, float(scaler.center_[0])) if scaler.with_centering else value


def _power_transformer(writer: Writer, transformer: Any, value: str) -> str:
    if transformer.standardize:
        value = _standard(writer, transformer._scaler, value)
    exponent = float(transformer.lambdas_[0])
    if transformer.method == "box-cox":
        return writer.add("Exp", value) if exponent == 0 else _root(writer, value, exponent)
    negative = writer.add("Neg", value)
    up = _root(writer, value, exponent) if abs(exponent) >= np.spacing(1.0) else writer.add("Exp", value)
    down = _root(writer, negative, 2 - exponent) if abs(exponent - 2) > np.spacing(1.0) else writer.add("Exp", negative)
    above = writer.add("GreaterOrEqual", value, 0.0)
    return writer.add("Where", above, writer.add("Sub", up, 1.0), writer.add("Sub", np.array(1.0), down))


def _root(writer: Writer, value: str, exponent: float) -> str:
    """Return (value * exponent + 1) ** (1 / exponent)."""
    return writer.add("Pow", writer.add("Add", writer.add("Mul", value, exponent), 1.0), 1.0 / exponent)


def _quantile(writer: Writer, transformer: Any, value: str) -> str:
    quantiles = transformer.quantiles_[:, 0]
    if transformer.output_distribution == "uniform":
        return interpolated(writer, value, transformer.references_, quantiles)
    error = erf(writer, writer.add("Div", value, float(np.sqrt(2.0))))
    share = writer.add("Mul", writer.add("Add", error, 1.0), 0.5)
    found = interpolated(writer, share, transformer.references_, quantiles)
    high = writer.add("Greater", writer.add("Add", share, _BOUNDS), 1.0)
    low = writer.add("Less", writer.add("Sub", share, _BOUNDS), 0.0)
    found = writer.add("Where", high, float(quantiles[-1]), found)
    return writer.add("Where", low, float(quantiles[0]), found)


_INVERSES: dict[type, Callable[[Writer, Any, str], str]] = {
    FunctionTransformer: _function,
    StandardScaler: _standard,
    MinMaxScaler: _minmax,
    MaxAbsScaler: lambda writer, scaler, value: writer.add("Mul", value, float(scaler.scale_[0])),
    RobustScaler: _robust,
    PowerTransformer: _power_transformer,
    QuantileTransformer: _quantile,
}


def _value(writer: Writer, model: Any, given: Sequence[Any]) -> str:
    return _back(writer, model.transformer_, values_of(writer, model.regressor_, given))


def _convert(scope: Any, operator: Any, container: Any) -> None:
    writer = Writer(scope, container)
    give(writer, _value(writer, operator.raw_operator, operator.inputs), operator.outputs[0])


responses.VALUES[TransformedTargetRegressor] = _value
responses.MEMBERS[TransformedTargetRegressor] = lambda model: [model.regressor_]

CONVERTERS = (Converter(TransformedTargetRegressor, regressor_shape, _convert, "its target turned back, in double"),)
