"""Build, prove, sign and look after models that travel to disconnected PCs as `.hako` bundles."""

import os

# scikit-learn's OpenMP threads spin while they wait for each other. On a machine that does other work, one waits for a
# thread that has no core: the same fit takes 10 to 40 times as long. Read once, when OpenMP loads, hence here.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# Imported first, because it switches off onnxruntime's telemetry before anything can import onnxruntime.
import hakobu_runtime as _runtime

__version__ = _runtime.__version__
