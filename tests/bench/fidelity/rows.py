"""Hard rows of the bench's own: made from the source model, never from what an exporter made of it."""

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fidelity.answer import ask
from fidelity.tables import Table

ROWS = 2000
UNKNOWN = "never seen"
BIG = np.array([2.0**24 + 1, 2.0**24 + 2, 2.0**25 + 3], dtype=np.float32)
"""Integers that float32 holds only just, or not at all."""


def hard_rows(estimator: Any, table: Table, seed: int) -> Any:
    """Return ROWS rows in the form of `table`, each column drawn by itself.

    Numbers lie on every constant that the fitted estimator holds, on training values and half-way between them, at
    the ends, beyond them, on large integers, and one float32 step off each of these.
    """
    rng = np.random.default_rng(seed)
    constants = _constants(estimator)
    drawn, frame = rng.integers(0, len(table.frame), ROWS), table.frame
    columns: dict[Any, Any] = {}
    for name in frame:
        seen = frame[name].to_numpy()
        rows = np.where(rng.random(ROWS) < 0.5, drawn, rng.integers(0, len(seen), ROWS))
        texts = seen.dtype == object
        columns[name] = _texts(seen, rows, rng) if texts else _numbers(seen.astype(np.float32), rows, constants, rng)
    made = pd.DataFrame({name: pd.Series(cells, dtype=cells.dtype) for name, cells in columns.items()})
    if isinstance(table.X, pd.DataFrame):
        return made.astype(frame.dtypes)
    return made.to_numpy(dtype=table.X.dtype)


def _numbers(
    seen: NDArray[np.float32], rows: NDArray[np.int64], constants: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float32]:
    known = np.unique(seen[np.isfinite(seen)])
    if len(known) == 0:
        known = np.array([0.0, 1.0], dtype=np.float32)
    cells, dice, low, high = seen[rows], rng.random(ROWS), float(known[0]), float(known[-1])
    inside = constants[(constants >= low) & (constants <= high)].astype(np.float32)
    ends = np.array([low, high, 0.0, 2 * low - high, 2 * high - low], dtype=np.float32)
    pools: tuple[NDArray[Any], ...] = (inside if len(inside) else known, (known[1:] / 2 + known[:-1] / 2), ends)
    for place, pool in enumerate(pools):
        chosen = (dice >= place * 0.18) & (dice < place * 0.18 + 0.18)
        cells[chosen] = np.resize(rng.permutation(pool if len(pool) else known), int(chosen.sum()))
    step = rng.integers(-1, 2, ROWS)
    moved = np.nextafter(cells, np.where(step > 0, np.inf, -np.inf).astype(np.float32))
    cells = np.where((step != 0) & (dice < 0.54), moved, cells)
    cells = np.where(~np.isfinite(cells), rng.choice(known, ROWS), cells)
    big = (dice >= 0.54) & (dice < 0.55)
    cells = np.where(big, rng.choice(BIG, ROWS), cells)
    gap = (dice >= 0.55) & (dice < 0.62)
    return np.where(gap, np.float32(np.nan), cells).astype(np.float32)


def _texts(seen: NDArray[np.object_], rows: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.object_]:
    cells, dice = seen[rows], rng.random(ROWS)
    cells[dice < 0.1] = UNKNOWN
    cells[(dice >= 0.1) & (dice < 0.16)] = ""
    cells[(dice >= 0.16) & (dice < 0.2)] = "RED"
    return cells


def accepted(estimator: Any, made: Any, table: Table, *, flat: bool) -> Any:
    """Return those of the rows that the source takes: all, or all but the fewest kinds of them that it refuses."""
    frame = made if isinstance(made, pd.DataFrame) else Table(made, None, table.task).frame
    tests = (_unknown, _missing, _large, _beyond)
    refused = [chosen for size in range(len(tests) + 1) for chosen in combinations(tests, size)]
    rows = made
    for chosen in refused:
        keep = ~np.any([test(frame, table) for test in chosen] or [np.zeros(len(frame), dtype=np.bool_)], axis=0)
        rows = made[keep] if isinstance(made, np.ndarray) else made.loc[keep].reset_index(drop=True)
        if keep.any() and _takes(estimator, rows, flat=flat):
            return rows
    ask(estimator, rows[:, 0] if flat else rows)  # raises what the source has to say
    return rows


