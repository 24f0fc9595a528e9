"""A trained model that is given rows the way the device has them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import ClassifierTags, RegressorTags, Tags
from sklearn.utils.metaestimators import available_if

from hakobu.export.gaps import missing_text


def _has(name: str) -> Callable[[Any], bool]:
    return lambda served: hasattr(served.estimator, name)


class Served(BaseEstimator):  # type: ignore[misc]
    """An estimator fitted elsewhere, which may have learned that a missing text is None or NaN where we have "".

    It has `classes_` and `predict_proba` where the estimator has them.
    """

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator
        self._gap = missing_text(estimator)

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        classifies = hasattr(self, "classes_")
        tags.estimator_type = "classifier" if classifies else "regressor"
        tags.classifier_tags = ClassifierTags() if classifies else None
        tags.regressor_tags = None if classifies else RegressorTags()
        return tags

    def __getattr__(self, name: str) -> Any:
        if name == "estimator":
            raise AttributeError(name)
        return getattr(self.estimator, name)

    def predict(self, frame: pd.DataFrame) -> NDArray[Any]:
        """Return the class or the value of each row of `frame`."""
        return np.asarray(self.estimator.predict(self._given(frame)))

    @available_if(_has("predict_proba"))  # type: ignore[untyped-decorator]
    def predict_proba(self, frame: pd.DataFrame) -> NDArray[Any]:
        """Return the probability of each class, shape (n, classes)."""
        return np.asarray(self.estimator.predict_proba(self._given(frame)))

    @available_if(_has("decision_function"))  # type: ignore[untyped-decorator]
    def decision_function(self, frame: pd.DataFrame) -> NDArray[Any]:
        """Return the estimator's scores."""
        return np.asarray(self.estimator.decision_function(self._given(frame)))

    def _given(self, frame: pd.DataFrame) -> Any:
        if self._gap != "":
            texts = [name for name in frame.columns if frame[name].dtype == object]
            frame = frame.assign(**{name: frame[name].where(frame[name] != "", self._gap) for name in texts})
        if getattr(self.estimator, "feature_names_in_", None) is None and not hasattr(self.estimator, "library"):
            return frame.to_numpy()
        return frame
