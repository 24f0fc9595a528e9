"""`hakobu build`: load, gate, split, fit, gate, export, prove, pack, sign. Nothing is written unless all gates pass."""

import platform
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version
from math import isfinite
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hakobu.baseline import learn_features, learn_outputs
from hakobu.export.advice import advice
from hakobu.export.confined import Confines, confined
from hakobu.export.convert import export
from hakobu.pack.golden import golden_columns
from hakobu.pack.hard import hard_block
from hakobu.pack.papers import bill_of_materials, model_card
from hakobu.parity import compare
from hakobu.project import Project, Task
from hakobu.table import DTYPE, Table, frame_of_matrices, matrices_of, read_table, take
from hakobu.train import Split, Trained, pipeline_path, split_rows, train
from hakobu.validate import data_gates, judge, measure, model_gates, parity_gates, split_gates
from hakobu_runtime.bundle import pack_files, read_bundle
from hakobu_runtime.disk import write_whole
from hakobu_runtime.errors import BundleError, ProjectError
from hakobu_runtime.format import golden as golden_format
from hakobu_runtime.format import manifest as manifest_format
from hakobu_runtime.format import validation as validation_format
from hakobu_runtime.format.codec import encode
from hakobu_runtime.format.golden import Golden, Tolerance
from hakobu_runtime.format.manifest import Classification, ClassLabel, Manifest, Metric, Provenance, Tensors, TimeColumn
from hakobu_runtime.format.onnx import check_model
from hakobu_runtime.format.validation import Gate, Stage, Validation
from hakobu_runtime.limits.breach import Verdict
from hakobu_runtime.limits.check import check
from hakobu_runtime.limits.derive import wanted
from hakobu_runtime.model import Model, Predicted, codes_of
from hakobu_runtime.rows.columns import block_of
from hakobu_runtime.scorer.scorer import Scorer
from hakobu_runtime.trust import Keyring, Pin, PrivateKey, sign
from hakobu_runtime.version import __version__

T = TypeVar("T")

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
    trained = train(table, split, project)
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
    exported = confined(lambda: export(trained.estimator, project.inputs, classifier), Confines())
    model, tensors = exported.model, exported.tensors
    progress("prove")
    numbers, strings = matrices_of(trained.X_holdout, project.inputs)
    estimator, tolerance = trained.estimator, project.file.gates.parity
    try:
        check_model(model)
        predicted = Model(model, tensors, table.classes).predict(numbers, strings)
    except BundleError as error:
        remedy = advice(estimator) or "use another estimator for the last step"
        raise ProjectError(f"the exported {type(estimator).__name__} cannot run: {error}\nremedy: {remedy}") from error
    parity = compare(estimator, trained.X_holdout, predicted, table.classes, tolerance)
    gates += parity_gates(parity, tolerance, advice(estimator))
    if _failed(gates):
        return None
    manifest = _manifest(project, table, trained, metrics, tensors, predicted)
    gates += _hard_gates(table, trained, manifest, model, tolerance)
    if _failed(gates):
        return None
    golden, differences = _golden(table, trained, manifest, model, tolerance)
    gates.append(
        judge(
            Stage.EXPORT,
            "parity: golden rows",
            f"rows that differ, of {len(golden)} at every limit",
            len(differences),
            0,
            passed=not differences,
            remedy=f"{'; '.join(differences[:1])}: the exported model is not the trained one at these edges",
        )
    )
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
        dtype=DTYPE,
        tensors=tensors,
        features=learn_features(trained, _times_of(table, split.train), project),
        outputs=learn_outputs(predicted, table.classes, _times_of(table, split.holdout), project.spans),
        provenance=_provenance(project, table, split),
        metrics={name: metric for name, metric in metrics.items() if isfinite(metric.train + metric.holdout)},
        id_columns=file.data.id,
        time=TimeColumn(file.data.time, file.data.time_format) if file.data.time else None,
        monitor=project.monitor,
        missing_values=file.data.missing,
    )


