"""The standard exporter, as its documentation says to use it."""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import is_classifier

from fidelity.answer import Answer

OPSETS = {"": 21, "ai.onnx.ml": 3}
_PEERS = (
    (
        "lightgbm",
        "LightGbm",
        ("LGBMClassifier", "LGBMRegressor"),
        "lightgbm.operator_converters.LightGbm",
        "convert_lightgbm",
    ),
    (
        "xgboost",
        "XGBoost",
        ("XGBClassifier", "XGBRFClassifier", "XGBRegressor", "XGBRFRegressor"),
        "xgboost.operator_converters.XGBoost",
        "convert_xgboost",
    ),
)
"""Library, the name that its converter looks for, classes, and the converter's module and name."""


def carry(estimator: Any, X: Any) -> bytes:
    """Return `estimator` as ONNX; raise whatever the exporter raises, ModuleNotFoundError where it lacks a library."""
    from skl2onnx import to_onnx

    if type(estimator).__module__.partition(".")[0] in ("lightgbm", "xgboost") and find_spec("onnxmltools") is None:
        raise ModuleNotFoundError("the exporter needs onnxmltools for it, which is not installed")
    register_boosters()
    options = {id(estimator): {"zipmap": False}} if is_classifier(estimator) else None
    try:
        model = to_onnx(estimator, X[:1], target_opset=OPSETS, options=options)
    except (NameError, KeyError):
        if options is None:
            raise
        model = to_onnx(estimator, X[:1], target_opset=OPSETS)  # not every classifier knows the option
    content: bytes = model.SerializeToString()
    return content


def answer(content: bytes, X: Any, *, labels: bool, odds: bool) -> Answer:
    """Return what the ONNX model says of the rows `X`."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    found = session.run(None, _feeds(session, X))
    if not labels:
        return Answer(None, np.asarray(found[0], dtype=np.float64).reshape(len(X), -1))
    numbers = np.asarray(found[1], dtype=np.float64).reshape(len(X), -1) if odds and len(found) > 1 else None
    return Answer(np.asarray(found[0]).ravel(), numbers)


def _feeds(session: Any, X: Any) -> dict[str, Any]:
    names = [value.name for value in session.get_inputs()]
    if not isinstance(X, pd.DataFrame):
        X = np.asarray(X)
        return {names[0]: X[:, 0] if len(session.get_inputs()[0].shape) == 1 else X}
    return {
        name: X[[column]].to_numpy(dtype=object if X[column].dtype == object else np.float32)
        for name, column in zip(names, X, strict=True)
    }


def register_boosters() -> None:
    """Tell the exporter of LightGBM and XGBoost, as their converters' documentation says."""
    from skl2onnx import update_registered_converter
    from skl2onnx.common.shape_calculator import (
        calculate_linear_classifier_output_shapes,
        calculate_linear_regressor_output_shapes,
    )

    for library, alias, kinds, place, name in _PEERS:
        if find_spec("onnxmltools") is None or find_spec(library) is None:
            continue
        convert = getattr(import_module(f"onnxmltools.convert.{place}"), name)
        for kind in kinds:
            classes = "Classifier" in kind
            shapes = calculate_linear_classifier_output_shapes if classes else calculate_linear_regressor_output_shapes
            known = {"nocl": [True, False], "zipmap": [True, False, "columns"]} if classes else None
            found = getattr(import_module(library), kind)
            update_registered_converter(found, f"{alias}{kind}", shapes, convert, options=known)
