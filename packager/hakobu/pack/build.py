"""`hakobu build`: load, gate, split, fit, gate, export, prove, pack, sign. Nothing is written unless all gates pass."""

import platform
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version
from math import isfinite
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hakobu.baseline import learn_features, learn_outputs
from hakobu.export.advice import advice
from hakobu.export.confined import Confines, confined
from hakobu.export.convert import export
from hakobu.gates.data import data_gates
from hakobu.gates.metrics import measure
from hakobu.gates.model import model_gates
from hakobu.gates.split import split_gates
from hakobu.pack.bring import bring, estimator_of, model_path
from hakobu.pack.papers import bill_of_materials, model_card
from hakobu.pack.prove import Proof, is_proven
from hakobu.project import Project
from hakobu.settings import Task
from hakobu.table import Table, matrices_of, read_table
from hakobu.train import Split, Trained, split_rows, train
from hakobu_runtime.bundle import pack_files, read_bundle
from hakobu_runtime.disk import write_whole
from hakobu_runtime.errors import BundleError, ProjectError
from hakobu_runtime.format import manifest as manifest_format
from hakobu_runtime.format import validation as validation_format
from hakobu_runtime.format.codec import encode
from hakobu_runtime.format.golden import Golden
from hakobu_runtime.format.manifest import Manifest, Metric, Provenance, Tensors, TimeColumn
from hakobu_runtime.format.onnx import check_model
from hakobu_runtime.format.validation import Gate, Validation
from hakobu_runtime.model import Model, Predicted
from hakobu_runtime.trust import Keyring, Pin, PrivateKey, sign
from hakobu_runtime.version import __version__

PACKAGES = ("numpy", "onnx", "onnxruntime", "pandas", "scikit-learn", "scipy", "skl2onnx")

STAGES = ("read", "check data", "fit", "judge", "export", "prove", "pack")

Progress = Callable[[str], None]
"""Hears the name of each stage as it begins."""


@dataclass(frozen=True, slots=True)
class Built:
    """The outcome of a build."""

    project: Project
    gates: tuple[Gate, ...]
    metrics: dict[str, Metric]
    split: str
    path: Path | None
    """The bundle; None when a gate failed, and then nothing was written."""

    @property
    def passed(self) -> bool:
        """Whether every gate let the model through."""
        return self.path is not None


def build(project: Project, key: PrivateKey, progress: Progress = lambda stage: None) -> Built:
    """Build the project's bundle and sign it with `key`."""
    progress("read")
    table = read_table(project)
    progress("check data")
    gates = list(data_gates(table, project))
    if _failed(gates):
        return Built(project, tuple(gates), {}, "", None)
    split = split_rows(table, project)
    progress("fit")
    trained = (train if project.file.model.brought is None else bring)(table, split, project)
    gates += split_gates(trained, project)
    if _failed(gates):
        return Built(project, tuple(gates), {}, split.how, None)
    progress("judge")
    metrics = measure(trained, project, len(table.classes))
    gates += model_gates(trained, project, metrics, len(table.classes))
    content = None
    if not _failed(gates):
        content = _prove_and_pack(project, table, trained, metrics, gates, key, progress)
    if content is None:
        return Built(project, tuple(gates), metrics, split.how, None)
    _write(project.bundle_path, content)
    return Built(project, tuple(gates), metrics, split.how, project.bundle_path)


def _failed(gates: list[Gate]) -> bool:
    return bool(Validation(validation_format.SCHEMA, tuple(gates)).failed)


