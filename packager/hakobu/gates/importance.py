"""How much the model rests on each feature: permutation importance on the hold-out.

L. Breiman, "Random Forests", Machine Learning 45(1), 2001; A. Fisher, C. Rudin and F. Dominici, "All Models are Wrong,
but Many are Useful", JMLR 20(177), 2019.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hakobu.gates.evidence import Dependence, Importance
from hakobu.gates.metrics import scored
from hakobu.train import Trained

_MOST_ROWS = 3_000
_SHUFFLES = 5
_POINTS = 12
_MOST_CATEGORIES = 20


def importances(trained: Trained, scorer: Any, seed: int) -> tuple[Importance, ...]:
    """Return how much worse the score gets when a feature is shuffled, the most important first.

    Over at most 3,000 rows of the hold-out, 5 shuffles each. Raises what the model raises when it cannot be asked.
    """
    rng = np.random.default_rng(seed)
    rows = _some(len(trained.y_holdout), rng)
    X, y = trained.X_holdout.iloc[rows].reset_index(drop=True), trained.y_holdout[rows]
    whole = scored(scorer, trained.estimator, X, y)
    found = []
    for name in X.columns:
        drops = []
        for _ in range(_SHUFFLES):
            mixed = X.copy(deep=False)
            mixed[name] = X[name].to_numpy()[rng.permutation(len(X))]
            drops.append(whole - scored(scorer, trained.estimator, mixed, y))
        found.append(Importance(str(name), float(np.mean(drops)), float(np.std(drops))))
    return tuple(sorted(found, key=lambda one: -one.drop))


def dependences(trained: Trained, names: list[str], seed: int) -> tuple[Dependence, ...]:
    """Return what the model gives on average when each of the features `names` is set to values of its own.

    The average is of the last class's probability, or of the prediction; of more than two classes there is none.
    J. H. Friedman, "Greedy Function Approximation", Annals of Statistics 29(5), 2001, section 8.2 (partial dependence).
    """
    rng = np.random.default_rng(seed)
    X = trained.X_holdout.iloc[_some(len(trained.y_holdout), rng)[:300]].reset_index(drop=True)
    if _averaged(trained, X) is None:
        return ()
    found = []
    for name in names:
        values = _grid(trained.X_train[name].to_numpy())
        means = []
        for value in values:
            moved = X.copy(deep=False)
            moved[name] = np.full(len(X), value, dtype=X[name].to_numpy().dtype)
            means.append(_averaged(trained, moved) or 0.0)
        shown = tuple(value if isinstance(value, str) else float(value) for value in values)
        found.append(Dependence(name, shown, tuple(means)))
    return tuple(found)


def _averaged(trained: Trained, X: Any) -> float | None:
    estimator = trained.estimator
    if trained.y_holdout.dtype.kind == "f":
        return float(np.mean(estimator.predict(X)))
    if not hasattr(estimator, "predict_proba"):
        return None
    odds = np.asarray(estimator.predict_proba(X))
    return float(odds[:, 1].mean()) if odds.shape[1] == 2 else None


def _grid(values: NDArray[Any]) -> list[Any]:
    """Return the commonest texts, or numbers spread evenly over the rows."""
    if values.dtype == object:
        names, counts = np.unique(values[values != ""].astype(str), return_counts=True)
        return sorted(names[np.argsort(-counts, kind="stable")][:_MOST_CATEGORIES].tolist())
    present = np.sort(values[np.isfinite(values)])
    picked = present[np.linspace(0, len(present) - 1, _POINTS).astype(np.int64)]
    return list(np.unique(picked).tolist())


def _some(rows: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return np.arange(rows) if rows <= _MOST_ROWS else np.sort(rng.choice(rows, _MOST_ROWS, replace=False))
