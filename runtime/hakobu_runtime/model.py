"""The model itself, run by onnxruntime."""

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from types import FrameType
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

    @property
    def classes(self) -> Sequence[ClassLabel]:
        """The classes in the order of the probabilities; none of a regression."""
        return self._classes

    def bind(self, numbers: NDArray[np.float32]) -> tuple[Callable[[], None], tuple[NDArray[Any] | None, ...]]:
        """Return what runs the model on the row in `numbers`, shape (1, n), and where it puts label, odds and value."""
        import onnxruntime

        names, session = self._tensors, self._session
        binding = session.io_binding()
        kept = [onnxruntime.OrtValue.ortvalue_from_numpy(numbers)]
        binding.bind_ortvalue_input(names.numbers, kept[0])
        shapes = {output.name: output.shape for output in session.get_outputs()}
        wide = {names.label: 1, names.probabilities: len(self._classes), names.value: 1}
        found: list[NDArray[Any] | None] = []
        for name, dtype in ((names.label, np.int64), (names.probabilities, np.float32), (names.value, np.float32)):
            if name is None:
                found.append(None)
                continue
            buffer = np.zeros((1, wide[name]) if len(shapes[name]) == 2 else (1,), dtype=dtype)
            kept.append(onnxruntime.OrtValue.ortvalue_from_numpy(buffer))
            binding.bind_ortvalue_output(name, kept[-1])
            found.append(buffer)

        def run(values: list[Any] = kept) -> None:  # the binding points into these values, so they must live on
            session.run_with_iobinding(binding)

        return run, tuple(found)

    def predict(self, numbers: NDArray[np.floating], strings: NDArray[np.object_]) -> Predicted:
        """Score `numbers` (n, number features) and `strings` (n, category features)."""
        if len(numbers) == 0:
            return self._nothing()
        feeds = {self._tensors.numbers: numbers, self._tensors.strings: strings}
        inputs = {name: matrix for name, matrix in feeds.items() if name is not None}
        try:
            session = self._session
            with _uninterrupted() if self._tensors.strings else nullcontext():
                found = session.run(self._outputs, inputs)
        except BundleError:
            raise
        except Exception as error:
            raise BundleError(f"onnxruntime cannot run the model: {_first_line(error)}") from error
        return self._shaped(dict(zip(self._outputs, found, strict=True)), len(numbers))

    def one_row(self, wide: int) -> "OneRow":
        """Return the model bound to buffers for one row of `wide` numbers."""
        bindable = self._tensors.strings is None and not isinstance(self._classes[0] if self._classes else 0, str)
        return BoundRow(self, wide) if bindable else OneRow(self, wide)

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


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C back until the block ends.

    onnxruntime takes texts from Python one by one, and Python looks for signals at each. An exception raised there is
    taken for a text: the process crashes, or the model seems broken.
    """
    before = signal.getsignal(signal.SIGINT)
    if not callable(before) or threading.current_thread() is not threading.main_thread():
        yield  # Python handles signals in the main thread alone
        return
    held: list[tuple[int, FrameType | None]] = []
    signal.signal(signal.SIGINT, lambda number, frame: held.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if held:
            before(*held[0])


class OneRow:
    """The model with a buffer for one row; for one thread at a time."""

    def __init__(self, model: Model, wide: int) -> None:
        self._model = model
        self.numbers = np.zeros((1, wide), dtype=np.float32)
        """Shape (1, number features): to be filled before a run."""
        self._inside = np.empty(wide, dtype=np.bool_)
        self._also = np.empty(wide, dtype=np.bool_)
        self._every = np.ones(wide, dtype=np.bool_).tobytes()

    def within(self, low: NDArray[np.float32], high: NDArray[np.float32]) -> bool:
        """Say whether every number lies between its `low` and `high`, shapes (number features,); NaN never does."""
        row = self.numbers[0]
        np.greater_equal(row, low, self._inside)
        np.less_equal(row, high, self._also)
        np.logical_and(self._inside, self._also, self._inside)
        return self._inside.tobytes() == self._every  # all() takes five times as long

    def run(self, texts: tuple[str, ...]) -> tuple[int, list[float], float]:
        """Return the class's code, the probabilities and the value, of which a model gives some."""
        strings = np.array([texts], dtype=object).reshape(1, len(texts))
        found = self._model.predict(self.numbers, strings)
        code = 0 if found.codes is None else int(found.codes[0])
        odds: list[float] = [] if found.probabilities is None else found.probabilities[0].tolist()
        return code, odds, 0.0 if found.values is None else float(found.values[0])


class BoundRow(OneRow):
    """The same with everything bound beforehand, which takes a third of the time of a call."""

    def __init__(self, model: Model, wide: int) -> None:
        super().__init__(model, wide)
        self._run, self._found = model.bind(self.numbers)
        classes = model.classes
        self._codes = {int(label): code for code, label in enumerate(classes)}

    def run(self, texts: tuple[str, ...]) -> tuple[int, list[float], float]:
        """As above; `texts` is empty."""
        self._run()
        label, odds, value = self._found
        code = 0 if label is None else self._codes[int(label[0])]
        return code, [] if odds is None else odds[0].tolist(), 0.0 if value is None else float(value.flat[0])


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
