"""The model itself, run by onnxruntime."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hakobu_runtime.errors import BundleError
from hakobu_runtime.format.manifest import Tensors


@dataclass(frozen=True, slots=True)
class Predicted:
    """What the model gives for n rows."""

    labels: NDArray[Any] | None
    """Shape (n,), int64 or text: the classes, of a classification."""
    probabilities: NDArray[np.float32] | None
    """Shape (n, classes), of a classification that has them."""
    values: NDArray[np.float32] | None
    """Shape (n,), of a regression."""


class Model:
    """An ONNX model whose bytes were verified; one session, made at the first use, and safe to share by threads."""

    def __init__(self, content: bytes, tensors: Tensors, classes: int) -> None:
        self._content = content
        self._tensors = tensors
        self._classes = classes
        wanted = (self._tensors.label, self._tensors.probabilities, self._tensors.value)
        self._outputs = [name for name in wanted if name is not None]

    @cached_property
    def _session(self) -> Any:
        import onnxruntime

        # The variable that the package sets is the real switch; this call is the one that Windows builds heed.
        onnxruntime.disable_telemetry_events()
        options = onnxruntime.SessionOptions()
        # Spinning threads starve each other on a PC that does other work; one thread a run is steady.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        try:
            return onnxruntime.InferenceSession(self._content, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise BundleError(f"onnxruntime cannot load the model: {_first_line(error)}") from error

    def predict(self, numbers: NDArray[np.floating], strings: NDArray[np.object_]) -> Predicted:
        """Score `numbers` (n, number features) and `strings` (n, category features)."""
        if len(numbers) == 0:
            return self._shaped({}, 0)
        feeds = {self._tensors.numbers: numbers, self._tensors.strings: strings}
        inputs = {name: matrix for name, matrix in feeds.items() if name is not None}
        try:
            found = self._session.run(self._outputs, inputs)
        except BundleError:
            raise
        except Exception as error:
            raise BundleError(f"onnxruntime cannot run the model: {_first_line(error)}") from error
        return self._shaped(dict(zip(self._outputs, found, strict=True)), len(numbers))

    def _shaped(self, found: dict[str, Any], rows: int) -> Predicted:
        """Give the outputs the shapes that the manifest promises."""
        names = self._tensors
        labels = _flat(found.get(names.label or "", np.empty(0, dtype=np.int64)), rows) if names.label else None
        values = _flat(found.get(names.value or "", np.empty(0, dtype=np.float32)), rows) if names.value else None
        probabilities = None
        if names.probabilities:
            wide = self._classes
            probabilities = found.get(names.probabilities, np.empty((0, wide), dtype=np.float32))
            if probabilities.shape != (rows, wide):
                raise BundleError(f"the model gave probabilities of shape {probabilities.shape}, not {(rows, wide)}")
        return Predicted(labels, probabilities, values)


def _flat(output: NDArray[Any], rows: int) -> NDArray[Any]:
    """Return `output` as shape (rows,)."""
    if output.size != rows:
        raise BundleError(f"the model gave an output of shape {output.shape} for {rows} rows")
    return output.reshape(rows)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:300]
