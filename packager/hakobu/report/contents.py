"""What is in a bundle, in plain words."""

from hakobu_runtime.bundle import Bundle
from hakobu_runtime.console.table import table
from hakobu_runtime.format.feature import Feature, Missing
from hakobu_runtime.format.manifest import Classification, Manifest, WindowBy
from hakobu_runtime.format.validation import Outcome

_MISSING = {
    Missing.EXPECTED: "expected",
    Missing.UNEXPECTED: "never in training",
    Missing.REFUSED: "cannot be scored",
}

_CLOCKS = {WindowBy.ROW: "the row itself", WindowBy.ARRIVAL: "scoring"}


def contents(bundle: Bundle) -> str:
    """Return what the box holds, for a person."""
    manifest, source = bundle.manifest, bundle.manifest.provenance
    size = f"{len(bundle.model):,} bytes of ONNX, {len(bundle.golden)} golden rows"
    period = f", {source.training_start[:10]} to {(source.training_end or '')[:10]}" if source.training_start else ""
    metrics = ", ".join(f"{name} {metric.holdout:.4f}" for name, metric in manifest.metrics.items())
    lines = [
        f"{manifest.name} {manifest.version}: {manifest.description or 'no description'}",
        "",
        f"predicts   {manifest.target} ({_outputs(manifest)})",
        f"learned    from {source.training_rows:,} rows{period}; judged on {source.holdout_rows:,} others",
        f"metrics    {metrics} on the hold-out",
        f"gates      {_gates(bundle)}",
        f"model      {size}",
        f"counts     by {manifest.monitor.span}, by the time of {_CLOCKS[manifest.monitor.window_by]}",
        f"signed by  {bundle.pin.key.identity}",
        f"sha256     {bundle.digest}",
        "",
        table(["input", "kind", "allowed", "otherwise", "missing"], [_line(feature) for feature in manifest.features]),
    ]
    return "\n".join(lines)


def _gates(bundle: Bundle) -> str:
    """Say how many gates passed, and whether the model was proven to be the trained one."""
    passed = sum(gate.outcome is Outcome.PASSED for gate in bundle.validation.gates)
    proven = bundle.manifest.provenance.proven
    return f"{passed} passed" + ("" if proven else "; NOT PROVEN to be the trained model: it was brought as ONNX")


def _outputs(manifest: Manifest) -> str:
    if not isinstance(manifest.outputs, Classification):
        return "a number"
    names = [str(label).lower() if isinstance(label, bool) else str(label) for label in manifest.outputs.classes]
    shown = ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
    return f"one of {shown}" + ("" if manifest.tensors.probabilities else ", without probabilities")


def _line(feature: Feature) -> list[str]:
    if feature.categories is not None:
        known = feature.categories.values
        allowed = ", ".join(known) if len(known) <= 5 else f"{', '.join(known[:4])} and {len(known) - 4} more"
    elif feature.range is not None:
        source = "" if feature.range.learned else " (declared)"
        allowed = f"{feature.range.low:g} to {feature.range.high:g} {feature.unit}".strip() + source
    else:
        allowed = ""
    kind = f"{feature.part} of {feature.column}" if feature.part else feature.kind.value
    return [feature.name, kind, allowed, feature.policy.value, _MISSING[feature.missing]]
