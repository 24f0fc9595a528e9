"""How the texts of a model are to be fed: which of them in lower case, and how many at once."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.pipeline import FeatureUnion, Pipeline

from hakobu.export.inside import inside
from hakobu_runtime.errors import ProjectError
from hakobu_runtime.format.feature import Input

_MOST_ROWS = 256
_MOST_NUMBERS = 2**21
"""Rows times terms at once: so many stay near the processor, and a small device has memory for them."""

_HELD = ("_fit_X", "X_fit_", "X_train_", "X_", "support_vectors_")
_MANY = 2048
"""With fewer training rows, a batch of rows as they come is small enough."""


def lowered(estimator: Any, inputs: Sequence[Input]) -> tuple[int, ...]:
    """Return the places, among the inputs that are texts, of those that the fitted `estimator` reads in lower case.

    The device puts them so before the model reads them, so nothing else in the model may read them as they stand.
    Raises ProjectError where something does.
    """
    texts = [wish.name for wish in inputs if wish.reads_text]
    found: dict[str, dict[bool, Any]] = {name: {} for name in texts}
    known: list[Any] = []
    for column, reader in _reads(estimator, [wish.name for wish in inputs]):
        known.append(reader)
        if column in found:
            found[column].setdefault(isinstance(reader, CountVectorizer) and reader.lowercase, reader)
    late = next((part for part in _vectorizers(estimator) if part.lowercase and not _among(part, known)), None)
    if late is not None:
        raise ProjectError(
            f"{type(late).__name__} cannot be exported to ONNX: a device lowers the letters of a column, and another "
            "step stands before it\nremedy: let it read its column itself, or set lowercase=False"
        )
    mixed = next((name for name, readers in found.items() if len(readers) > 1), None)
    if mixed is not None:
        low, plain = (type(found[mixed][lower]).__name__ for lower in (True, False))
        raise ProjectError(
            f"column '{mixed}' cannot be exported to ONNX: {low} reads it in lower case, {plain} as it stands, and a "
            "device feeds it one way\nremedy: set lowercase alike in both, or write the column twice under two names"
        )
    return tuple(place for place, name in enumerate(texts) if True in found[name])


def most_rows(estimator: Any) -> int | None:
    """Return how many rows the exported `estimator` should be fed at once; None where it makes little of each.

    A reader of texts makes a number for every word that it knows, a model of neighbours or kernels one for every
    training row that it holds.
    """
    terms = sum(len(vectorizer.vocabulary_) for vectorizer in _vectorizers(estimator)) + _held_rows(estimator)
    return max(1, min(_MOST_ROWS, _MOST_NUMBERS // terms)) if terms else None


def _held_rows(estimator: Any) -> int:
    """Count the training rows that every row is compared with, where they are many."""
    parts = inside(estimator, (BaseEstimator,))
    held = max((np.shape(getattr(part, name, ()))[:1] for part in parts for name in _HELD), default=())
    return held[0] if held and held[0] > _MANY else 0


def _vectorizers(estimator: Any) -> Iterator[Any]:
    return (found for found in inside(estimator, (CountVectorizer,)) if hasattr(found, "vocabulary_"))


def _reads(estimator: Any, names: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Yield each column with the first step that reads it, once for every such step."""
    for columns in inside(estimator, (ColumnTransformer,)):
        seen = list(getattr(columns, "feature_names_in_", names))
        for name, part, _ in getattr(columns, "transformers_", ()):
            places = columns._transformer_to_input_indices.get(name, ())
            for reader in _first(part):
                yield from ((seen[place], reader) for place in places if place < len(seen))
    if len(names) == 1:
        yield from ((names[0], reader) for reader in _first(estimator))


def _first(part: Any) -> Iterator[Any]:
    """Yield what reads the input of `part` itself; a choice of columns, or what is dropped, does not."""
    if isinstance(part, Pipeline):
        steps = [step for _, step in part.steps if step is not None and step != "passthrough"]
        yield from _first(steps[0]) if steps else ()
    elif isinstance(part, FeatureUnion):
        for _, inner in part.transformer_list:
            yield from _first(inner)
    elif not isinstance(part, ColumnTransformer) and part != "drop":
        yield part


def _among(part: Any, known: Sequence[Any]) -> bool:
    return any(part is one for one in known)
