"""What an estimator answered for the hold-out, kept, so that any scorer can be asked about any of these rows again."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

Rows = NDArray[np.int64]
"""Places of rows in the hold-out."""

_ASKED = ("predict", "predict_proba", "decision_function")


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers of an estimator for every row, by the name of the method."""

    by_method: dict[str, NDArray[Any]]
    classes: NDArray[Any] | None
    """None of a regression."""

    @classmethod
    def of(cls, estimator: Any, X: Any) -> Self:
        """Return what `estimator` answers for the rows of `X`, by each method that it has and that does not refuse."""
        found = {"predict": np.asarray(estimator.predict(X))}
        for name in _ASKED[1:]:
            method = getattr(estimator, name, None)
            if method is not None:
                try:
                    found[name] = np.asarray(method(X))
                except (AttributeError, NotImplementedError):  # as SVC without probabilities says
                    continue
        classes = getattr(estimator, "classes_", None)
        return cls(found, None if classes is None else np.asarray(classes))

    def estimator(self) -> Any:
        """Return an estimator that gives these answers for rows named by their places, shape (rows, 1)."""
        return _Classifier(self) if self.classes is not None else _Regressor(self)


class _Answering(BaseEstimator):  # type: ignore[misc]
    def __init__(self, answers: Answers) -> None:
        self.answers = answers

    def __getattr__(self, name: str) -> Any:
        if name not in _ASKED or "answers" not in self.__dict__ or name not in self.answers.by_method:
            raise AttributeError(name)

        def answer(X: Any) -> NDArray[Any]:
            return np.asarray(self.answers.by_method[name][np.asarray(X)[:, 0]])

        answer.__name__ = name  # scorers go by it
        return answer

    def __sklearn_is_fitted__(self) -> bool:
        return True


class _Classifier(ClassifierMixin, _Answering):  # type: ignore[misc]
    @property
    def classes_(self) -> NDArray[Any]:
        """The classes, in the order of the probabilities."""
        if self.answers.classes is None:
            raise AttributeError("classes_")
        return self.answers.classes


class _Regressor(RegressorMixin, _Answering):  # type: ignore[misc]
    pass
