"""The background rows of a bundle, which explanations on the device start from."""

import numpy as np
from numpy.typing import NDArray

from hakobu.project import Project
from hakobu.train import Trained
from hakobu_runtime.format.background import SCHEMA, Background
from hakobu_runtime.format.feature import Kind


def background_of(trained: Trained, project: Project) -> Background:
    """Return training rows drawn at random, the columns shuffled apart, so that nobody's row travels in the box.

    Free texts stay at home altogether: a text is explained against none.
    """
    rows = min(project.file.explain.rows, len(trained.X_train))
    if rows == 0:
        return Background(SCHEMA, {})
    rng = np.random.default_rng(project.file.model.seed)
    features: dict[str, tuple[float | str | None, ...]] = {}
    for wish in sorted(project.inputs, key=lambda wish: wish.name):
        values = trained.X_train[wish.name].to_numpy()[rng.choice(len(trained.X_train), rows, replace=False)]
        features[wish.name] = (None,) * rows if wish.kind is Kind.TEXT else _cells(values)
    return Background(SCHEMA, features)


def _cells(values: NDArray[np.generic]) -> tuple[float | str | None, ...]:
    if values.dtype == object:
        return tuple(str(value) or None for value in values)
    return tuple(None if np.isnan(value) else float(str(value)) for value in values)
