"""Score signed bundles offline: `load(path, trust=...)` opens one, `scorer.score(columns)` scores with it.

The package never phones home. onnxruntime would, by default, from version 1.29 on; the variable below is the switch
that stops it, and it only works before onnxruntime is imported for the first time. Every entry (command, library,
executable) imports this package before onnxruntime, so this is the one place that sets it.
"""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

__version__ = "0.1.0"
