"""The model itself, run by onnxruntime."""

import _signal  # type: ignore[import-not-found]  # as signal has it, but without the enums that its own functions look for: 0.4 us instead of 10
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hakobu_runtime.engine import onnxruntime
from hakobu_runtime.errors import BundleError
from hakobu_runtime.format.manifest import ClassLabel, Dtype, Tensors

_DTYPES: dict[str, np.dtype[Any]] = {
    "tensor(float)": np.dtype(np.float32),
    "tensor(double)": np.dtype(np.float64),
    "tensor(int64)": np.dtype(np.int64),
}

_FLOAT32 = np.dtype(np.float32)

Run = Callable[[], Sequence[NDArray[Any]]]
"""Runs the model and returns its outputs, of label, probabilities and value those that there are."""

MOST_CHARACTERS = 2**22
"""Rows times the longest text of a run: their words take some 30 times as many bytes."""


@dataclass(frozen=True, slots=True)
class Predicted:
    """What the model gives for n rows."""

    codes: NDArray[np.int64] | None
    """Shape (n,): the places of the classes in the manifest's list, of a classification."""
    probabilities: NDArray[np.float32] | None
    """Shape (n, classes), of a classification that has them."""
    values: NDArray[np.floating] | None
    """Shape (n,), of a regression: float32, or float64 where the model gives that."""


class Model:
    """An ONNX model whose bytes were verified; one session, made at the first use, and safe to share by threads."""

    def __init__(self, content: bytes, tensors: Tensors, classes: Sequence[ClassLabel]) -> None:
        self._content = content
        self._tensors = tensors
        self._classes = classes
        wanted = (self._tensors.label, self._tensors.probabilities, self._tensors.value)
        self._outputs = [name for name in wanted if name is not None]
        self._lock = threading.Lock()
        self._loaded: Any = None

    def load(self) -> bool:
        """Make the session, unless it is there; say whether this call made it. Raises BundleError where it cannot."""
        with self._lock:
            if self._loaded is None:
                self._loaded = self._made()
                return True
        return False

    @property
    def _session(self) -> Any:
        if self._loaded is None:
            self.load()
        return self._loaded

    def _made(self) -> Any:
        engine = onnxruntime()
        # The variable that the package sets is the real switch; this call is the one that Windows builds heed.
        engine.disable_telemetry_events()
        options = engine.SessionOptions()
        # Spinning threads starve each other on a PC that does other work; one thread a run is steady.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # An arena keeps what the largest runs took, once for each that ran beside others; malloc is as fast.
        options.enable_cpu_mem_arena = False
        options.log_severity_level = 3
        try:
            return engine.InferenceSession(self._content, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise BundleError(f"onnxruntime cannot load the model: {_first_line(error)}") from error

    @property
    def classes(self) -> Sequence[ClassLabel]:
        """The classes in the order of the probabilities; none of a regression."""
        return self._classes

    @property
    def lowercase(self) -> Sequence[int]:
        """The columns of the strings that are put in lower case before the model reads them."""
        return self._tensors.lowercase

    @property
    def value_dtype(self) -> np.dtype[np.floating]:
        """What a regression's value is given as."""
        return self._output_dtypes.get(self._tensors.value or "", np.dtype(np.float32))

    @cached_property
    def _output_dtypes(self) -> dict[str, np.dtype[Any]]:
        return {output.name: _DTYPES[output.type] for output in self._session.get_outputs() if output.type in _DTYPES}

    def reader(self, numbers: NDArray[np.floating], strings: NDArray[np.object_]) -> Run:
        """Return what runs the model on the rows that stand in `numbers` and `strings` by then."""
        session, outputs = self._session, self._outputs
        bare = getattr(session, "_sess", session)  # what it wraps: its own checks are of GPUs, and take 1 us
        feeds = {self._tensors.numbers: numbers, self._tensors.strings: strings}
        inputs = {name: matrix for name, matrix in feeds.items() if name is not None}

        def run() -> Sequence[NDArray[Any]]:
            try:
                found: list[NDArray[Any]] = bare.run(outputs, inputs, None)
            except Exception as error:
                raise BundleError(f"onnxruntime cannot run the model: {_first_line(error)}") from error
            return found

        return run if self._tensors.strings is None else partial(_uninterrupted, run)

    def row_reader(self, numbers: NDArray[np.floating], strings: NDArray[np.object_]) -> Run:
        """Return the same for a single row, whose outputs may be overwritten by the next run.

        Everything is bound beforehand where no text goes in or out, which takes half of the time of a call.
        """
        names, session = self._tensors, self._session
        shapes = {output.name: output.shape for output in session.get_outputs()}
        if names.strings is not None or not self._output_dtypes.keys() >= set(self._outputs):
            return self.reader(numbers, strings)
        wide = {names.label: 1, names.probabilities: len(self._classes), names.value: 1}
        found = [
            np.zeros((1, wide[name]) if len(shapes[name]) == 2 else 1, dtype=self._output_dtypes[name])
            for name in self._outputs
        ]
        engine = onnxruntime()
        kept = [engine.OrtValue.ortvalue_from_numpy(array) for array in (numbers, *found)]
        binding = session.io_binding()
        binding.bind_ortvalue_input(names.numbers, kept[0])
        for name, value in zip(self._outputs, kept[1:], strict=True):
            binding.bind_ortvalue_output(name, value)
        if hasattr(session, "_sess") and hasattr(binding, "_iobinding"):
            session, binding = session._sess, binding._iobinding  # as above

        def run(values: list[Any] = kept) -> Sequence[NDArray[Any]]:  # the binding points into these: they must live on
            try:
                session.run_with_iobinding(binding, None)
            except Exception as error:
                raise BundleError(f"onnxruntime cannot run the model: {_first_line(error)}") from error
            return found

        return run

    def predict(self, numbers: NDArray[np.floating], strings: NDArray[np.object_]) -> Predicted:
        """Score `numbers` (n, number features) and `strings` (n, string features)."""
        if len(numbers) == 0:
            return self._nothing()
        lowered = _lowered(strings, self._tensors.lowercase)
        parts = [self.reader(numbers[rows], lowered[rows])() for rows in cuts(lowered, self._tensors.most_rows)]
        found = [np.concatenate(outputs) for outputs in zip(*parts, strict=True)] if len(parts) > 1 else parts[0]
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
            None if probabilities is None else probabilities.astype(np.float32, copy=False),
            _flat(found[names.value], rows) if names.value else None,
        )


