"""Networks: what PyTorch, Keras and TensorFlow have in common."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto

from hakobu.export.boosting.part import Part
from hakobu.export.foreign import Foreign
from hakobu.settings import Task
from hakobu.sources.ending import Scores, check_count, codes_of, odds_of, probe, scores_of, write_ending
from hakobu.sources.fitting import (
    ELEMENTS,
    add_last,
    class_outputs,
    cleaned,
    elements_of,
    hide_names,
    read_matrix,
    value_output,
)
from hakobu_runtime.errors import ProjectError
from hakobu_runtime.format.manifest import ClassLabel, Dtype


class Net(ABC):
    """A network as its library runs it, and its way to ONNX."""

    library: str
    width: int | None = None
    """How many numbers it reads; None when it does not say."""
    outputs: int | None = None
    """How many numbers it gives for a row; None when it does not say."""

    @abstractmethod
    def run(self, rows: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return what the network gives for `rows`, shape (n, width); raise ProjectError when it cannot read them."""

    @abstractmethod
    def graph(self, width: int) -> ModelProto:
        """Return the network as ONNX with one matrix as its input, any number of rows long, and one output.

        Raises ProjectError when it cannot be exported.
        """


class Network(Foreign):
    """A network that predicts a value."""

    def __init__(self, net: Net) -> None:
        self.net = net
        self.width = net.width

    @property
    def library(self) -> str:  # type: ignore[override]
        """The library's name, in words."""
        return self.net.library

    def predict(self, frame: pd.DataFrame) -> NDArray[Any]:
        """Return the value of each row of `frame`, as the library itself computes it."""
        found = self._numbers(frame)
        if found.shape[1] != 1:
            raise ProjectError(_several(found.shape[1]))
        return found[:, 0]

    def to_onnx(self, width: int, dtype: Dtype) -> ModelProto:
        """Return the network as ONNX that reads one MATRIX of `dtype`."""
        model = cleaned(self.net.graph(width))
        hide_names(model)
        read_matrix(model, dtype, width)
        self._finish(model, width, dtype)
        return model

    def _finish(self, model: ModelProto, width: int, dtype: Dtype) -> None:
        count = _matrix(self.net.run(probe(width))).shape[1]
        if count != 1:
            raise ProjectError(_several(count))
        part, last = Part("last_"), model.graph.output[0]
        flat = part.node("Reshape", last.name, part.constant(np.array([-1, 1])))
        kind = ELEMENTS[dtype] if elements_of(last) == TensorProto.DOUBLE else TensorProto.FLOAT
        part.cast(flat, kind, to="value")
        add_last(model, part, value_output(kind))

    def _numbers(self, frame: pd.DataFrame) -> NDArray[np.floating]:
        """Return what the network gives, shape (n, numbers); raise ValueError where it gives none for a gap."""
        with np.errstate(over="ignore"):
            rows = frame.to_numpy(dtype=np.float64)
        found = _matrix(self.net.run(rows))
        if np.isnan(found).any() and np.isnan(rows).any():
            raise ValueError("the network gives no number where one of its inputs is missing")
        return found


class NetworkClassifier(Network):
    """A network that predicts a class."""

    def __init__(self, net: Net, classes: Sequence[ClassLabel]) -> None:
        super().__init__(net)
        self.classes_ = np.array(classes, dtype=object if isinstance(classes[0], str) else None)
        self._scores: Scores | None = None

    def predict(self, frame: pd.DataFrame) -> NDArray[Any]:
        """Return the class of each row of `frame`: the one of the largest number."""
        found = self._numbers(frame)
        return np.asarray(self.classes_[codes_of(found, self._kind(frame.shape[1]))])

    def predict_proba(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        """Return the probability of each class for each row of `frame`, shape (n, classes)."""
        return odds_of(self._numbers(frame), self._kind(frame.shape[1]))

    def _kind(self, width: int) -> Scores:
        """Return what the network's numbers are, seen once on rows that are always the same."""
        if self._scores is None:
            found = _matrix(self.net.run(probe(width)))
            check_count(found.shape[1], self.classes_.tolist())
            self._scores = scores_of(found)
        return self._scores

    def _finish(self, model: ModelProto, width: int, dtype: Dtype) -> None:
        scores, part = self._kind(width), Part("last_")
        count = _matrix(self.net.run(probe(width))).shape[1]
        write_ending(part, model.graph.output[0].name, count, scores, self.classes_.tolist())
        add_last(model, part, class_outputs(self.classes_.tolist()))


def adopt_net(net: Net, task: Task | None, classes: Sequence[ClassLabel] | None) -> Network:
    """Return `net` as a Foreign: it classifies when told so, or when it gives several numbers for each row."""
    if task is Task.REGRESSION:
        return Network(net)
    if task is None and classes is None and net.outputs in (None, 1):
        if net.outputs == 1:
            return Network(net)
        raise ProjectError(
            f"the {net.library} model does not say what it predicts\n"
            "remedy: state the task, and the classes of a classification in the order of its outputs"
        )
    if classes is None and net.outputs is None:
        raise ProjectError(
            f"the {net.library} model does not say how many classes it knows\n"
            "remedy: name the classes in the order of its outputs"
        )
    if classes is None:
        classes = tuple(range(max(2, net.outputs or 0)))
    if net.outputs is not None:
        check_count(net.outputs, classes)
    return NetworkClassifier(net, classes)


def _matrix(found: NDArray[np.floating]) -> NDArray[np.floating]:
    found = np.asarray(found)
    found = found[:, None] if found.ndim == 1 else found
    if found.ndim != 2:
        raise ProjectError(
            f"the model gives an array of shape {found.shape} for {len(found)} rows\n"
            "remedy: bring a model that gives one row of numbers for each row"
        )
    return found


def _several(count: int) -> str:
    return (
        f"the model gives {count} numbers for a row, and a regression has one\n"
        "remedy: state that it is a classification, or make a model for each number"
    )
