"""Score signed bundles offline: `load(path, trust=...)` opens one, `scorer.score(columns)` scores with it.

The package never phones home. onnxruntime would, by default, from version 1.29 on; the variable below is the switch
that stops it, and it only works before onnxruntime is imported for the first time. Every entry (command, library,
executable) imports this package before onnxruntime, so this is the one place that sets it.
"""

import os
from typing import Any

from hakobu_runtime.version import __version__

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

__all__ = ["__version__", "load"]


def __getattr__(name: str) -> Any:
    """Import `load` when it is first asked for: a command that needs no model starts without it."""
    if name == "load":
        from hakobu_runtime.device.load import load

        return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
