"""Small tables to train on: one for each kind of rows that estimators take."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

ROWS = 240
NUMBERS = ("a", "b", "n", "s", "u")
TEXTS = ("c", "d")
_WORDS = "late Delay of the train, bus; ship Rain snow fog wind 12 b2 no-one it's"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows to fit on: the inputs in the form that the source takes, and what to predict."""

    X: Any
    """A matrix of numbers, each of which float32 holds, a matrix of texts, or a frame of both."""
    y: Any
    task: str

    def astype(self, dtype: type[np.floating]) -> "Table":
        """Return the same with numbers of `dtype`."""
        return Table(as_numbers(self.X, dtype), self.y, self.task)

    @property
    def frame(self) -> pd.DataFrame:
        """The same as columns of numbers and texts."""
        if isinstance(self.X, pd.DataFrame):
            return self.X
        cells = {f"x{place}": self.X[:, place] for place in range(self.X.shape[1])}
        return pd.DataFrame({name: pd.Series(column, dtype=column.dtype) for name, column in cells.items()})


def as_numbers(X: Any, dtype: type[np.floating]) -> Any:
    """Return a matrix or a frame with numbers of `dtype`, and texts as they are."""
    if isinstance(X, pd.DataFrame):
        return X.astype({name: dtype for name in X if X[name].dtype != object})
    return X if X.dtype == object else X.astype(dtype)


def numbers(rng: np.random.Generator, rows: int = ROWS) -> NDArray[np.float32]:
    """Return columns with many equal values, skew, integers and two scales."""
    a = rng.normal(size=rows).round(2)
    b = rng.lognormal(size=rows).round(3)
    n = rng.integers(0, 6, rows)
    s = 4 + 1.5 * rng.standard_normal(rows).round(1)
    u = rng.random(rows).round(2)
    return np.column_stack([a, b, n, s, u]).astype(np.float32)


def score_of(X: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return what the targets are made of."""
    a, b, n, s, u = np.nan_to_num(X).astype(np.float64).T
    noise = rng.normal(size=len(X)) / 2
    z: NDArray[np.float64] = a + np.log1p(b) - 0.4 * n + s / 2 + 1.5 * (u > 0.5) + noise - 2.0
    return z


def plain(task: str = "multi", *, gaps: bool = False, positive: bool = False, epoch: bool = False) -> Table:
    """Return numbers, some missing or all above nothing or one in epoch seconds."""
    rng = np.random.default_rng(11)
    X = numbers(rng)
    if positive:
        X = np.abs(X)
    z = score_of(X, rng)
    if epoch:
        X[:, 3] = 1_400_000_000 + rng.integers(0, 3000, len(X)) * 40
        z += (X[:, 3] - 1.4e9) / 60_000
    if gaps:
        X[rng.random(X.shape) < 0.12] = np.nan
    return Table(X, target(z, task), task)


def target(z: NDArray[np.float64], task: str) -> Any:
    """Return what `task` asks for, from a score."""
    low, high = np.quantile(z, [0.35, 0.7])
    if task == "multi":
        return np.digitize(z, [low, high])
    if task == "binary":
        return (z > low).astype(np.int64)
    if task == "words":
        return np.array(["low", "mid value", "高"], dtype=object)[np.digitize(z, [low, high])]
    if task == "two values":
        return np.column_stack([z, np.exp(z / 2)])
    if task == "one column":
        return z[:, None]
    if task == "one label column":
        return (z > low).astype(np.int64)[:, None]
    return np.exp(z / 3) + 0.1  # above nothing, as poisson, gamma and logarithms ask


def words(task: str = "multi") -> Table:
    """Return two columns of texts."""
    frame, z = _mixed()
    return Table(frame[list(TEXTS)].to_numpy(dtype=object), target(z, task), task)


def mixed(task: str = "multi", *, gaps: bool = False) -> Table:
    """Return a frame of numbers and texts."""
    frame, z = _mixed()
    if gaps:
        frame.loc[np.random.default_rng(5).random(len(frame)) < 0.15, "a"] = np.nan
    return Table(frame, target(z, task), task)


def _mixed() -> tuple[pd.DataFrame, NDArray[np.float64]]:
    rng = np.random.default_rng(12)
    X = numbers(rng)
    c = np.array(["red", "green", "blue", "Grün", "", "a b", "rare one"], dtype=object)
    c = c[np.minimum(rng.integers(0, 61, ROWS) // 10, 6)]
    d = np.array(["x", "y"], dtype=object)[rng.integers(0, 2, ROWS)]
    frame = pd.DataFrame(dict(zip(NUMBERS, X.T, strict=True)))
    frame["c"], frame["d"] = pd.Series(c, dtype=object), pd.Series(d, dtype=object)
    return frame, score_of(X, rng) + (c == "red") - (c == "")


def sentences(task: str = "multi") -> Table:
    """Return one column of short texts."""
    rng = np.random.default_rng(13)
    known = np.array(_WORDS.split(), dtype=object)
    drawn = (known[rng.integers(0, len(known), rng.integers(2, 9))] for _ in range(ROWS))
    X = np.array([[" ".join(chosen)] for chosen in drawn], dtype=object)
    z = np.array([text.count("Rain") - text.count("bus") for text in X[:, 0]]) + rng.normal(size=ROWS) / 2
    return Table(X, target(z, task), task)


def counts(task: str = "multi") -> Table:
    """Return whole numbers from nothing up, many of them nothing."""
    rng = np.random.default_rng(14)
    X = rng.poisson(1.2, (ROWS, 8)).astype(np.float32)
    z = X[:, 0] - X[:, 1] + rng.normal(size=ROWS) / 2
    return Table(X, target(z, task), task)


def one_column(task: str = "value") -> Table:
    """Return a single column of numbers with ties."""
    table = plain(task)
    return Table(table.X[:, 3:4], table.y, task)


def square(task: str = "value") -> Table:
    """Return the inner products of the rows of a table with each other."""
    X = plain().X[:40].astype(np.float64)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    return Table((X @ X.T).astype(np.float32), None, task)


def identities(task: str = "multi") -> Table:
    """Return whole numbers, as ids are, some of which float32 holds only just."""
    rng = np.random.default_rng(15)
    ids = np.array([3, 7, 2**24, 2**24 + 2, 2**24 + 4, 2**25 + 4], dtype=np.float32)
    X = np.column_stack([ids[rng.integers(0, 6, ROWS)], rng.integers(0, 3, ROWS).astype(np.float32)])
    return Table(X, target((X[:, 0] > 9) + X[:, 1] + rng.normal(size=ROWS) / 3, task), task)


def with_empty_column(task: str = "multi") -> Table:
    """Return numbers with gaps, of which one column holds nothing else."""
    table = plain(task, gaps=True)
    X = table.X.copy()
    X[:, 1] = np.nan
    return Table(X, table.y, task)


Maker = Callable[[], Table]
