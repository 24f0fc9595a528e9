"""What MLflow loads of a model folder that `hakobu mlflow-model` wrote: the verified bundle as a Python function."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hakobu_runtime.device.load import load
from hakobu_runtime.errors import InputError
from hakobu_runtime.scorer.scorer import Scorer
from hakobu_runtime.scorer.scores import Scores
from hakobu_runtime.trust import Keyring


class Function:
    """Scores tables: a column each of the predictions, of each class's probability, of the verdicts and reasons."""

    def __init__(self, scorer: Scorer) -> None:
        self.scorer = scorer

    def predict(self, model_input: Any, params: Mapping[str, object] | None = None) -> Any:
        """Return the scores of a pandas DataFrame as another one with the same index, or of columns as columns.

        Raises InputError when a column is missing, or `params` are given: there are none.
        """
        if params:
            raise InputError(f"the model takes no parameters, unlike {', '.join(params)}")
        names = list(getattr(model_input, "columns", model_input))
        scores = self.scorer.score({str(name): _cells(model_input[name]) for name in names})
        columns = _columns(scores)
        index = getattr(model_input, "index", None)
        return columns if index is None else type(model_input)(columns, index=index)


def _load_pyfunc(path: str) -> Function:
    """Return the function of the folder `path`; MLflow calls this by its name."""
    folder = Path(path)
    keyring = Keyring.from_json((folder / "trust.json").read_bytes(), str(folder / "trust.json"))
    return Function(load(folder / "model.hako", keyring))


def _cells(column: Any) -> Sequence[object]:
    """Return a column's cells, None where pandas has its own marks for what is missing."""
    cells = column.to_numpy(dtype=object).tolist() if hasattr(column, "to_numpy") else list(column)
    return [None if _is_missing(cell) else cell for cell in cells]


def _is_missing(cell: object) -> bool:
    return cell is None or type(cell).__name__ in ("NAType", "NaTType") or (isinstance(cell, float) and cell != cell)


def _columns(scores: Scores) -> dict[str, list[object]]:
    columns: dict[str, list[object]] = {"prediction": list(scores.predictions)}
    if scores.probabilities is not None:
        columns |= {f"p_{label}": scores.probabilities[:, at].tolist() for at, label in enumerate(scores.classes)}
    columns["verdict"] = list(scores.verdicts)
    columns["reasons"] = ["; ".join(reasons) for reasons in scores.reasons]
    return columns
