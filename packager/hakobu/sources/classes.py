"""What a fitted model predicts: the classes of a classification, or values."""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import is_classifier, is_outlier_detector, is_regressor
from sklearn.utils import get_tags

from hakobu.export.foreign import is_foreign
from hakobu.parity import whole
from hakobu_runtime.errors import ProjectError
from hakobu_runtime.format.manifest import ClassLabel


def classes_of(estimator: Any, source: Any, frame: pd.DataFrame) -> tuple[ClassLabel, ...]:
    """Return the classes of `estimator` in the order of its probabilities; none of a regression.

    `source` is the same model, which takes rows the way the device has them.

    An outlier detector has the classes -1 and 1; a clustering has those that `frame` shows, and all below.
    Raises ProjectError for a model that predicts neither a class nor a value.
    """
    name = type(estimator).__name__
    if not hasattr(estimator, "predict"):
        raise ProjectError(f"{name} has no predict()\nremedy: end the pipeline with a classifier or a regressor")
    found = getattr(estimator, "classes_", None)
    if isinstance(found, list) and not found:
        found = None  # as CatBoost's regressors have it
    if found is None and is_foreign(estimator):
        return ()
    if found is None and is_outlier_detector(estimator):
        found = np.array([-1, 1])
    elif found is None and get_tags(estimator).estimator_type in ("clusterer", "density_estimator"):
        wide = max(getattr(estimator, name, 0) or 0 for name in ("n_clusters", "n_components"))
        found = np.arange(max(2, int(wide), int(np.max(source.predict(frame))) + 1))
    if found is None:
        if is_classifier(estimator):
            raise ProjectError(f"{name} is not fitted\nremedy: fit it, and save it again")
        if not is_regressor(estimator):
            raise ProjectError(f"{name} predicts neither a class nor a value\nremedy: end the pipeline with a model")
        return ()
    if isinstance(found, list) or np.asarray(found).ndim != 1:
        raise ProjectError(f"{name} predicts several targets at once\nremedy: make a model for each of them")
    labels = whole(found).tolist()
    if not all(isinstance(label, bool | int | str) for label in labels):
        raise ProjectError(
            f"{name} has classes like {labels[:3]}\nremedy: train it on texts, integers or booleans as classes"
        )
    return tuple(labels)
