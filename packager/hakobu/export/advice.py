"""What to do about an estimator that is known not to survive the way to ONNX unchanged."""

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn import calibration, compose, ensemble, impute, preprocessing, svm
from sklearn.decomposition import TruncatedSVD

from hakobu.export.converters.functions import function_of
from hakobu.export.converters.remedies import ADVICE as TAIL_ADVICE
from hakobu.export.converters.targets import has_way_back
from hakobu.export.converters.text import ADVICE as TEXT_ADVICE
from hakobu.export.inside import inside

_BOOSTING = (ensemble.HistGradientBoostingClassifier, ensemble.HistGradientBoostingRegressor)
_TREES = (*_BOOSTING, ensemble.RandomForestClassifier, ensemble.RandomForestRegressor)
_SCALERS = (preprocessing.StandardScaler, preprocessing.MinMaxScaler, preprocessing.RobustScaler)


def _always(found: Any) -> bool:
    return True


def _is_narrowly_isotonic(found: Any) -> bool:
    """Say whether isotonic steps were learned from scores in float32."""
    calibrators = [one for part in getattr(found, "calibrated_classifiers_", ()) for one in part.calibrators]
    return any(getattr(one, "X_thresholds_", np.empty(0)).dtype == np.float32 for one in calibrators)


def _is_text(categories: Any) -> bool:
    return any(isinstance(category, str) for category in categories)


_KNOWN: tuple[tuple[tuple[type, ...], Callable[[Any], bool], str], ...] = (
    (
        (calibration.CalibratedClassifierCV,),
        _is_narrowly_isotonic,
        'its isotonic steps are finer than the float32 scores that they follow: set [model] dtype to "float64", or use '
        'method="sigmoid"',
    ),
    (
        (svm.SVC, svm.NuSVC, svm.SVR, svm.NuSVR),
        lambda found: callable(found.kernel) or found.kernel == "precomputed",
        'its kernel is computed outside it: use "rbf", "linear", "poly" or "sigmoid"',
    ),
    (
        (compose.TransformedTargetRegressor,),
        lambda found: hasattr(found, "transformer_") and not has_way_back(found.transformer_),
        "its inverse_func is none that ONNX knows: use numpy's exp, expm1 or square, or put the transformed target "
        "into the data",
    ),
    (
        (impute.SimpleImputer,),
        lambda found: (
            getattr(found, "_fit_dtype", np.dtype(float)).kind == "O" and not isinstance(found.missing_values, str)
        ),
        'a missing text is "" here: set missing_values="", and impute texts and numbers in two steps',
    ),
    (
        (preprocessing.FunctionTransformer,),
        lambda found: found.func is not None and function_of(found) is None,
        "its function is none of numpy's that ONNX knows: compute that column before, and put it into the data",
    ),
    (
        (preprocessing.SplineTransformer,),
        lambda found: found.extrapolation == "error",
        'extrapolation="error" gives no score beyond the knots: use "constant" or "linear"',
    ),
    (
        (preprocessing.TargetEncoder,),
        lambda found: len({_is_text(known) for known in getattr(found, "categories_", ())}) > 1,
        "it reads texts and numbers at once: give each kind an encoder of its own",
    ),
    *TEXT_ADVICE,
    *TAIL_ADVICE,
    (
        (preprocessing.PowerTransformer,),
        _always,
        "large powers make much of float32's rounding: scale the column to about 1 before it, or take its logarithm",
    ),
)


def advice(estimator: Any) -> str:
    """Return what to do about the first part of `estimator` that is known for trouble; "" when none is."""
    for kinds, guilty, words in _KNOWN:
        for found in inside(estimator, kinds):
            if guilty(found):
                return f"{type(found).__name__}: {words}"
    trees, scaler = next(inside(estimator, _TREES), None), next(inside(estimator, _SCALERS), None)
    if trees is not None and scaler is not None:
        return f"{type(scaler).__name__} before {type(trees).__name__}: trees need no scaling, take it out"
    boosting, rotated = next(inside(estimator, _BOOSTING), None), next(inside(estimator, (TruncatedSVD,)), None)
    if boosting is not None and rotated is not None:
        return (
            f"TruncatedSVD before {type(boosting).__name__}: boosting tells numbers apart that no two computers add up "
            "alike; use a forest or a linear model behind it"
        )
    return ""