def _prove_and_pack(
    project: Project,
    table: Table,
    trained: Trained,
    metrics: dict[str, Metric],
    gates: list[Gate],
    key: PrivateKey,
    progress: Progress,
) -> bytes | None:
    """Export the model, prove it, and return the bundle; None when a gate (added to `gates`) failed."""
    progress("export")
    classifier = project.file.model.task is Task.CLASSIFICATION
    estimator = estimator_of(trained)
    exported = confined(lambda: export(estimator, project.inputs, classifier, project.dtype), Confines())
    model, tensors = exported.model, exported.tensors
    progress("prove")
    numbers, strings = matrices_of(trained.X_holdout, project.inputs, project.dtype)
    try:
        check_model(model)
        predicted = Model(model, tensors, table.classes).predict(numbers, strings)
    except BundleError as error:
        remedy = advice(estimator) or "use another estimator for the last step"
        raise ProjectError(f"the exported {type(estimator).__name__} cannot run: {error}\nremedy: {remedy}") from error
    proof = Proof(table, trained, project.file.gates.parity, advice(estimator))
    gates += proof.holdout_gates(predicted)
    if _failed(gates):
        return None
    manifest = _manifest(project, table, trained, metrics, tensors, predicted)
    gates += proof.hard_gates(manifest, model)
    if _failed(gates):
        return None
    golden, gate = proof.golden(manifest, model)
    gates.append(gate)
    if _failed(gates):
        return None
    progress("pack")
    return _sealed(manifest, model, golden, Validation(validation_format.SCHEMA, tuple(gates)), trained.split, key)


def _manifest(
    project: Project,
    table: Table,
    trained: Trained,
    metrics: dict[str, Metric],
    tensors: Tensors,
    predicted: Predicted,
) -> Manifest:
    file, split = project.file, trained.split
    return Manifest(
        schema=manifest_format.SCHEMA,
        name=file.model.name,
        version=file.model.version,
        description=file.model.description,
        min_runtime=__version__,
        target=file.data.target,
        dtype=project.dtype,
        tensors=tensors,
        features=learn_features(trained, _times_of(table, split.train), project),
        outputs=learn_outputs(predicted, table.classes, _times_of(table, split.holdout), project.spans),
        provenance=_provenance(project, table, trained),
        metrics={name: metric for name, metric in metrics.items() if isfinite(metric.train + metric.holdout)},
        id_columns=file.data.id,
        time=TimeColumn(file.data.time, file.data.time_format) if file.data.time else None,
        monitor=project.monitor,
        missing_values=file.data.missing,
    )


def _times_of(table: Table, rows: NDArray[np.int64]) -> NDArray[np.datetime64] | None:
    return None if table.times is None else table.times[rows]


def _provenance(project: Project, table: Table, trained: Trained) -> Provenance:
    split = trained.split
    times = _times_of(table, split.train)
    bounds = (None, None) if times is None else (f"{times.min()}+00:00", f"{times.max()}+00:00")
    return Provenance(
        data=table.digest,
        source=sha256(project.source + model_path(project).read_bytes()).hexdigest(),
        training_rows=len(split.train),
        holdout_rows=len(split.holdout),
        seed=project.file.model.seed,
        python=".".join(platform.python_version_tuple()[:2]),
        packages={"hakobu": __version__} | {name: version(name) for name in PACKAGES},
        training_start=bounds[0],
        training_end=bounds[1],
        proven=is_proven(trained),
    )


def _sealed(
    manifest: Manifest, model: bytes, golden: Golden, validation: Validation, split: Split, key: PrivateKey
) -> bytes:
    """Return the signed bundle, opened once as a device would open it."""
    files = {
        "manifest.json": encode(manifest),
        "model.onnx": model,
        "golden.json": encode(golden),
        "validation.json": encode(validation),
        "MODEL_CARD.md": model_card(manifest, validation, split.how).encode(),
        "sbom.cdx.json": bill_of_materials(manifest),
    }
    content = pack_files(files | {"model.sig": sign(files, key)})
    read_bundle(content, f"{manifest.name}-{manifest.version}.hako", Keyring((Pin(key.public),)))
    return content


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
    except OSError as error:
        raise ProjectError(f"{path}: the bundle cannot be written: {error.strerror}") from error
