"""Which estimators round doubles to float32 before anything else, and how the exporter is made to do the same."""

from collections.abc import Sequence
from copy import copy, deepcopy
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from onnx import TensorProto
from sklearn import ensemble, tree
from sklearn.base import is_regressor
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyRegressor
from sklearn.pipeline import FeatureUnion

from hakobu.export.inside import inside

TREES = (
    tree.DecisionTreeClassifier,
    tree.DecisionTreeRegressor,
    tree.ExtraTreeClassifier,
    tree.ExtraTreeRegressor,
    ensemble.RandomForestClassifier,
    ensemble.RandomForestRegressor,
    ensemble.ExtraTreesClassifier,
    ensemble.ExtraTreesRegressor,
    ensemble.RandomTreesEmbedding,
    ensemble.GradientBoostingClassifier,
    ensemble.GradientBoostingRegressor,
    ensemble.IsolationForest,
)
"""scikit-learn's own trees, which round to float32 what they are given."""

_VOTES = (ensemble.AdaBoostClassifier, ensemble.AdaBoostRegressor)
"""Those that hand on what they are given: they read float32 where all that they hand it to does."""


def sees_float32(estimator: Any) -> bool:
    """Say whether the fitted `estimator` rounds what it is given to float32 before it does anything with it."""
    if isinstance(estimator, _VOTES):
        return all(isinstance(found, TREES) for found in estimator.estimators_)
    return isinstance(estimator, TREES)


@cache
def register_doubles() -> None:
    """Let the exporter round doubles to float32 before the trees that do so, and keep them elsewhere; once a process.

    For trees, the standard exporter looks for double thresholds with the same effect, for ever where one is infinite,
    and then writes them as float32. And it takes what several transformers give for what the first of them gives.
    """
    from skl2onnx._supported_operators import sklearn_operator_name_map as aliases
    from skl2onnx.common._registration import (
        get_converter,
        get_shape_calculator,
        register_converter,
        register_shape_calculator,
    )

    for kind in (*TREES, *_VOTES):
        alias = aliases[kind]
        plain = get_converter(alias)
        rounded = _Rounded(alias, get_shape_calculator(alias), plain)
        register_shape_calculator(alias, rounded.shape, overwrite=True)
        register_converter(alias, rounded.convert, overwrite=True, options=plain.get_allowed_options())
    for kind in (ColumnTransformer, FeatureUnion):
        _join_widely(kind)


def _join_widely(kind: type) -> None:
    """Let what a `kind` of transformer joins be doubles as soon as one of the parts is."""
    from skl2onnx import update_registered_parser
    from skl2onnx._parse import sklearn_parsers_map
    from skl2onnx.common.data_types import DoubleTensorType

    plain = sklearn_parsers_map[kind]

    def parse(scope: Any, model: Any, inputs: Any, custom_parsers: Any = None) -> Any:
        outputs = plain(scope, model, inputs, custom_parsers=custom_parsers)
        for operator in scope.operators.values():
            joined = operator.type == "SklearnConcat" and any(operator.outputs[0] is output for output in outputs)
            if joined and any(_is_double(value) for value in operator.inputs):
                operator.outputs[0].type = DoubleTensorType(operator.outputs[0].type.shape)
        return outputs

    update_registered_parser(kind, parse)


@dataclass(frozen=True, slots=True)
class _Rounded:
    """A converter with a Cast to float32 before it where it is given doubles, and Casts to double behind it."""

    alias: str
    plain_shape: Any
    plain: Any

    def shape(self, operator: Any) -> None:
        """Set the types of the outputs of skl2onnx's operator."""
        from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

        self.plain_shape(operator)
        for value in operator.outputs if _rounds(operator) else ():
            if isinstance(value.type, FloatTensorType):
                value.type = DoubleTensorType(value.type.shape)

    def convert(self, scope: Any, operator: Any, container: Any) -> None:
        """Add the nodes of skl2onnx's operator."""
        from skl2onnx.common.data_types import FloatTensorType

        if not _rounds(operator):
            self.plain(scope, operator, container)
            return
        estimator, middle = _centred(operator.raw_operator)
        inner = scope.declare_local_operator(self.alias, estimator)
        inner.inputs.append(scope.declare_local_variable("rounded", FloatTensorType(operator.inputs[0].type.shape)))
        _link(scope, container, "Cast", operator.inputs[:1], inner.inputs[0], to=TensorProto.FLOAT)
        for value in operator.outputs:
            kind = FloatTensorType(value.type.shape) if _is_double(value) else value.type
            inner.outputs.append(scope.declare_local_variable("from_rounded", kind))
            if _is_double(value):
                _widen(scope, container, inner.outputs[-1], value, middle)
            else:
                _link(scope, container, "Identity", inner.outputs[-1:], value)


def _is_double(value: Any) -> bool:
    from skl2onnx.common.data_types import DoubleTensorType

    return isinstance(value.type, DoubleTensorType)


def _rounds(operator: Any) -> bool:
    return _is_double(operator.inputs[0]) and sees_float32(operator.raw_operator)


def _widen(scope: Any, container: Any, source: Any, target: Any, middle: float) -> None:
    """Make `source` a double, and add `middle` to it."""
    if not middle:
        _link(scope, container, "Cast", [source], target, to=TensorProto.DOUBLE)
        return
    double, constant = (scope.declare_local_variable(name, target.type) for name in ("double", "middle"))
    container.add_initializer(constant.full_name, TensorProto.DOUBLE, [1], [middle])
    _link(scope, container, "Cast", [source], double, to=TensorProto.DOUBLE)
    _link(scope, container, "Add", [double, constant], target)


def _link(scope: Any, container: Any, kind: str, sources: Sequence[Any], target: Any, **attributes: int) -> None:
    """Add a node of `kind` from the variables `sources` to the variable `target`."""
    names = [source.full_name for source in sources]
    container.add_node(kind, names, target.full_name, name=scope.get_unique_operator_name(kind), **attributes)


def _centred(estimator: Any) -> tuple[Any, float]:
    """Return `estimator` less a number in the middle of what it predicts, and that number; 0 of a classifier.

    The operator of trees gives out float32, which tells small values apart, and large ones that are alike not.
    """
    if not is_regressor(estimator) or getattr(estimator, "n_outputs_", 1) != 1:
        return estimator, 0.0
    if isinstance(estimator, ensemble.GradientBoostingRegressor):
        if not isinstance(estimator.init_, DummyRegressor):
            return estimator, 0.0
        moved = copy(estimator)
        moved.init_ = deepcopy(estimator.init_)
        middle = float(np.ravel(estimator.init_.constant_)[0])
        moved.init_.constant_ = np.zeros_like(estimator.init_.constant_)
        return moved, middle
    moved = deepcopy(estimator)
    trees = [found.tree_ for found in inside(moved, (tree.BaseDecisionTree,)) if hasattr(found, "tree_")]
    middle = float(np.mean([grown.value[0, 0, 0] for grown in trees]))
    for grown in trees:
        grown.value[...] -= middle
    return moved, middle
