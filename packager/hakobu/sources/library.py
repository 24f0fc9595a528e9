"""The libraries that models of other kinds need, imported only when such a model is read."""

import importlib
from types import ModuleType
from typing import Any

from hakobu_runtime.errors import ToolError


def library(name: str, extra: str) -> Any:
    """Return the module `name`, which the extra `extra` brings; raise ToolError when it is not installed, or broken."""
    try:
        found: ModuleType = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != name.partition(".")[0]:
            raise _broken(name, extra, error) from error
        raise ToolError(
            f"this model needs {name}, which is not installed; install it: pip install 'hakobu[{extra}]'"
        ) from error
    except (ImportError, OSError) as error:  # a library of the system that it needs is missing
        raise _broken(name, extra, error) from error
    return found


def _broken(name: str, extra: str, error: Exception) -> ToolError:
    words = " ".join(str(error).split())[:200]
    return ToolError(f"{name} cannot be loaded: {words}; install it again: pip install 'hakobu[{extra}]'")
