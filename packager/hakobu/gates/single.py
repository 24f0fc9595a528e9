"""What one feature alone predicts: too much tells of a leak, and a model that adds nothing to it is not needed."""

from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from hakobu.gates.metrics import scored
from hakobu.train import Trained

MOST_ROWS = 20_000
"""How many rows each side gives at most: what one feature alone can do shows in fewer."""
_PRIOR = 10
"""How many rows of the average stand behind each category, so that rare ones promise little."""
_MOST_CLASSES = 20


class OneColumn(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """One column of a frame as numbers; each text stands for what the target was on average where it stood."""

    def __init__(self, name: str) -> None:
        self.name = name

    def fit(self, X: pd.DataFrame, y: NDArray[Any]) -> Self:
        """Learn what each text stands for."""
        aims = _aims(y)
        self.average_ = aims.mean(axis=0)
        self.known_: dict[Any, NDArray[np.float64]] = {}
        if X[self.name].dtype == object:
            codes, texts = pd.factorize(X[self.name])
            sums = np.stack([np.bincount(codes, weights=aim, minlength=len(texts)) for aim in aims.T], axis=1)
            rows = np.bincount(codes, minlength=len(texts))[:, None]
            shares = (sums + _PRIOR * self.average_) / (rows + _PRIOR)
            self.known_ = dict(zip(texts, shares, strict=True))
        return self

    def transform(self, X: pd.DataFrame) -> NDArray[np.float64]:
        """Return the column's numbers, shape (rows, 1), or what its texts stand for, shape (rows, classes)."""
        column = X[self.name]
        if column.dtype != object:
            limit = np.finfo(np.float32).max / 2
            return np.asarray(np.clip(column.to_numpy(dtype=np.float64), -limit, limit)[:, None])
        return np.stack([self.known_.get(text, self.average_) for text in column])


def _aims(y: NDArray[Any]) -> NDArray[np.float64]:
    """Return the target as numbers, shape (rows, 1), or whether each row is of a class, shape (rows, classes)."""
    if y.dtype.kind == "f":
        return np.asarray(y, dtype=np.float64)[:, None]
    classes, counts = np.unique(y, return_counts=True)
    common = classes[np.argsort(-counts, kind="stable")][:_MOST_CLASSES]
    return np.asarray(y[:, None] == common[None, :], dtype=np.float64)


def alone(trained: Trained, scorer: Any, leaves: int, seed: int) -> dict[str, float]:
    """Return, for each feature, what a tree of `leaves` leaves over that feature alone scores on the hold-out.

    It learns from the training rows. NaN where the score cannot be computed.
    """
    learn, judge = _some(len(trained.y_train), seed), _some(len(trained.y_holdout), seed)
    X, y = trained.X_train.iloc[learn], trained.y_train[learn]
    X_new, y_new = trained.X_holdout.iloc[judge], trained.y_holdout[judge]
    return {name: scored(scorer, _tree(name, y, leaves, seed).fit(X, y), X_new, y_new) for name in X.columns}


def _tree(name: str, y: NDArray[Any], leaves: int, seed: int) -> Pipeline:
    kind = DecisionTreeRegressor if y.dtype.kind == "f" else DecisionTreeClassifier
    fewest = max(1, min(5, len(y) // 20))
    return make_pipeline(OneColumn(name), kind(max_leaf_nodes=leaves, min_samples_leaf=fewest, random_state=seed))


def _some(rows: int, seed: int) -> NDArray[np.int64]:
    if rows <= MOST_ROWS:
        return np.arange(rows)
    return np.sort(np.random.default_rng(seed).choice(rows, MOST_ROWS, replace=False))
