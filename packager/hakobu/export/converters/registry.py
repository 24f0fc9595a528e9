"""How a converter of our own gets into the standard exporter's registry."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Shape = Callable[[Any], None]
"""Sets the types of the outputs of skl2onnx's operator."""

Convert = Callable[[Any, Any, Any], None]
"""Adds nodes for an operator: scope, operator, container, as skl2onnx calls it."""


def always(found: Any) -> bool:
    """Say yes to any estimator."""
    return True


@dataclass(frozen=True, slots=True)
class Converter:
    """How the estimators of one class become ONNX nodes, where the standard exporter lacks a way or errs."""

    kind: type
    shape: Shape
    convert: Convert
    repair: str
    """What is mended, in the words of the report, like "tuned threshold applied"."""
    applies: Callable[[Any], bool] = always
    """Whether this fitted estimator needs it; the standard converter keeps the others."""
    mends: Callable[[Any], bool] = always
    """Whether the standard converter errs on this fitted estimator, which is worth telling."""
    parser: Callable[..., Any] | None = None
    """skl2onnx's parser, for a class that needs one of its own."""
    options: dict[str, Any] | None = None
    """skl2onnx's options that the converter knows."""

    def register(self) -> None:
        """Put this converter before the standard one."""
        from skl2onnx import update_registered_converter
        from skl2onnx._supported_operators import sklearn_operator_name_map
        from skl2onnx.common._registration import get_converter, get_shape_calculator

        alias = sklearn_operator_name_map.get(self.kind, "")
        standard: tuple[Any, Any] | None = None
        if alias and not alias.startswith("Hakobu") and self.applies is not always:
            standard = get_shape_calculator(alias), get_converter(alias)

        def shape(operator: Any) -> None:
            chosen = self.shape if standard is None or self.applies(operator.raw_operator) else standard[0]
            chosen(operator)

        def convert(scope: Any, operator: Any, container: Any) -> None:
            chosen = self.convert if standard is None or self.applies(operator.raw_operator) else standard[1]
            chosen(scope, operator, container)

        update_registered_converter(
            self.kind,
            f"Hakobu{self.kind.__name__}",
            shape,
            convert,
            overwrite=True,
            parser=self.parser,
            options=self.options,
        )
