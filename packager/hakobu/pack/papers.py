"""The papers that travel in the box: the model card and the bill of materials."""

from typing import Any

from hakobu_runtime.format.codec import encode
from hakobu_runtime.format.manifest import Classification, Manifest
from hakobu_runtime.format.validation import Validation


def model_card(manifest: Manifest, validation: Validation, split: str) -> str:
    """Return the model card: Markdown with the YAML header that Hugging Face reads."""
    task = f"tabular-{'classification' if isinstance(manifest.outputs, Classification) else 'regression'}"
    lines = [
        "---",
        "library_name: onnx",
        f"pipeline_tag: {task}",
        f"tags: [{task}, onnx, hakobu]",
        "---",
        f"# {manifest.name} {manifest.version}",
        "",
        manifest.description or "No description was given.",
        "",
        f"Predicts **{manifest.target}** from {len(manifest.features)} features. Learned from "
        f"{manifest.provenance.training_rows:,} rows; judged on {manifest.provenance.holdout_rows:,} that it never saw "
        f"({split}).",
        "",
        "## Metrics",
        "",
        "| metric | training rows | hold-out |",
        "| --- | --- | --- |",
        *(f"| {name} | {metric.train:.4f} | {metric.holdout:.4f} |" for name, metric in manifest.metrics.items()),
        "",
        "## Inputs",
        "",
        "| feature | kind | allowed | otherwise | missing |",
        "| --- | --- | --- | --- | --- |",
        *(_input_line(feature) for feature in manifest.features),
        "",
        "## Gates",
        "",
        "| gate | rule | value | limit | outcome |",
        "| --- | --- | --- | --- | --- |",
        *(f"| {g.name} | {_cell(g.rule)} | {_cell(g.value)} | {g.limit} | {g.outcome} |" for g in validation.gates),
        "",
    ]
    return "\n".join(lines)


def _input_line(feature: Any) -> str:
    if feature.range is not None:
        allowed = f"{feature.range.low:g} to {feature.range.high:g} {feature.unit}".strip()
    else:
        allowed = f"{len(feature.categories.values)} categories"
    return f"| {_cell(feature.name)} | {feature.kind} | {_cell(allowed)} | {feature.policy} | {feature.missing} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def bill_of_materials(manifest: Manifest) -> bytes:
    """Return the CycloneDX 1.6 bill of materials: the model, and the packages that trained it."""
    libraries = [
        {"type": "library", "bom-ref": f"pkg:pypi/{name}@{version}", "name": name, "version": version,
         "purl": f"pkg:pypi/{name}@{version}"}
        for name, version in sorted(manifest.provenance.packages.items())
    ]  # fmt: skip
    reference = f"{manifest.name}@{manifest.version}"
    return encode(
        {
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "version": 1,
            "metadata": {
                "component": {
                    "type": "machine-learning-model",
                    "bom-ref": reference,
                    "name": manifest.name,
                    "version": manifest.version,
                    "description": manifest.description,
                }
            },
            "components": libraries,
            "dependencies": [{"ref": reference, "dependsOn": [library["bom-ref"] for library in libraries]}],
        }
    )
