"""One estimator to carry, and what it learns from."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fidelity.tables import Table


@dataclass(frozen=True, slots=True)
class Case:
    """An estimator with a table that suits it."""

    name: str
    make: Callable[[], Any]
    """Returns the estimator, not yet fitted."""
    table: Callable[[], Table]
    variant: bool = False
    """Whether it is a variant, rather than one of scikit-learn's estimators as it comes."""
    unfit: str = ""
    """Why it cannot be tried at all: what it reads is no table."""
    flat: bool = False
    """Whether the source takes its one column as a list of cells, as readers of text do."""

    def fit(self, dtype: type[np.floating]) -> tuple[Any, Table]:
        """Return the estimator, fitted on numbers of `dtype`, and what it learned from."""
        table, estimator = self.table().astype(dtype), self.make()
        X = table.X[:, 0] if self.flat else table.X
        return (estimator.fit(X) if table.y is None else estimator.fit(X, table.y)), table


Variants = tuple[tuple[str, Callable[[], Any], Callable[[], Table]], ...]
"""Name, estimator and table of each."""
