"""A model of another library, made to look like an estimator."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import pandas as pd
from numpy.typing import NDArray
from onnx import ModelProto

from hakobu_runtime.format.manifest import Dtype


class Foreign(ABC):
    """A trained model that is no scikit-learn estimator: what the proofs ask of it, and its own way to ONNX.

    A classifier has `classes_` and `predict_proba` too, as scikit-learn's have; a regressor has neither.
    """

    library: ClassVar[str]
    """Its library's name, in words."""

    names: tuple[str, ...] | None = None
    """The columns that it reads, in its order; None when it knows no names."""

    width: int | None = None
    """How many numbers it reads; None when it does not say."""

    @abstractmethod
    def predict(self, frame: pd.DataFrame) -> NDArray[Any]:
        """Return the class or the value of each row of `frame`, shape (n,), as the library itself computes it."""

    @abstractmethod
    def to_onnx(self, width: int, dtype: Dtype) -> ModelProto:
        """Return it as ONNX that reads one matrix (n, width) of `dtype`, or one input for each column in their order.

        Its outputs are the label (n,) and the probabilities (n, classes) of a classifier, or the value of a regressor.
        Raises ProjectError with a remedy when it cannot.
        """


def is_foreign(estimator: Any) -> bool:
    """Say whether `estimator` is no scikit-learn estimator."""
    return isinstance(estimator, Foreign)
