"""skops files: scikit-learn's models without a pickle."""

import importlib
import warnings
from pathlib import Path
from types import FunctionType
from typing import Any

from sklearn.exceptions import InconsistentVersionWarning

from hakobu.sources.library import library
from hakobu.sources.pickles import unreadable
from hakobu_runtime.errors import InputError

_KNOWN = frozenset({
    "collections.OrderedDict",
    "functools.partial",
    "sklearn.utils.validation.check_array",
    "catboost.core.CatBoostClassifier",
    "catboost.core.CatBoostRanker",
    "catboost.core.CatBoostRegressor",
    "lightgbm.basic.Booster",
    "lightgbm.compat._LGBMLabelEncoder",
    "lightgbm.sklearn.LGBMClassifier",
    "lightgbm.sklearn.LGBMRanker",
    "lightgbm.sklearn.LGBMRegressor",
    "xgboost.core.Booster",
    "xgboost.sklearn.XGBClassifier",
    "xgboost.sklearn.XGBRanker",
    "xgboost.sklearn.XGBRegressor",
    "xgboost.sklearn.XGBRFClassifier",
    "xgboost.sklearn.XGBRFRegressor",
})  # fmt: skip
"""Types beside scikit-learn's own classes that hold numbers and no code; a partial calls what must be known as well."""


def read_skops(path: Path) -> Any:
    """Return the model in the skops file at `path`.

    Raises InputError when it is damaged, or names types that are neither scikit-learn's nor of a known booster.
    """
    skops = library("skops.io", "skops")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", InconsistentVersionWarning)
        try:
            named = skops.get_untrusted_types(file=path)
            strange = [name for name in named if name not in _KNOWN and not _is_sklearn(name)]
            if not strange:
                return skops.load(path, trusted=named)
        except Exception as error:
            raise unreadable(path, error) from error
    raise InputError(
        f"{path}: holds types that are not scikit-learn's, and loading them can run code: {', '.join(strange[:10])}; "
        "build the model of scikit-learn's own parts alone"
    )


def _is_sklearn(name: str) -> bool:
    """Say whether `name` is that of a class or a metric that scikit-learn itself defines."""
    module, _, attribute = name.rpartition(".")
    if module.partition(".")[0] != "sklearn":
        return False
    try:
        found = getattr(importlib.import_module(module), attribute, None)
    except ImportError:
        return False
    home = getattr(found, "__module__", "") or ""
    if isinstance(found, type):
        return home.partition(".")[0] == "sklearn"
    return isinstance(found, FunctionType) and home.startswith("sklearn.metrics.")
