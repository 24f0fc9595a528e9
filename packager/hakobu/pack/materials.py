"""The bill of materials: CycloneDX 1.6 with the model, its card, its data, and the packages that made it.

Source: https://cyclonedx.org/docs/1.6/json/
"""

from hashlib import sha256
from typing import Any

from hakobu_runtime.format.codec import encode
from hakobu_runtime.format.manifest import Classification, Manifest


def bill_of_materials(manifest: Manifest, model: bytes) -> bytes:
    """Return the bill of the model whose ONNX bytes are `model`."""
    reference = f"{manifest.name}@{manifest.version}"
    libraries = [_library(name, version) for name, version in sorted(manifest.provenance.packages.items())]
    data = _data(manifest, f"{reference}/training-data")
    return encode(
        {
            "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "version": 1,
            "metadata": {"component": _model(manifest, model, reference, data["bom-ref"])},
            "components": [data, *libraries],
            "dependencies": [
                {"ref": reference, "dependsOn": [data["bom-ref"], *(one["bom-ref"] for one in libraries)]}
            ],
        }
    )


def _library(name: str, version: str) -> dict[str, Any]:
    purl = f"pkg:pypi/{name}@{version}"
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def _model(manifest: Manifest, model: bytes, reference: str, data: str) -> dict[str, Any]:
    classifier = isinstance(manifest.outputs, Classification)
    return {
        "type": "machine-learning-model",
        "bom-ref": reference,
        "name": manifest.name,
        "version": manifest.version,
        "description": manifest.description,
        "hashes": [{"alg": "SHA-256", "content": sha256(model).hexdigest()}],
        "modelCard": {
            "modelParameters": {
                "approach": {"type": "supervised"},
                "task": "classification" if classifier else "regression",
                "datasets": [{"ref": data}],
                "inputs": [{"format": f"{feature.name}: {feature.kind}"} for feature in manifest.features],
                "outputs": [{"format": f"{manifest.target}: {'class' if classifier else 'number'}"}],
            },
            "quantitativeAnalysis": {
                "performanceMetrics": [
                    {"type": name, "value": f"{metric.holdout:.6g}", "slice": "hold-out"}
                    for name, metric in manifest.metrics.items()
                ]
            },
        },
    }


def _data(manifest: Manifest, reference: str) -> dict[str, Any]:
    source = manifest.provenance
    return {
        "type": "data",
        "bom-ref": reference,
        "name": f"training data of {manifest.name}",
        "hashes": [{"alg": "SHA-256", "content": source.data}],
        "data": [{"type": "dataset", "name": f"{source.training_rows + source.holdout_rows} rows"}],
    }
