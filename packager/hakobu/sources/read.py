"""Reading a fitted model from disk, whatever library made it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from hakobu.export.foreign import Foreign
from hakobu.settings import Task
from hakobu.sources.boosters import adopt_booster, read_booster
from hakobu.sources.kinds import Kind, kind_of
from hakobu.sources.pickles import read_pickle
from hakobu.sources.skops import read_skops
from hakobu_runtime.errors import ProjectError
from hakobu_runtime.format.manifest import ClassLabel


def read_model(
    path: Path, *, trust_pickle: bool = False, task: Task | None = None, classes: Sequence[ClassLabel] | None = None
) -> Any:
    """Return the fitted model at `path`: an estimator like scikit-learn's, or a Foreign.

    `task` and `classes` tell what the file does not; a model that knows its own task and classes keeps them.
    Raises InputError when the file cannot be read, ProjectError when the model cannot be brought, and ToolError when
    the library that it needs is not installed.
    """
    kind = kind_of(path)
    if kind is Kind.PICKLE:
        return _adopted(path, read_pickle(path, trust_pickle=trust_pickle), task, classes)
    if kind is Kind.SKOPS:
        return _adopted(path, read_skops(path), task, classes)
    if kind in (Kind.LIGHTGBM, Kind.XGBOOST, Kind.CATBOOST):
        return read_booster(path, kind, task, classes)
    if kind is Kind.ONNX:
        from hakobu.sources.onnx import read_onnx

        return read_onnx(path, task, classes)
    if kind in (Kind.EXPORTED_TORCH, Kind.PICKLED_TORCH, Kind.TORCHSCRIPT):
        from hakobu.sources.torch import read_torch

        return read_torch(path, kind, trust_pickle=trust_pickle, task=task, classes=classes)
    from hakobu.sources.tensorflow import read_keras, read_saved_model

    return (read_saved_model if kind is Kind.SAVED_MODEL else read_keras)(path, task, classes)


def _adopted(path: Path, found: Any, task: Task | None, classes: Sequence[ClassLabel] | None) -> Any:
    """Return `found` when it is a fitted estimator, or the Foreign around it when it is another library's model."""
    kinds = {f"{kind.__module__.partition('.')[0]}.{kind.__name__}" for kind in type(found).__mro__}
    # CatBoost's estimators give classes as a matrix, and a regressor has classes too: none.
    if kinds & {"lightgbm.Booster", "xgboost.Booster", "catboost.CatBoost"}:
        if getattr(found, "is_fitted", lambda: True)():
            return adopt_booster(found, task, classes)
        raise _unfitted(path, found)
    if "torch.Module" in kinds:
        from hakobu.sources.torch import adopt_module

        return adopt_module(found, task, classes)
    if "keras.Model" in kinds:
        from hakobu.sources.tensorflow import adopt_keras

        return adopt_keras(found, task, classes)
    if isinstance(found, Foreign) or not hasattr(found, "predict") or isinstance(found, type):
        raise ProjectError(
            f"{path}: holds a {type(found).__name__}, which is no fitted model\n"
            "remedy: save the estimator or the pipeline itself, and nothing around it"
        )
    try:
        check_is_fitted(found)
    except NotFittedError as error:
        raise _unfitted(path, found) from error
    except TypeError:
        return found  # no estimator of scikit-learn's kind, so there is no telling
    return found


def _unfitted(path: Path, found: Any) -> ProjectError:
    name = type(found).__name__
    return ProjectError(f"{path}: holds a {name} that was never fitted\nremedy: fit it, and save it again")
