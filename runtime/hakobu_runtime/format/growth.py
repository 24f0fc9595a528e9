"""Follows the numbers that give tensors their shapes, so that a few bytes of model cannot ask for all the memory.

Each tensor that is made of constants and of shapes of data has a weight: log2 of a bound on the product of its
elements. Shapes of data weigh nothing, for they are as large as the data already is. This stops the plain bombs (a huge
constant shape, one computed from constants, a shape computed from the data's values); it is no proof: an outer product
of two large weights can still ask for much. The signature is what stops a hostile author.
"""

from collections.abc import Mapping, Sequence
from math import inf, isfinite, log2

from hakobu_runtime.errors import FormatError

MAX_ELEMENTS = 2**28
"""One tensor of float32 with so many elements takes 1 GB; a model for a PC has no use for a larger one."""

SIZES: Mapping[str, tuple[int, ...]] = {
    "ConstantOfShape": (0,),
    "Expand": (1,),
    "OneHot": (1,),
    "Pad": (1,),
    "Range": (0, 1, 2),
    "Resize": (2, 3),
    "Tile": (1,),
}
"""The inputs of an operator that say how large its output is."""

_OF_FIRST = frozenset(
    ["Cast", "Ceil", "Flatten", "Floor", "Gather", "Identity", "Neg", "Reshape", "Slice", "Split"]
) | {"ReduceMax", "ReduceMin", "ReduceProd", "Squeeze", "Unsqueeze"}
_OF_ALL = frozenset(["Add", "Concat", "Div", "Max", "Min", "Mod", "Mul", "Sub", "Where"])
_WEIGHTLESS = frozenset(
    ["And", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Not", "Or", "Shape", "Size"]
)


def weigh(numbers: Sequence[float]) -> float:
    """Return log2 of the product of `numbers`, each taken as itself or its inverse, whichever is above 1."""
    return sum(abs(log2(abs(number))) if isfinite(number) else inf for number in numbers if number != 0)


class Growth:
    """The weights of the tensors of one graph, node by node in the order of the graph."""

    def __init__(self) -> None:
        self._weights: dict[str, float | None] = {}

    def constant(self, name: str, numbers: Sequence[float] | None) -> None:
        """Note that the tensor `name` always holds `numbers`, or None when they are too many to be a shape."""
        self._define(name, None if numbers is None else weigh(numbers))

    def node(self, operator: str, inputs: Sequence[str], outputs: Sequence[str], fill: Sequence[float]) -> None:
        """Follow one node; raise FormatError when its output may be too large. `fill` is for ConstantOfShape."""
        for place in SIZES.get(operator, ()):
            if place < len(inputs) and inputs[place]:
                self._check(operator, inputs[place])
        if operator == "Reshape" and len(inputs) > 1 and (self._weights.get(inputs[1]) or 0) > log2(MAX_ELEMENTS):
            raise FormatError(_too_large(operator))
        weight = self._weight(operator, inputs, fill)
        for name in outputs:
            self._define(name, weight)

    def _define(self, name: str, weight: float | None) -> None:
        # onnxruntime takes the last of two constants of one name: a way to show one here and use the other there.
        if name and name in self._weights:
            raise FormatError(f"two tensors have the name {name!r}: it is damaged, or made to deceive")
        self._weights[name] = weight

    def _check(self, operator: str, name: str) -> None:
        weight = self._weights.get(name)
        if weight is None:
            raise FormatError(
                f"operator {operator!r} takes the size of its output from the data or from a long computation "
                f"({name!r}): export the model with fixed sizes"
            )
        if weight > log2(MAX_ELEMENTS):
            raise FormatError(_too_large(operator))

    def _weight(self, operator: str, inputs: Sequence[str], fill: Sequence[float]) -> float | None:
        if operator in _WEIGHTLESS:
            return 0.0
        if operator == "ConstantOfShape":
            return 0.0 if weigh(fill) == 0 else None
        if operator not in _OF_ALL and operator not in _OF_FIRST:
            return None
        weights = [self._weights.get(name) for name in (inputs if operator in _OF_ALL else inputs[:1])]
        known = [weight for weight in weights if weight is not None]
        return sum(known) + (operator in ("Add", "Sub")) if len(known) == len(weights) else None


def _too_large(operator: str) -> str:
    return f"operator {operator!r} asks for a tensor of more than {MAX_ELEMENTS:,} elements, which is not allowed"
