"""Pickles: loaded only for who trusts them, since a pickle can run any program."""

import warnings
from pathlib import Path
from typing import Any

import joblib
from sklearn.exceptions import InconsistentVersionWarning

from hakobu_runtime.errors import InputError, ProjectError


def refuse_pickle(path: Path, what: str, instead: str) -> InputError:
    """Return the error for a file that only a builder who trusts it may load: `what` it is, what to do `instead`."""
    return InputError(
        f"{path}: is {what}: loading it can run any program on this PC, so it is refused; {instead}, or add "
        "--trust-pickle when you made the file yourself"
    )


def read_pickle(path: Path, *, trust_pickle: bool) -> Any:
    """Return what the pickle or joblib file at `path` holds.

    Raises InputError when it is not trusted or damaged, ProjectError when something that it needs is missing.
    """
    if not trust_pickle:
        raise refuse_pickle(path, "a pickle", "save a scikit-learn model with skops.io.dump")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", InconsistentVersionWarning)
        try:
            return joblib.load(path)
        except Exception as error:
            raise unreadable(path, error) from error


def unreadable(path: Path, error: Exception) -> InputError | ProjectError:
    """Return, in words, why loading the objects in `path` ended with `error`."""
    words = " ".join(str(error).split())[:300] or type(error).__name__
    if isinstance(error, InconsistentVersionWarning):
        return ProjectError(
            f"{path}: was saved by scikit-learn {error.original_sklearn_version}; this is "
            f"{error.current_sklearn_version}, in which it may predict something else\n"
            f"remedy: install scikit-learn=={error.original_sklearn_version}, or save the model again with this one"
        )
    if isinstance(error, ModuleNotFoundError):
        return ProjectError(
            f"{path}: needs the module {error.name!r}, which is not installed\n"
            "remedy: install it, or put the folder that holds it on PYTHONPATH"
        )
    if isinstance(error, AttributeError | ImportError):
        return ProjectError(
            f"{path}: needs a class or function that is not here: {words}\n"
            "remedy: put it into a module that can be imported (not a notebook or script), and save the model again"
        )
    return InputError(f"{path}: cannot be loaded: {words}; save the model again, and copy the whole file")
