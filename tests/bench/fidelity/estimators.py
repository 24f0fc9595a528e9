"""Every estimator of scikit-learn, as it comes or with the least that it asks for."""

import inspect
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from sklearn.cluster import KMeans
from sklearn.experimental import enable_halving_search_cv, enable_iterative_imputer  # noqa: F401
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils import all_estimators

from fidelity import tables
from fidelity.case import Case

_SMALL = {"n_estimators": 10, "max_iter": 400, "random_state": 0, "n_init": 2}
"""Set wherever an estimator has it, for the time of a run; each fit ends the same way."""

_KEEP_ITERATIONS = {
    "HistGradientBoostingClassifier": 30,
    "HistGradientBoostingRegressor": 30,
    "IterativeImputer": 5,
}

_NOT = {"OrthogonalMatchingPursuitCV": {"max_iter"}}
"""What of these is no limit of time, and changes what is fitted."""

_SOLVER = LogisticRegression
_PAIR = [("a", LogisticRegression()), ("b", DecisionTreeClassifier(max_depth=3, random_state=0))]
_PAIR_OF_VALUES = [("a", LinearRegression()), ("b", DecisionTreeRegressor(max_depth=3, random_state=0))]

_ARGUMENTS: dict[str, Callable[[], dict[str, Any]]] = {
    "ClassifierChain": lambda: {"estimator": _SOLVER()},
    "ColumnTransformer": lambda: {"transformers": [("a", StandardScaler(), [0, 2]), ("b", MinMaxScaler(), [1, 4])]},
    "CCA": lambda: {"n_components": 1},
    "FeatureUnion": lambda: {"transformer_list": [("a", StandardScaler()), ("b", MinMaxScaler())]},
    "FixedThresholdClassifier": lambda: {"estimator": _SOLVER(), "threshold": 0.3},
    "FrozenEstimator": lambda: {"estimator": _SOLVER().fit(tables.plain().X, tables.plain().y)},
    "GridSearchCV": lambda: {"estimator": _SOLVER(), "param_grid": {"C": [0.1, 1.0]}},
    "HalvingGridSearchCV": lambda: {"estimator": _SOLVER(), "param_grid": {"C": [0.1, 1.0]}},
    "HalvingRandomSearchCV": lambda: {"estimator": _SOLVER(), "param_distributions": {"C": [0.1, 1.0]}},
    "MultiOutputClassifier": lambda: {"estimator": _SOLVER()},
    "MultiOutputRegressor": lambda: {"estimator": Ridge()},
    "OneVsOneClassifier": lambda: {"estimator": _SOLVER()},
    "OneVsRestClassifier": lambda: {"estimator": _SOLVER()},
    "OutputCodeClassifier": lambda: {"estimator": _SOLVER()},
    "Pipeline": lambda: {"steps": [("scale", StandardScaler()), ("model", _SOLVER())]},
    "PLSCanonical": lambda: {"n_components": 1},
    "PLSSVD": lambda: {"n_components": 1},
    "PLSRegression": lambda: {"n_components": 2},
    "RandomizedSearchCV": lambda: {"estimator": _SOLVER(), "param_distributions": {"C": [0.1, 1.0]}, "n_iter": 2},
    "RegressorChain": lambda: {"estimator": Ridge()},
    "RFE": lambda: {"estimator": _SOLVER()},
    "RFECV": lambda: {"estimator": _SOLVER()},
    "SelectFromModel": lambda: {"estimator": _SOLVER()},
    "SelfTrainingClassifier": lambda: {"estimator": _SOLVER()},
    "SequentialFeatureSelector": lambda: {"estimator": _SOLVER()},
    "SkewedChi2Sampler": lambda: {"skewedness": 0.5, "random_state": 0},
    "SparseCoder": lambda: {"dictionary": KMeans(8, n_init=1, random_state=0).fit(tables.plain().X).cluster_centers_},
    "StackingClassifier": lambda: {"estimators": _PAIR},
    "StackingRegressor": lambda: {"estimators": _PAIR_OF_VALUES},
    "TunedThresholdClassifierCV": lambda: {"estimator": _SOLVER(), "scoring": "f1"},
    "VotingClassifier": lambda: {"estimators": _PAIR},
    "VotingRegressor": lambda: {"estimators": _PAIR_OF_VALUES},
    "FeatureHasher": lambda: {"n_features": 16, "input_type": "string"},
    "GaussianRandomProjection": lambda: {"n_components": 3, "random_state": 0},
    "SparseRandomProjection": lambda: {"n_components": 3, "random_state": 0},
    "GenericUnivariateSelect": lambda: {"mode": "percentile", "param": 50},
    "SelectPercentile": lambda: {"percentile": 50},
    "HashingVectorizer": lambda: {"n_features": 16},
    "GaussianMixture": lambda: {"n_components": 3, "random_state": 0},
    "BayesianGaussianMixture": lambda: {"n_components": 3, "random_state": 0},
    "LocalOutlierFactor": lambda: {"novelty": True},
    "RadiusNeighborsClassifier": lambda: {"radius": 20.0, "outlier_label": 1},
    "RadiusNeighborsRegressor": lambda: {"radius": 20.0},
    "RadiusNeighborsTransformer": lambda: {"radius": 20.0},
}

