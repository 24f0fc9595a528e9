"""A model of another library, made to look like an estimator."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import pandas as pd
from numpy.typing import NDArray
from onnx import ModelProto

from hakobu_runtime.errors import ProjectError
from hakobu_runtime.format.feature import Input
from hakobu_runtime.format.manifest import Dtype

MATRIX = "matrix"
"""The input of a model that reads the whole frame as one matrix, until it gets its name."""


class Foreign(ABC):
    """A trained model that is no scikit-learn estimator: what the proofs ask of it, and its own way to ONNX.

    A classifier has `classes_` and `predict_proba` too, as scikit-learn's have; a regressor has neither.
    """

    library: ClassVar[str]
    """Its library's name, in words."""

    proven: ClassVar[bool] = True
    """Whether `predict` is the source's own, so that it tells whether the ONNX model is right."""

    reads_text: ClassVar[bool] = False
    """Whether it may read columns of texts."""

    names: tuple[str, ...] | None = None
    """The columns that it reads, in its order; None when it knows no names."""

    width: int | None = None
    """How many columns it reads; None when it does not say."""

    @abstractmethod
    def predict(self, frame: pd.DataFrame) -> NDArray[Any]:
        """Return the class or the value of each row of `frame`, shape (n,), as the library itself computes it."""

    @abstractmethod
    def to_onnx(self, width: int, dtype: Dtype) -> ModelProto:
        """Return it as ONNX that reads one MATRIX (n, width) of `dtype`, or one input for each column in their order.

        Its outputs are the label (n,) and the probabilities (n, classes), float32, of a classifier, or the value of a
        regressor. Raises ProjectError with a remedy when it cannot.
        """


def is_foreign(estimator: Any) -> bool:
    """Say whether `estimator` is no scikit-learn estimator."""
    return isinstance(estimator, Foreign)


def from_foreign(source: Foreign, inputs: Sequence[Input], dtype: Dtype) -> ModelProto:
    """Return `source` as ONNX with one input called MATRIX, or one for each of `inputs`.

    Raises ProjectError when it reads other columns than `inputs`, or cannot be converted.
    """
    texts = [wish.name for wish in inputs if wish.reads_text]
    if texts and not source.reads_text:
        raise ProjectError(
            f"the {source.library} model reads numbers alone, and {texts[0]!r} holds texts\n"
            "remedy: write the numbers that the model was trained on into the column, and declare it as a number"
        )
    if source.width is not None and source.width != len(inputs):
        raise ProjectError(
            f"the {source.library} model reads {source.width} columns, and {len(inputs)} are declared\n"
            "remedy: declare the columns that it was trained on, in their order, and no others"
        )
    return source.to_onnx(len(inputs), dtype)
