"""Sealing a bundle: the manifest, the papers, and the signature over all of it."""

import platform
from hashlib import sha256
from importlib.metadata import version
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from hakobu.baseline import learn_features, learn_outputs
from hakobu.pack.bring import model_path
from hakobu.pack.papers import bill_of_materials, model_card
from hakobu.pack.prove import is_proven
from hakobu.project import Project
from hakobu.table import Table
from hakobu.train import Split, Trained
from hakobu_runtime.bundle import pack_files, read_bundle
from hakobu_runtime.format import manifest as manifest_format
from hakobu_runtime.format.codec import encode
from hakobu_runtime.format.golden import Golden
from hakobu_runtime.format.manifest import Manifest, Metric, Provenance, Tensors, TimeColumn
from hakobu_runtime.format.validation import Validation
from hakobu_runtime.model import Predicted
from hakobu_runtime.trust import Keyring, Pin, PrivateKey, sign
from hakobu_runtime.version import __version__

PACKAGES = ("numpy", "onnx", "onnxruntime", "pandas", "scikit-learn", "scipy", "skl2onnx")


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


def sealed(
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
