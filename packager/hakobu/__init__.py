"""Build, prove, sign and look after models that travel to disconnected PCs as `.hako` bundles."""

# Imported first, because it switches off onnxruntime's telemetry before anything can import onnxruntime.
import hakobu_runtime as _runtime

__version__ = _runtime.__version__