def _takes(estimator: Any, rows: Any, *, flat: bool) -> bool:
    try:
        ask(estimator, rows[:, 0] if flat else rows)
    except (ValueError, IndexError, KeyError, TypeError):
        return False
    return True


def _nothing(frame: pd.DataFrame, table: Table) -> NDArray[np.bool_]:
    return np.zeros(len(frame), dtype=np.bool_)


def _missing(frame: pd.DataFrame, table: Table) -> NDArray[np.bool_]:
    return frame.isna().any(axis=1).to_numpy()


def _large(frame: pd.DataFrame, table: Table) -> NDArray[np.bool_]:
    numbers = frame.select_dtypes("number")
    top = table.frame.select_dtypes("number").max(axis=0).to_numpy()
    return (numbers.to_numpy() > np.maximum(top, 2.0**24)).any(axis=1) if numbers.shape[1] else _nothing(frame, table)


def _beyond(frame: pd.DataFrame, table: Table) -> NDArray[np.bool_]:
    numbers, known = frame.select_dtypes("number").to_numpy(), table.frame.select_dtypes("number")
    if not numbers.shape[1]:
        return _nothing(frame, table)
    outside = (numbers < np.maximum(known.min(axis=0).to_numpy(), -np.inf)) | (numbers > known.max(axis=0).to_numpy())
    fractions = (known.to_numpy() % 1 == 0).all() & (numbers % 1 != 0)
    found: NDArray[np.bool_] = (outside | fractions).any(axis=1)
    return found


def _unknown(frame: pd.DataFrame, table: Table) -> NDArray[np.bool_]:
    found = _nothing(frame, table)
    for name, known in zip(frame, table.frame, strict=True):
        if frame[name].dtype == object:
            found |= ~frame[name].isin(table.frame[known]).to_numpy()
    return found


def _constants(estimator: Any) -> NDArray[np.float64]:
    """Return every number that the fitted estimator holds: thresholds, edges, quantiles, centres, training rows."""
    found = [values for values in _arrays(estimator, set(), 0) if values.size]
    every = np.concatenate([np.asarray(values, dtype=np.float64).ravel()[:20_000] for values in found] or [np.empty(0)])
    return np.unique(every[np.isfinite(every)])


def _arrays(part: Any, seen: set[int], depth: int) -> Iterator[NDArray[Any]]:
    if id(part) in seen or depth > 12 or isinstance(part, type | str | bytes):
        return
    seen.add(id(part))
    if isinstance(part, np.ndarray):
        if part.dtype.names and "num_threshold" in part.dtype.names:
            yield part["num_threshold"]
        elif part.dtype.kind == "f":
            yield part
        elif part.dtype == object:
            for inner in part.ravel()[:1000]:
                yield from _arrays(inner, seen, depth + 1)
    elif isinstance(part, list | tuple):
        for inner in part[:1000]:
            yield from _arrays(inner, seen, depth + 1)
    elif isinstance(part, dict):
        yield from _arrays(list(part.values()), seen, depth + 1)
    elif type(part).__name__ == "Tree":
        yield part.threshold
    elif hasattr(part, "__dict__") and type(part).__module__.partition(".")[0] == "sklearn":
        yield from _arrays(list(vars(part).values()), seen, depth + 1)
    elif hasattr(part, "get_booster") or hasattr(part, "booster_"):
        yield _boosted(part)


def _boosted(part: Any) -> NDArray[np.float64]:
    """Return the thresholds of a booster of XGBoost or LightGBM."""
    if hasattr(part, "booster_"):
        texts = part.booster_.model_to_string().splitlines()
        lines = [line.removeprefix("threshold=") for line in texts if line.startswith("threshold=")]
        return np.array([float(word) for line in lines for word in line.split()])
    if part.get_params().get("booster") == "gblinear":
        return np.empty(0)
    splits: NDArray[np.float64] = part.get_booster().trees_to_dataframe()["Split"].dropna().to_numpy(dtype=np.float64)
    return splits