def cuts(strings: NDArray[np.object_], most_rows: int | None) -> Iterator[slice]:
    """Yield the rows of `strings`, shape (n, string features), in runs of `most_rows`, or fewer where texts are long.

    The words of a run lie in one matrix, as wide as its longest text has words, so one long text widens every row.
    """
    if most_rows is None:
        yield slice(0, len(strings))
        return
    first = widest = 0
    for row, texts in enumerate(strings):
        longest = max(map(len, texts), default=0)
        if row > first and (row - first >= most_rows or (row - first + 1) * max(widest, longest) > MOST_CHARACTERS):
            yield slice(first, row)
            first, widest = row, 0
        widest = max(widest, longest)
    yield slice(first, len(strings))


def _lowered(strings: NDArray[np.object_], places: Sequence[int]) -> NDArray[np.object_]:
    """Return `strings` with the columns at `places` in lower case.

    Not left to the model: onnxruntime would ask the machine's locale, which knows other letters, or none.
    """
    if not places:
        return strings
    found = strings.copy()
    for place in places:
        found[:, place] = [text.lower() for text in strings[:, place]]
    return found


def _uninterrupted(run: Run) -> Sequence[NDArray[Any]]:
    """Return what `run` returns, and hold Ctrl-C back until then.

    onnxruntime takes texts from Python one by one, and Python looks for signals at each. An exception raised there is
    taken for a text: the process crashes, or the model seems broken.
    """
    before = _signal.getsignal(_signal.SIGINT)
    if not callable(before) or threading.current_thread() is not threading.main_thread():
        return run()  # Python handles signals in the main thread alone
    held: list[Any] = []
    _signal.signal(_signal.SIGINT, lambda *caught: held.append(caught))
    try:
        return run()
    finally:
        _signal.signal(_signal.SIGINT, before)
        if held:
            before(*held[0])


class OneRow:
    """The model with buffers for one row; for one thread at a time."""

    def __init__(self, model: Model, numbers: int, texts: int, dtype: Dtype) -> None:
        row = np.zeros((1, numbers), dtype=dtype.value)
        strings = np.full((1, texts), "", dtype=object)
        self._row, self._texts = row[0], strings[0]
        self._memory = self._row.view(np.uint8).data
        self._clipped = np.empty_like(self._row)
        self._lowercase = model.lowercase
        self._run = model.row_reader(row, strings)
        self._codes = {_plain(label): code for code, label in enumerate(model.classes)}

    def takes(self, packed: bytes, low: NDArray[np.floating], high: NDArray[np.floating]) -> bool:
        """Take the numbers for the next run, and say whether each lies between its `low` and `high`; NaN never does.

        `packed` holds them one after the other, as the matrix does. A limit of 0.0 may refuse -0.0.
        """
        self._memory[:] = packed
        np.fmax(self._row, low, self._clipped)
        np.fmin(self._clipped, high, self._clipped)
        return bool(self._clipped.tobytes() == packed)  # comparing takes three calls, and all() is slow

    def run(self, texts: tuple[str, ...]) -> tuple[int, list[float], float]:
        """Return the class's code, the probabilities and the value, of which a model gives some.

        Raises KeyError or ValueError when they are not what the manifest promises: `predict` says what is wrong.
        """
        if texts:
            self._texts[:] = texts
            for place in self._lowercase:
                self._texts[place] = texts[place].lower()
        found = self._run()
        if not self._codes:
            return 0, [], float(found[-1].item())
        code = self._codes[found[0].item()]
        if len(found) == 1:
            return code, [], 0.0
        odds = found[1]
        if odds.dtype is not _FLOAT32:
            odds = odds.astype(_FLOAT32)
        chances: list[float] = odds.tolist()[0]
        if odds.size != len(self._codes):
            raise ValueError(f"the model gave {odds.size} probabilities for {len(self._codes)} classes")
        return code, chances, 0.0


def _plain(label: ClassLabel) -> str | int:
    """Return the class as the model gives it: a boolean is 0 or 1 there."""
    return label if isinstance(label, str) else int(label)


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
