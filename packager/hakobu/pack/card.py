"""The model card that travels in the box: Markdown, with the header that Hugging Face reads.

Source of the header: https://github.com/huggingface/hub-docs, modelcard.md.
"""

from typing import Any

import yaml

from hakobu_runtime.format.feature import Feature
from hakobu_runtime.format.manifest import Classification, Manifest
from hakobu_runtime.format.validation import Outcome, Validation


def model_card(manifest: Manifest, validation: Validation, split: str) -> str:
    """Return the card of the model: what it predicts, from what, how well, and what it had to pass."""
    header = yaml.safe_dump(_header(manifest), sort_keys=False, allow_unicode=True, width=1000)
    lines = [
        f"---\n{header}---",
        f"# {manifest.name} {manifest.version}",
        "",
        manifest.description or "No description was given.",
        "",
        f"Predicts **{_cell(manifest.target)}** from {len(manifest.features)} features. Learned from "
        f"{manifest.provenance.training_rows:,} rows{_period(manifest)}; judged on "
        f"{manifest.provenance.holdout_rows:,} that it never saw ({split}).",
        "",
        *_limits(manifest, validation),
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
        *(
            f"| {g.name} | {_cell(g.rule)} | {_cell(g.value)} | {_cell(g.limit)} | {g.outcome} |"
            for g in validation.gates
        ),
        "",
    ]
    return "\n".join(lines)


def _header(manifest: Manifest) -> dict[str, Any]:
    task = f"tabular-{'classification' if isinstance(manifest.outputs, Classification) else 'regression'}"
    results = [
        {"type": name, "value": round(metric.holdout, 6), "name": f"{name} on the hold-out"}
        for name, metric in manifest.metrics.items()
    ]
    source = {"task": {"type": task}, "dataset": {"type": "tabular", "name": f"hold-out of {manifest.name}"}}
    return {
        "library_name": "onnx",
        "pipeline_tag": task,
        "tags": [task, "onnx", "hakobu"],
        "metrics": list(manifest.metrics),
        "model-index": [{"name": manifest.name, "results": [{**source, "metrics": results}] if results else []}],
    }


def _period(manifest: Manifest) -> str:
    start, end = manifest.provenance.training_start, manifest.provenance.training_end
    return f" from {start[:10]} to {end[:10]}" if start and end else ""


def _limits(manifest: Manifest, validation: Validation) -> list[str]:
    """Return what a reader should know before trusting the model."""
    open_points = [f"- {g.name}: {g.remedy}" for g in validation.gates if g.outcome is Outcome.NOT_JUDGED and g.remedy]
    if not manifest.provenance.proven:
        open_points.insert(0, "- Nobody has proven that this ONNX model is the trained one: it was brought as it is.")
    if manifest.provenance.git and manifest.provenance.git.dirty:
        open_points.append("- It was built from files that differ from what git holds.")
    return ["## Not judged", "", *open_points, ""] if open_points else []


def _input_line(feature: Feature) -> str:
    if feature.range is not None:
        allowed = f"{feature.range.low:g} to {feature.range.high:g} {feature.unit}".strip()
    else:
        allowed = f"{len(feature.categories.values) if feature.categories else 0} categories"
    return f"| {_cell(feature.name)} | {feature.kind} | {_cell(allowed)} | {feature.policy} | {feature.missing} |"


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ").replace("\r", " ")
