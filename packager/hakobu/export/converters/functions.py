"""FunctionTransformer of numpy's own functions, in double."""

from collections.abc import Callable, Hashable
from math import log
from typing import Any

import numpy as np
from sklearn.preprocessing import FunctionTransformer

from hakobu.export.converters.logarithms import expm1, log1p
from hakobu.export.converters.registry import Converter
from hakobu.export.converters.step import Step, as_many, gives
from hakobu.export.converters.writer import Writer

Function = Callable[[Writer, str], str]


def _node(operator: str) -> Function:
    return lambda writer, value: writer.add(operator, value)


def _narrow(operator: str) -> Function:
    """Return a function that onnxruntime knows in float32 alone."""
    return lambda writer, value: writer.double(writer.add(operator, writer.float32(value)))


def _log_to(base: float) -> Function:
    return lambda writer, value: writer.add("Div", writer.add("Log", value), log(base))


def _cube_root(writer: Writer, value: str) -> str:
    root = writer.add("Pow", writer.add("Abs", value), 1 / 3)
    return writer.add("Mul", writer.add("Sign", value), root)


def _truncated(writer: Writer, value: str) -> str:
    whole = writer.add("Floor", writer.add("Abs", value))
    return writer.add("Mul", writer.add("Sign", value), whole)


def _tangent(writer: Writer, value: str) -> str:
    return writer.add("Div", writer.add("Sin", value), writer.add("Cos", value))


def _hyperbolic_sine(writer: Writer, value: str) -> str:
    """Give sinh(x) of e = exp(x) - 1 near 0, where exp(x) - exp(-x) would lose digits."""
    grown = expm1(writer, value)
    near = writer.add("Add", grown, writer.add("Div", grown, writer.add("Add", grown, 1.0)))
    far = writer.add("Sub", writer.add("Exp", value), writer.add("Exp", writer.add("Neg", value)))
    small = writer.add("Less", writer.add("Abs", value), 0.5)
    return writer.add("Mul", writer.add("Where", small, near, far), 0.5)


def _hyperbolic_cosine(writer: Writer, value: str) -> str:
    both = writer.add("Add", writer.add("Exp", value), writer.add("Exp", writer.add("Neg", value)))
    return writer.add("Mul", both, 0.5)


KNOWN: dict[Any, Function] = {
    np.log1p: log1p,
    np.expm1: expm1,
    np.log: _node("Log"),
    np.log2: _log_to(2),
    np.log10: _log_to(10),
    np.exp: _node("Exp"),
    np.sqrt: _node("Sqrt"),
    np.cbrt: _cube_root,
    np.square: lambda writer, value: writer.add("Mul", value, value),
    np.abs: _node("Abs"),
    np.fabs: _node("Abs"),
    np.sign: _node("Sign"),
    np.negative: _node("Neg"),
    np.positive: _node("Identity"),
    np.reciprocal: _node("Reciprocal"),
    np.floor: _node("Floor"),
    np.ceil: _node("Ceil"),
    np.trunc: _truncated,
    np.rint: _node("Round"),
    np.sin: _node("Sin"),
    np.cos: _node("Cos"),
    np.tan: _tangent,
    np.arcsin: _narrow("Asin"),
    np.arccos: _narrow("Acos"),
    np.arctan: _narrow("Atan"),
    np.sinh: _hyperbolic_sine,
    np.cosh: _hyperbolic_cosine,
    np.tanh: _node("Tanh"),
}
"""What a FunctionTransformer may call: a function of each number alone, that scikit-learn takes from numpy."""


def function_of(transformer: Any) -> Function | None:
    """Return what computes the function that a FunctionTransformer calls; None where ONNX has no such thing."""
    if transformer.kw_args or not isinstance(transformer.func, Hashable):
        return None
    return KNOWN.get(transformer.func)


def _convert(scope: Any, operator: Any, container: Any) -> None:
    step, called = Step(scope, operator, container), operator.raw_operator
    function = function_of(called)
    if function is None:
        names = ", ".join(f"np.{known.__name__}" for known in KNOWN)
        name = getattr(called.func, "__name__", type(called.func).__name__)
        arguments = " with kw_args" if called.kw_args else ""
        raise NotImplementedError(f"its function {name}{arguments} is unknown to ONNX; known are None, {names}")
    step.give(function(step, step.numbers()))


def _calls(transformer: Any) -> bool:
    """Say whether there is a function to call; the standard exporter passes on what comes in."""
    return transformer.func is not None


CONVERTERS: tuple[Converter, ...] = (
    Converter(FunctionTransformer, gives(as_many), _convert, "its function computed in double", applies=_calls),
)
