"""Keras's models, and TensorFlow's SavedModel folders."""

import io
import os
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto

from hakobu.settings import Task
from hakobu.sources.library import library
from hakobu.sources.network import Net, Network, adopt_net
from hakobu_runtime.errors import InputError, ProjectError
from hakobu_runtime.format.manifest import ClassLabel

_ONE = "bring a model with one input (rows, numbers) and one output"
_OPSET = 18


def read_keras(path: Path, task: Task | None, classes: Sequence[ClassLabel] | None) -> Network:
    """Return the Keras model at `path`, a .keras archive or HDF5; code inside it is refused.

    Raises InputError when it is damaged, ProjectError when it is no network on one matrix.
    """
    keras = _keras()
    with _quiet(), tempfile.TemporaryDirectory() as folder:
        try:
            # Keras goes by the name: it gets one that fits the content.
            named = Path(folder) / ("model.h5" if path.read_bytes()[:4] == b"\x89HDF" else "model.keras")
            named.write_bytes(path.read_bytes())
            model = keras.models.load_model(str(named), compile=False, safe_mode=True)
        except Exception as error:
            words = " ".join(str(error).split())[:300] or type(error).__name__
            raise InputError(
                f"{path}: Keras cannot load it: {words}; save the whole model (model.save) with Keras's own layers"
            ) from error
    return adopt_keras(model, task, classes)


def adopt_keras(model: Any, task: Task | None, classes: Sequence[ClassLabel] | None) -> Network:
    """Return a Keras model as a Foreign."""
    return adopt_net(_KerasNet(model), task, classes)


def read_saved_model(path: Path, task: Task | None, classes: Sequence[ClassLabel] | None) -> Network:
    """Return the TensorFlow SavedModel in the folder `path`.

    Raises InputError when it is damaged, ProjectError when it is no network on one matrix.
    """
    tensorflow = _tensorflow()
    library("tf2onnx", "tensorflow")
    with _quiet():
        try:
            module = tensorflow.saved_model.load(str(path))
        except Exception as error:
            words = " ".join(str(error).split())[:300] or type(error).__name__
            raise InputError(
                f"{path}: TensorFlow cannot load it: {words}; save it again, and copy the whole folder"
            ) from error
    return adopt_net(_SavedNet(module), task, classes)


class _KerasNet(Net):
    library = "Keras"

    def __init__(self, model: Any) -> None:
        shapes = model.input_shape, model.output_shape
        if any(not isinstance(shape, tuple) or len(shape) != 2 or shape[0] is not None for shape in shapes):
            raise ProjectError(f"the Keras model reads {shapes[0]} and gives {shapes[1]}\nremedy: {_ONE}")
        self.model = model
        self.width, self.outputs = shapes[0][1], shapes[1][1]

    def run(self, rows: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return what the network gives for `rows`."""
        keras = _keras()
        with np.errstate(over="ignore"):
            given = keras.ops.convert_to_tensor(rows.astype(np.float32))
        try:
            found = self.model(given, training=False)
        except Exception as error:
            raise _cannot("Keras", "run on a matrix of numbers", error) from error
        return np.asarray(keras.ops.convert_to_numpy(found))

    def graph(self, width: int) -> ModelProto:
        """Return the network as ONNX."""
        self.run(np.zeros((2, width)))  # a model that never ran cannot be exported
        # Keras's own way from TensorFlow to ONNX loses what the Normalization layer has learned.
        by_tensorflow = _keras().backend.backend() == "tensorflow"
        library(*(("tf2onnx", "keras") if by_tensorflow else ("onnxscript", "torch")))
        with _quiet(), tempfile.TemporaryDirectory() as folder:
            try:
                if by_tensorflow:
                    self.model.export(folder, format="tf_saved_model", verbose=False)
                    return _SavedNet(_tensorflow().saved_model.load(folder)).graph(width)
                path = Path(folder) / "model.onnx"
                self.model.export(str(path), format="onnx", verbose=False)
                return onnx.load(str(path))
            except ProjectError:
                raise
            except Exception as error:
                raise _cannot("Keras", "be exported to ONNX", error) from error


class _SavedNet(Net):
    library = "TensorFlow"

    def __init__(self, module: Any) -> None:
        self.module = module
        signature = getattr(module, "signatures", {}).get("serving_default")
        if signature is None:
            raise ProjectError("the SavedModel has no signature 'serving_default'\nremedy: save it with one")
        given = list(signature.structured_input_signature[1].items())
        gives = list(signature.structured_outputs.items())
        shapes = [tuple(spec.shape) for _, spec in (*given, *gives)]
        if len(given) != 1 or len(gives) != 1 or len(shapes[0]) != 2 or len(shapes[1]) not in (1, 2):
            raise ProjectError(f"the SavedModel reads and gives tensors of the shapes {shapes}\nremedy: {_ONE}")
        if shapes[0][0] is not None or not given[0][1].dtype.is_floating:
            raise ProjectError(
                f"the SavedModel reads {shapes[0][0] or 'any number of'} rows of {given[0][1].dtype.name}\n"
                "remedy: save it with a signature of any number of rows of float32"
            )
        self.signature = signature
        self.name, self.spec = given[0]
        self.output = gives[0][0]
        self.width, self.outputs = shapes[0][1], (1 if len(shapes[1]) == 1 else shapes[1][1])

    def run(self, rows: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return what the network gives for `rows`."""
        with np.errstate(over="ignore"):
            given = _tensorflow().constant(rows.astype(self.spec.dtype.as_numpy_dtype))
        try:
            return np.asarray(self.signature(**{self.name: given})[self.output].numpy())
        except Exception as error:
            raise _cannot("TensorFlow", "run on a matrix of numbers", error) from error

    def graph(self, width: int) -> ModelProto:
        """Return the network as ONNX."""
        tensorflow, tf2onnx = _tensorflow(), library("tf2onnx", "tensorflow")
        spec = tensorflow.TensorSpec([None, width], self.spec.dtype, name="rows")
        with _quiet():
            try:
                whole = tensorflow.function(lambda rows: self.signature(**{self.name: rows})[self.output])
                model, _ = tf2onnx.convert.from_function(whole, input_signature=[spec], opset=_OPSET)
            except Exception as error:
                raise _cannot("TensorFlow", "be exported to ONNX", error) from error
        found: ModelProto = model
        return found


def _keras() -> Any:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _quiet():
        return library("keras", "keras")


def _tensorflow() -> Any:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _quiet():
        return library("tensorflow", "tensorflow")


@contextmanager
def _quiet() -> Iterator[None]:
    """Hold back what the libraries say while they work."""
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def _cannot(name: str, what: str, error: Exception) -> ProjectError:
    words = " ".join(str(error).split())[:300] or type(error).__name__
    return ProjectError(f"the {name} model cannot {what}: {words}\nremedy: {_ONE}, of {name}'s own layers")
