"""The champion on today's hold-out: the rows are read again as it wants them, and scored in the device's runtime."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hakobu.project import Project
from hakobu.settings import Task
from hakobu.table import frame_of, join, matrices_of, take
from hakobu_runtime.bundle import Bundle, open_bundle
from hakobu_runtime.errors import HakobuError, InputError, ProjectError
from hakobu_runtime.format.manifest import Regression
from hakobu_runtime.limits.derive import wanted
from hakobu_runtime.model import Model, Predicted
from hakobu_runtime.rows.source import Layout, open_rows
from hakobu_runtime.trust import Keyring


def open_champion(path: Path, keyring: Keyring, project: Project) -> Bundle:
    """Return the champion; raise BundleError or TrustError, or ProjectError when it answers another question."""
    bundle = open_bundle(path, keyring)
    manifest, model = bundle.manifest, project.file.model
    if manifest.name != model.name:
        raise ProjectError(
            f"{path}: is a bundle of '{manifest.name}', and this project builds '{model.name}'; name the right "
            "champion in [gates.ratchet]"
        )
    task = Task.REGRESSION if isinstance(manifest.outputs, Regression) else Task.CLASSIFICATION
    if task is not model.task or manifest.target != project.file.data.target:
        raise ProjectError(
            f"{path}: predicts '{manifest.target}' by {task}, this project '{project.file.data.target}' by "
            f"{model.task}: the two cannot be compared; leave the champion out, or give the model another name"
        )
    return bundle


def champion_predicts(bundle: Bundle, project: Project, rows: NDArray[np.int64]) -> Predicted:
    """Return what the champion gives for the `rows` of the data file, counted from 0, whatever its limits say of them.

    Raises InputError when the table lacks a column that the champion reads.
    """
    manifest, data = bundle.manifest, project.file.data
    layout = Layout(delimiter=data.delimiter, encoding=data.encoding)
    try:
        with open_rows(
            project.data_path, wanted(manifest.features, (), manifest.missing_values), layout=layout
        ) as opened:
            block = take(join(list(opened)), rows)
    except InputError as error:
        raise InputError(
            f"the champion {manifest.name} {manifest.version} cannot be scored on this data: {error}"
        ) from error
    frame = frame_of(block, manifest.features, manifest.dtype)
    numbers, strings = matrices_of(frame, manifest.features, manifest.dtype)
    classes = () if isinstance(manifest.outputs, Regression) else manifest.outputs.classes
    try:
        return Model(bundle.model, manifest.tensors, classes).predict(numbers, strings)
    except HakobuError as error:
        raise ProjectError(f"{bundle.path}: the champion cannot score the hold-out: {error}") from error
