"""IsotonicRegression: straight lines between the points that it learned, in double."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.isotonic import IsotonicRegression

from hakobu.export.converters import responses
from hakobu.export.converters.classes import give, regressor_shape
from hakobu.export.converters.piecewise import interpolated
from hakobu.export.converters.registry import Converter
from hakobu.export.converters.responses import matrix_of
from hakobu.export.converters.writer import Writer


def _value(writer: Writer, model: Any, given: Sequence[Any]) -> str:
    if model.out_of_bounds == "raise":
        raise NotImplementedError("out_of_bounds='raise' cannot be exported: use 'clip', or leave it 'nan'")
    places = np.asarray(model.X_thresholds_, dtype=np.float64)
    column = matrix_of(writer, given)
    found = interpolated(writer, column, places, np.asarray(model.y_thresholds_, dtype=np.float64))
    if model.out_of_bounds == "clip" or len(places) == 1:
        return found
    outside = writer.add("Or", writer.add("Less", column, places[0]), writer.add("Greater", column, places[-1]))
    return writer.add("Where", outside, np.nan, found)


def _convert(scope: Any, operator: Any, container: Any) -> None:
    writer = Writer(scope, container)
    give(writer, _value(writer, operator.raw_operator, operator.inputs), operator.outputs[0])


responses.VALUES[IsotonicRegression] = _value

CONVERTERS = (Converter(IsotonicRegression, regressor_shape, _convert, "its steps drawn in double"),)