_POSITIVE = (
    "AdditiveChi2Sampler",
    "CategoricalNB",
    "ComplementNB",
    "LatentDirichletAllocation",
    "MiniBatchNMF",
    "MultinomialNB",
    "NMF",
    "SkewedChi2Sampler",
)
_BINARY = ("FixedThresholdClassifier", "TunedThresholdClassifierCV")
_ONE_COLUMN = ("MultiTaskElasticNet", "MultiTaskElasticNetCV", "MultiTaskLasso", "MultiTaskLassoCV")
_TEXTS = ("OneHotEncoder", "OrdinalEncoder", "TargetEncoder")
_FLAT = ("CountVectorizer", "HashingVectorizer", "LabelBinarizer", "LabelEncoder", "TfidfVectorizer")
_GAPS = ("IterativeImputer", "KNNImputer", "MissingIndicator", "SimpleImputer")


_NO_TABLE = {
    "DictVectorizer": "it reads dictionaries, which are no rows of a table",
    "MultiLabelBinarizer": "it reads sets of labels, which are no rows of a table",
    "PatchExtractor": "it reads images, which are no rows of a table",
}


def _tables() -> dict[str, Callable[[], tables.Table]]:
    found: dict[str, Callable[[], tables.Table]] = {}
    found |= dict.fromkeys(_POSITIVE, partial(tables.plain, positive=True))
    found |= dict.fromkeys(_BINARY, partial(tables.plain, "binary"))
    found |= dict.fromkeys(_ONE_COLUMN, partial(tables.plain, "one column"))
    found |= dict.fromkeys(("MultiOutputRegressor", "RegressorChain"), partial(tables.plain, "one column"))
    found |= dict.fromkeys(("MultiOutputClassifier", "ClassifierChain"), partial(tables.plain, "one label column"))
    found |= dict.fromkeys(_TEXTS, tables.words)
    found |= dict.fromkeys(_GAPS, partial(tables.plain, gaps=True))
    found |= dict.fromkeys(("CountVectorizer", "HashingVectorizer", "TfidfVectorizer"), tables.sentences)
    found |= dict.fromkeys(("LabelBinarizer", "LabelEncoder", "FeatureHasher"), _cells)
    found |= dict.fromkeys(("CategoricalNB", "TfidfTransformer"), tables.counts)
    found |= {"IsotonicRegression": tables.one_column, "KernelCenterer": tables.square}
    return found


def _cells() -> tables.Table:
    table = tables.words()
    return tables.Table(table.X[:, :1], None, table.task)


def _make(name: str, kind: type) -> Any:
    arguments = _ARGUMENTS.get(name, dict)()
    known = inspect.signature(kind).parameters.keys()
    small = {word: value for word, value in _SMALL.items() if word in known - _NOT.get(name, set())}
    if name in _KEEP_ITERATIONS:
        small["max_iter"] = _KEEP_ITERATIONS[name]
    return kind(**small | arguments)


def estimators() -> Iterator[Case]:
    """Yield a case for each estimator of scikit-learn."""
    special = _tables()
    for name, kind in all_estimators():
        values = any(base.__name__ == "RegressorMixin" for base in kind.__mro__)
        table = special.get(name, partial(tables.plain, "value" if values else "multi"))
        yield Case(name, partial(_make, name, kind), table, unfit=_NO_TABLE.get(name, ""), flat=name in _FLAT)
