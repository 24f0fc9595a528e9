"""ONNX models of any origin: there is no source to ask, so they are what they compute."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto

from hakobu.export.boosting.part import Part
from hakobu.export.foreign import Foreign
from hakobu.settings import Task
from hakobu.sources.ending import codes_of, odds_of, probe
from hakobu.sources.fitting import (
    ELEMENTS,
    add_last,
    class_outputs,
    cleaned,
    elements_of,
    hide_names,
    read_columns,
    read_matrix,
    shape_of,
    value_output,
)
from hakobu.sources.outputs import Found, found_outputs, without_maps, write_outputs
from hakobu_runtime.errors import FormatError, InputError, ProjectError
from hakobu_runtime.format.manifest import ClassLabel, Dtype
from hakobu_runtime.format.onnx import check_model

_OLDEST = 9
_TYPES = {
    TensorProto.FLOAT: "float32",
    TensorProto.DOUBLE: "float64",
    TensorProto.INT64: "int64",
    TensorProto.INT32: "int32",
    TensorProto.BOOL: "bool",
    TensorProto.STRING: "object",
}


@dataclass(frozen=True, slots=True)
class Given:
    """An input of the model: some columns of the rows."""

    name: str
    kind: int
    """Of TensorProto's."""
    width: int
    flat: bool
    """Whether it is of shape (n,)."""

    def of(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Return `rows`, shape (n, width), as the input takes them; raise ValueError for a gap that it cannot hold."""
        found = rows.reshape(-1) if self.flat else rows
        if self.kind == TensorProto.STRING:
            return np.array([[str(cell) for cell in row] for row in rows], dtype=object).reshape(found.shape)
        values = found.astype(np.float64)
        if self.kind not in (TensorProto.FLOAT, TensorProto.DOUBLE) and not np.isfinite(values).all():
            raise ValueError(f"the input {self.name!r} of the ONNX model takes whole numbers, and none is missing")
        with np.errstate(over="ignore"):
            return values.astype(_TYPES[self.kind])


class OnnxModel(Foreign):
    """An ONNX model that predicts a value."""

    library = "ONNX"
    proven = False

    def __init__(self, model: ModelProto, inputs: Sequence[Given], found: Found) -> None:
        self.model = model
        self.inputs = tuple(inputs)
        self.found = found
        self.width = sum(given.width for given in inputs)
        single = all(given.width == 1 for given in inputs)
        self.names = tuple(given.name for given in inputs) if single and len(inputs) > 1 else None
        self.reads_text = any(given.kind == TensorProto.STRING for given in inputs)  # type: ignore[misc]

    def predict(self, frame: pd.DataFrame) -> NDArray[Any]:
        """Return the value of each row of `frame`."""
        return np.asarray(self._run(frame)[self.found.numbers or ""]).reshape(len(frame)).astype(np.float64)

    def to_onnx(self, width: int, dtype: Dtype) -> ModelProto:
        """Return the model with the inputs and outputs that are asked for."""
        model, part = ModelProto(), Part("last_")
        model.CopyFrom(self.model)
        names = hide_names(model)
        if len(self.inputs) == 1 and self.inputs[0].kind != TensorProto.STRING and not self.inputs[0].flat:
            read_matrix(model, dtype, width)
        else:
            read_columns(model, [given.width for given in self.inputs], dtype)
        kind = next((elements_of(value) for value in self.model.graph.output if value.name == self.found.numbers), 0)
        gives = ELEMENTS[dtype] if kind == TensorProto.DOUBLE else TensorProto.FLOAT
        odds = write_outputs(part, self.found, names, gives)
        classes = self.found.classes
        add_last(model, part, class_outputs(classes, odds=odds) if classes else value_output(gives))
        return model

    def _run(self, frame: pd.DataFrame) -> dict[str, NDArray[Any]]:
        rows, feeds, start = frame.to_numpy(dtype=object), {}, 0
        for given in self.inputs:
            feeds[given.name] = given.of(rows[:, start : start + given.width])
            start += given.width
        try:
            return run(self.model, feeds)
        except ProjectError as error:
            raise ValueError(str(error)) from error


class OnnxClassifier(OnnxModel):
    """An ONNX model that predicts a class."""

    def __init__(self, model: ModelProto, inputs: Sequence[Given], found: Found) -> None:
        super().__init__(model, inputs, found)
        self.classes_ = np.array(found.classes, dtype=object if isinstance(found.classes[0], str) else None)

    def predict(self, frame: pd.DataFrame) -> NDArray[Any]:
        """Return the class of each row of `frame`."""
        outputs = self._run(frame)
        if self.found.label is None:
            numbers = outputs[self.found.numbers or ""].reshape(len(frame), -1)
            return np.asarray(self.classes_[codes_of(numbers, self.found.scores)])
        label = np.asarray(outputs[self.found.label]).reshape(len(frame))
        return np.asarray(self.classes_[label] if self.found.named else label)

    @property
    def predict_proba(self) -> Any:
        """What returns the probability of each class for each row, where the model gives any."""
        if self.found.numbers is None:
            raise AttributeError("predict_proba")
        return self._odds

    def _odds(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        numbers = self._run(frame)[self.found.numbers or ""].reshape(len(frame), -1)
        return odds_of(numbers, self.found.scores)


def read_onnx(path: Path, task: Task | None, classes: Sequence[ClassLabel] | None) -> OnnxModel:
    """Return the ONNX model at `path`, with what it keeps in files beside it.

    Raises InputError when it is damaged, ProjectError when it cannot run on a device.
    """
    try:
        model = onnx.load(str(path))
    except DecodeError as error:
        raise InputError(
            f"{path}: is no ONNX model, or damaged; export the model again, and copy the whole file"
        ) from error
    except (OSError, ValueError, onnx.checker.ValidationError) as error:
        words = " ".join(str(error).split())[:200]
        raise InputError(
            f"{path}: a file that belongs to it cannot be read: {words}; put it beside the model"
        ) from error
    if not model.graph.node:
        raise InputError(f"{path}: is no ONNX model, or damaged; export the model again, and copy the whole file")
    return adopt_onnx(model, task, classes)


def adopt_onnx(model: ModelProto, task: Task | None, classes: Sequence[ClassLabel] | None) -> OnnxModel:
    """Return `model` as a Foreign; raise ProjectError when it cannot run on a device."""
    model = cleaned(model)
    told = without_maps(model)
    try:
        check_model(model.SerializeToString())
    except FormatError as error:
        raise ProjectError(f"the ONNX model cannot be brought: {error}\nremedy: export it without that") from error
    oldest = min((opset.version for opset in model.opset_import if opset.domain == ""), default=_OLDEST)
    if oldest < _OLDEST:
        raise ProjectError(
            f"the ONNX model is of opset {oldest}\nremedy: export it again with opset {_OLDEST} or newer"
        )
    inputs = [_given(value) for value in _inputs(model)]
    found = found_outputs(model, _seen(model, inputs), task, classes, told)
    return (OnnxClassifier if found.classes else OnnxModel)(model, inputs, found)


def run(model: ModelProto, feeds: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return what `model`, which was checked, gives for `feeds`; raise ProjectError when it cannot be run."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    try:
        content = model.SerializeToString()
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        names = [value.name for value in session.get_outputs()]
        return dict(zip(names, session.run(names, feeds), strict=True))
    except Exception as error:
        words = str(error).splitlines()[0][:300]
        raise ProjectError(
            f"onnxruntime cannot run the ONNX model: {words}\n"
            "remedy: export it with any number of rows (a free first dimension), one row of numbers or texts each"
        ) from error


def _inputs(model: ModelProto) -> list[Any]:
    fixed = {constant.name for constant in model.graph.initializer}
    for value in [value for value in model.graph.input if value.name in fixed]:
        model.graph.input.remove(value)
    return list(model.graph.input)


def _given(value: Any) -> Given:
    kind, shape = elements_of(value), shape_of(value)
    remedy = "export it to read a matrix (rows, numbers) of float32, or a column of numbers or texts for each input"
    if kind not in _TYPES or shape is None or len(shape) not in (1, 2):
        raise ProjectError(f"the ONNX model's input {value.name!r} is no matrix of numbers or texts\nremedy: {remedy}")
    if shape[0] is not None:
        raise ProjectError(
            f"the ONNX model reads {shape[0]} rows at a time, no other number\n"
            "remedy: export it with a free first dimension (dynamic_axes, or dynamic shapes)"
        )
    width = 1 if len(shape) == 1 else shape[1]
    if width is None:
        raise ProjectError(
            f"the ONNX model's input {value.name!r} does not say how many columns it has\nremedy: {remedy}"
        )
    return Given(value.name, kind, width, len(shape) == 1)


def _seen(model: ModelProto, inputs: Sequence[Given]) -> dict[str, NDArray[Any]]:
    """Return what `model` gives for rows that are always the same: texts are missing, or the first that it knows."""
    try:
        return run(model, {given.name: _probe(given, iter(())) for given in inputs})
    except ProjectError:
        known = iter(_known_texts(model))
        feeds = {given.name: _probe(given, known) for given in inputs}
        if not any(given.kind == TensorProto.STRING for given in inputs):
            raise
        return run(model, feeds)


def _known_texts(model: ModelProto) -> Iterator[str]:
    """Yield the first text of each encoder in `model`: encoders stand in the order of their columns."""
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.name in ("cats_strings", "keys_strings") and attribute.strings:
                yield attribute.strings[0].decode("utf-8", "replace")


def _probe(given: Given, texts: Iterator[str]) -> NDArray[Any]:
    rows = probe(given.width)
    if given.kind == TensorProto.STRING:
        row = [next(texts, "") for _ in range(given.width)]
        return given.of(np.array([row] * len(rows), dtype=object))
    return given.of(np.round(rows) if given.kind not in (TensorProto.FLOAT, TensorProto.DOUBLE) else rows)
