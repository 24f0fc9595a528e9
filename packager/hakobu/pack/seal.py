"""Sealing a bundle: the manifest, the papers, and the signature over all of it."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hakobu.baseline import learn_features, learn_outputs
from hakobu.pack.bring import estimator_of
from hakobu.pack.card import model_card
from hakobu.pack.materials import bill_of_materials
from hakobu.pack.origin import commit_of, digest_of, sources_of, tracked_data
from hakobu.pack.packages import packages_of
from hakobu.pack.prove import is_proven
from hakobu.project import Project
from hakobu.table import Table
from hakobu.train import Split, Trained
from hakobu_runtime.bundle import pack_files, read_bundle
from hakobu_runtime.format import manifest as manifest_format
from hakobu_runtime.format.background import Background
from hakobu_runtime.format.codec import encode
from hakobu_runtime.format.golden import Golden
from hakobu_runtime.format.manifest import Manifest, Metric, Provenance, Tensors, TimeColumn
from hakobu_runtime.format.oms import SIGNATURE_FILE
from hakobu_runtime.format.validation import Validation
from hakobu_runtime.model import Predicted
from hakobu_runtime.trust import Keyring, Pin, PrivateKey, sign
from hakobu_runtime.version import __version__


def manifest_of(
    project: Project,
    table: Table,
    trained: Trained,
    metrics: dict[str, Metric],
    tensors: Tensors,
    predicted: Predicted,
) -> Manifest:
    """Return what the bundle promises."""
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
        provenance=provenance_of(project, table, trained),
        metrics={name: metric for name, metric in metrics.items() if isfinite(metric.train + metric.holdout)},
        id_columns=file.data.id,
        time=TimeColumn(file.data.time, file.data.time_format) if file.data.time else None,
        monitor=project.monitor,
        best_before=file.best_before,
        missing_values=file.data.missing,
    )


def _times_of(table: Table, rows: NDArray[np.int64]) -> NDArray[np.datetime64] | None:
    return None if table.times is None else table.times[rows]


def provenance_of(project: Project, table: Table, trained: Trained) -> Provenance:
    """Return where the model comes from."""
    split = trained.split
    times = _times_of(table, split.train)
    bounds = (None, None) if times is None else (f"{times.min()}+00:00", f"{times.max()}+00:00")
    sources = sources_of(project)
    return Provenance(
        data=table.digest,
        source=digest_of(sources),
        sources=sources,
        training_rows=len(split.train),
        holdout_rows=len(split.holdout),
        seed=project.file.model.seed,
        python=".".join(platform.python_version_tuple()[:2]),
        packages=packages_of(estimator_of(trained)),
        training_start=bounds[0],
        training_end=bounds[1],
        git=commit_of(project),
        dvc=tracked_data(project),
        proven=is_proven(trained),
    )


@dataclass(frozen=True, slots=True)
class Contents:
    """What goes into a bundle beside its papers."""

    manifest: Manifest
    model: bytes
    golden: Golden
    background: Background
    validation: Validation


def files_of(contents: Contents, split: Split) -> dict[str, bytes]:
    """Return every file of the bundle but the signature."""
    manifest, validation = contents.manifest, contents.validation
    return {
        "manifest.json": encode(manifest),
        "model.onnx": contents.model,
        "golden.json": encode(contents.golden),
        "background.json": encode(contents.background),
        "validation.json": encode(validation),
        "MODEL_CARD.md": model_card(manifest, validation, split.how).encode(),
        "sbom.cdx.json": bill_of_materials(manifest, contents.model),
    }


def signed(files: Mapping[str, bytes], where: Path, key: PrivateKey) -> bytes:
    """Return the bundle of `files` with their signature, opened once as a device would open it."""
    content = pack_files({**files, SIGNATURE_FILE: sign(files, key)})
    read_bundle(content, str(where), Keyring((Pin(key.public),)))
    return content
