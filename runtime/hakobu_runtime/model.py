"""The model itself, run by onnxruntime."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hakobu_runtime.errors import BundleError
from hakobu_runtime.format.manifest import ClassLabel, Tensors


@dataclass(frozen=True, slots=True)
class Predicted:
    """What the model gives for n rows."""

    codes: NDArray[np.int64] | None
    """Shape (n,): the places of the classes in the manifest's list, of a classification."""
    probabilities: NDArray[np.float32] | None
    """Shape (n, classes), of a classification that has them."""
    values: NDArray[np.float32] | None
    """Shape (n,), of a regression."""


class Model:
    """An ONNX model whose bytes were verified; one session, made at the first use, and safe to share by threads."""

    def __init__(self, content: bytes, tensors: Tensors, classes: Sequence[ClassLabel]) -> None:
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
            return self._nothing()
        feeds = {self._tensors.numbers: numbers, self._tensors.strings: strings}
        inputs = {name: matrix for name, matrix in feeds.items() if name is not None}
        try:
            found = self._session.run(self._outputs, inputs)
        except BundleError:
            raise
        except Exception as error:
            raise BundleError(f"onnxruntime cannot run the model: {_first_line(error)}") from error
        return self._shaped(dict(zip(self._outputs, found, strict=True)), len(numbers))

    def _nothing(self) -> Predicted:
        """Return what the model gives for no rows."""
        names, empty = self._tensors, np.empty(0, dtype=np.float32)
        return Predicted(
            np.empty(0, dtype=np.int64) if names.label else None,
            np.empty((0, len(self._classes)), dtype=np.float32) if names.probabilities else None,
            empty if names.value else None,
        )

    def _shaped(self, found: dict[str, Any], rows: int) -> Predicted:
        """Give the outputs the shapes that the manifest promises."""
        names = self._tensors
        probabilities = found[names.probabilities] if names.probabilities else None
        if probabilities is not None and probabilities.shape != (rows, len(self._classes)):
            wide = len(self._classes)
            raise BundleError(f"the model gave probabilities of shape {probabilities.shape}, not {(rows, wide)}")
        return Predicted(
            codes_of(_flat(found[names.label], rows), self._classes) if names.label else None,
            probabilities,
            _flat(found[names.value], rows) if names.value else None,
        )


def codes_of(labels: NDArray[Any], classes: Sequence[ClassLabel]) -> NDArray[np.int64]:
    """Return the place in `classes` of each of `labels`, shape (n,); raise BundleError for one that is not there."""
    if labels.dtype.kind in "biu":
        keys = np.array([int(label) for label in classes], dtype=np.int64)
        order = np.argsort(keys)
        places = np.minimum(np.searchsorted(keys[order], labels), len(keys) - 1)
        codes: NDArray[np.int64] = order[places]
        known = keys[codes] == labels
    else:
        index = {str(label): code for code, label in enumerate(classes)}
        codes = np.fromiter((index.get(label, -1) for label in labels), dtype=np.int64, count=len(labels))
        known = codes >= 0
    if not known.all():
        raise BundleError(f"the model gave the class {labels[~known][0]!r}, which its manifest does not list")
    return codes


def _flat(output: NDArray[Any], rows: int) -> NDArray[Any]:
    """Return `output` as shape (rows,)."""
    if output.size != rows:
        raise BundleError(f"the model gave an output of shape {output.shape} for {rows} rows")
    return output.reshape(rows)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:300]