def _times_of(table: Table, rows: NDArray[np.int64]) -> NDArray[np.datetime64] | None:
    return None if table.times is None else table.times[rows]


def _provenance(project: Project, table: Table, split: Split) -> Provenance:
    times = _times_of(table, split.train)
    bounds = (None, None) if times is None else (f"{times.min()}+00:00", f"{times.max()}+00:00")
    return Provenance(
        data=table.digest,
        source=sha256(project.source + pipeline_path(project).read_bytes()).hexdigest(),
        training_rows=len(split.train),
        holdout_rows=len(split.holdout),
        seed=project.file.model.seed,
        python=".".join(platform.python_version_tuple()[:2]),
        packages={"hakobu": __version__} | {name: version(name) for name in PACKAGES},
        training_start=bounds[0],
        training_end=bounds[1],
    )


def _hard_gates(
    table: Table, trained: Trained, manifest: Manifest, model: bytes, tolerance: Tolerance
) -> Iterator[Gate]:
    """Prove the model on made rows too: the hold-out seldom holds a row on a split, or two gaps in one row."""
    block = hard_block(
        take(table.block, trained.split.train),
        manifest.features,
        manifest.dtype,
        model,
        manifest.provenance.seed,
        bounded=isinstance(manifest.outputs, Classification),
    )
    scored = Scorer(manifest, model).score_block(block)
    keep, checked = scored.checked.scorable, scored.checked
    frame = frame_of_matrices(checked.numbers[keep], checked.strings[keep], manifest.features)
    estimator = trained.estimator
    try:
        parity = compare(estimator, frame, scored.predicted, table.classes, tolerance)
        yield from parity_gates(parity, tolerance, advice(estimator), "hard rows")
    except ValueError as error:
        words = " ".join(str(error).split())[:200]
        yield judge(
            Stage.EXPORT, "parity: hard rows", "rows that the trained pipeline cannot score", "some", 0,
            passed=False, remedy=f"the pipeline refuses rows with unusual cells: {words}; make it score or reject them",
        )  # fmt: skip


def _golden(
    table: Table, trained: Trained, manifest: Manifest, model: bytes, tolerance: Tolerance
) -> tuple[Golden, tuple[str, ...]]:
    """Return the golden rows with what the trained pipeline gives for them, and where the exported model differs."""
    columns = golden_columns(take(table.block, trained.split.train), manifest)
    block = block_of(columns, wanted(manifest.features, missing_values=manifest.missing_values))
    checked = check(block, manifest)
    keep = checked.scorable
    frame = frame_of_matrices(checked.numbers[keep], checked.strings[keep], manifest.features)
    golden = Golden(
        schema=golden_format.SCHEMA,
        columns=columns,
        predictions=_spread(keep, _predictions(trained, frame, manifest)),
        probabilities=_spread(keep, _probabilities(trained, frame, manifest)),
        verdicts=tuple(Verdict(verdict).word for verdict in checked.verdicts.tolist()),
        tolerance=tolerance,
    )
    return golden, Scorer(manifest, model).replay(golden)


def _spread(keep: NDArray[np.bool_], found: Iterable[T]) -> tuple[T | None, ...]:
    """Return `found`, one for each kept row, with None for the others."""
    items = iter(found)
    return tuple(next(items) if kept else None for kept in keep)


def _predictions(trained: Trained, frame: pd.DataFrame, manifest: Manifest) -> Sequence[ClassLabel | float]:
    if len(frame) == 0:
        return []
    found = np.asarray(trained.estimator.predict(frame)).reshape(len(frame))
    if not isinstance(manifest.outputs, Classification):
        return [float(value) for value in found]
    return [manifest.outputs.classes[code] for code in codes_of(found, manifest.outputs.classes)]


def _probabilities(trained: Trained, frame: pd.DataFrame, manifest: Manifest) -> list[tuple[float, ...] | None]:
    if manifest.tensors.probabilities is None or len(frame) == 0:
        return [None] * len(frame)
    return [tuple(row) for row in np.asarray(trained.estimator.predict_proba(frame), dtype=np.float64).tolist()]


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
