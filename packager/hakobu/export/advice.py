"""What to do about an estimator that is known not to survive the way to ONNX unchanged."""

from collections.abc import Callable
from typing import Any

from sklearn import calibration, compose, ensemble, impute, model_selection, multiclass, neighbors, preprocessing, svm

from hakobu.export.inside import inside

_BOOSTING = (ensemble.HistGradientBoostingClassifier, ensemble.HistGradientBoostingRegressor)
_TREES = (*_BOOSTING, ensemble.RandomForestClassifier, ensemble.RandomForestRegressor)
_THRESHOLDS = (model_selection.TunedThresholdClassifierCV, model_selection.FixedThresholdClassifier)
_NEIGHBOURS = (neighbors.KNeighborsClassifier, neighbors.KNeighborsRegressor, impute.KNNImputer)
_VERSUS = (multiclass.OneVsRestClassifier, multiclass.OneVsOneClassifier)
_SCALERS = (preprocessing.StandardScaler, preprocessing.MinMaxScaler, preprocessing.RobustScaler)
_EDGES = (preprocessing.QuantileTransformer, preprocessing.KBinsDiscretizer)


def _always(found: Any) -> bool:
    return True


_KNOWN: tuple[tuple[tuple[type, ...], Callable[[Any], bool], str], ...] = (
    (
        _BOOSTING,
        lambda found: getattr(found, "is_categorical_", None) is not None,
        "categorical_features is exported wrongly: encode the categories with an OrdinalEncoder and leave it None",
    ),
    (
        _BOOSTING,
        lambda found: found.loss in ("poisson", "gamma"),
        'its loss is exported rightly only at the end of a pipeline: use loss="squared_error" elsewhere',
    ),
    (_THRESHOLDS, _always, "its threshold is not exported: use the classifier inside it, and set class_weight"),
    (
        (calibration.CalibratedClassifierCV,),
        lambda found: found.method == "isotonic",
        'isotonic steps move in float32: use method="sigmoid"',
    ),
    (
        (impute.SimpleImputer,),
        lambda found: found.add_indicator,
        "add_indicator is not exported: leave it False, or let histogram gradient boosting read the gaps themselves",
    ),
    ((impute.MissingIndicator,), _always, "it is not exported: histogram gradient boosting reads gaps without it"),
    ((preprocessing.PowerTransformer,), _always, "it is exported wrongly for missing values: impute before it"),
    (_EDGES, _always, "its edges move in float32: use StandardScaler or trees, which need neither"),
    (_NEIGHBOURS, _always, "its distances move in float32: use trees or a linear model; SimpleImputer imputes"),
    (_VERSUS, _always, "LogisticRegression, forests and boosting know many classes without it"),
    ((svm.LinearSVC,), _always, "use LogisticRegression, or SGDClassifier"),
    ((compose.TransformedTargetRegressor,), _always, "it is not exported: put the transformed target in the data"),
    (
        (preprocessing.OneHotEncoder, preprocessing.OrdinalEncoder, preprocessing.TargetEncoder),
        lambda found: getattr(found, "min_frequency", None) is not None,
        "min_frequency is not exported: leave it None",
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
    return ""
