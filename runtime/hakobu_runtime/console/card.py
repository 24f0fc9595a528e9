"""The card of a model in plain words, all of it from the manifest."""

import textwrap
from collections.abc import Callable, Iterator

from hakobu_runtime.bundle import Bundle
from hakobu_runtime.console.table import table
from hakobu_runtime.format.feature import Feature, Kind, Missing, Policy
from hakobu_runtime.format.manifest import Classification, Manifest, Metric, Provenance

_OTHERWISE = {
    Policy.REJECT: "no score for the row",
    Policy.CLIP: "moved to the nearest limit",
    Policy.WARN: "scored, with a warning",
    Policy.MISSING: "taken as empty",
}

_EMPTY = {Missing.EXPECTED: "is fine", Missing.REFUSED: "no score for the row"}

_KINDS = {
    Kind.NUMBER: "a number",
    Kind.INTEGER: "a whole number",
    Kind.BOOLEAN: "true or false",
    Kind.CATEGORY: "one of a list",
    Kind.TEXT: "free text",
}

_MEANINGS: dict[str, Callable[[float], str]] = {
    "accuracy": lambda value: f"right for {value:.0%} of the rows",
    "balanced_accuracy": lambda value: f"right for {value:.0%} of the rows of a class, on average over the classes",
    "roc_auc": lambda value: (
        f"of two rows with different outcomes, the right one scores higher {value:.0%} of the time"
    ),
    "average_precision": lambda value: f"of the rows that it finds, {value:.0%} are right, on average",
    "precision": lambda value: f"when it says so, it is right {value:.0%} of the time",
    "recall": lambda value: f"finds {value:.0%} of those there are",
    "f1": lambda value: "finding all there are and naming no others, in one number; 1 is best",
    "f1_macro": lambda value: "finding all there are and naming no others, averaged over the classes; 1 is best",
    "r2": lambda value: f"explains {max(value, 0.0):.0%} of what differs from row to row",
    "neg_log_loss": lambda value: "how well the probabilities fit; 0 is best",
    "neg_brier_score": lambda value: "how well the probabilities fit; 0 is best",
    "neg_mean_absolute_error": lambda value: f"off by {abs(value):.4g} on average",
    "neg_median_absolute_error": lambda value: f"off by less than {abs(value):.4g} for every second row",
    "neg_root_mean_squared_error": lambda value: f"off by {abs(value):.4g}, large misses weighing more",
    "neg_mean_absolute_percentage_error": lambda value: f"off by {abs(value):.1%} on average",
    "max_error": lambda value: f"never off by more than {abs(value):.4g}",
}
"""What scikit-learn's measures say; of others the number is shown alone."""

_LONGEST = 50
"""How many characters a list of categories may take; --json has them all."""


_TELLING = (
    "hakobu",
    "scikit-learn",
    "lightgbm",
    "xgboost",
    "xgboost-cpu",
    "catboost",
    "torch",
    "tensorflow",
    "skl2onnx",
)
"""The packages that a person would ask about."""


def plain(bundle: Bundle) -> dict[str, object]:
    """Return the card for JSON."""
    manifest = bundle.manifest
    period = {"start": manifest.provenance.training_start, "end": manifest.provenance.training_end}
    classes = manifest.outputs.classes if isinstance(manifest.outputs, Classification) else None
    return {
        "model": manifest.name,
        "version": manifest.version,
        "description": manifest.description,
        "predicts": {"target": manifest.target, "classes": classes, "words": predicts(manifest)},
        "inputs": [_plain_input(feature) for feature in manifest.features],
        "metrics": [
            {"name": name, "train": found.train, "holdout": found.holdout, "words": meaning(name, found)}
            for name, found in manifest.metrics.items()
        ],
        "training": {"period": period, "provenance": manifest.provenance},
        "gates": len(bundle.validation.gates),
        "signed_by": bundle.pin.key.identity,
        "digest": bundle.digest,
    }


def _plain_input(feature: Feature) -> dict[str, object]:
    limits = feature.range
    return {
        "name": feature.name,
        "column": feature.column,
        "kind": feature.kind.value,
        "part": feature.part,
        "unit": feature.unit,
        "description": feature.description,
        "range": None if limits is None else {"low": limits.low, "high": limits.high, "learned": limits.learned},
        "categories": None if feature.categories is None else feature.categories.values,
        "policy": feature.policy.value,
        "missing": feature.missing.value,
    }


def card(bundle: Bundle) -> str:
    """Return the card for a person."""
    manifest = bundle.manifest
    lines = [f"{manifest.name} {manifest.version}", *textwrap.wrap(manifest.description, 100), ""]
    lines += ["What it predicts", f"  {predicts(manifest)}", "", "How well"]
    lines += [f"  {name}: {meaning(name, found)}" for name, found in manifest.metrics.items()] or ["  not measured"]
    lines += [f"  {len(bundle.validation.gates)} checks were passed before it was signed", "", "What it reads"]
    rows = [_line(feature) for feature in manifest.features]
    lines += [f"  {line}" for line in table(["column", "holds", "allowed", "otherwise", "if empty"], rows).split("\n")]
    described = [feature for feature in manifest.features if feature.description]
    lines += ["", *(f"  {feature.name}: {feature.description}" for feature in described)] if described else []
    lines += ["", "What it learned from", *(f"  {line}" for line in _learned(manifest.provenance))]
    models = " and ".join(bundle.pin.models).replace("*", "any model")
    lines += ["", "Who signed it", f"  the key {bundle.pin.key.identity}", f"  (trusted here for {models})"]
    return "\n".join([*lines, f"  sha256 of the bundle: {bundle.digest}"])


def predicts(manifest: Manifest) -> str:
    """Return what comes out, in a sentence."""
    if not isinstance(manifest.outputs, Classification):
        return f"{manifest.target}: a number for each row"
    names = [str(label).lower() if isinstance(label, bool) else str(label) for label in manifest.outputs.classes]
    odds = ", with a probability for each" if manifest.tensors.probabilities else ""
    return f"{manifest.target}: one of {_listed(names)}{odds}"


def meaning(name: str, found: Metric) -> str:
    """Return what a metric says, on rows that the model never saw."""
    told = _MEANINGS.get(name)
    words = f"{told(found.holdout)} " if told else ""
    return f"{words}({found.holdout:.4g} on rows it never saw, {found.train:.4g} on those it learned from)"


def _line(feature: Feature) -> list[str]:
    holds = f"the {feature.part.replace('_', ' ')} of a date" if feature.part else _KINDS[feature.kind]
    empty = _EMPTY.get(feature.missing, _OTHERWISE[feature.policy])
    otherwise = _OTHERWISE[feature.policy]
    if feature.categories is not None and not feature.categories.scores_unknown and feature.policy is Policy.WARN:
        otherwise = _OTHERWISE[Policy.REJECT]
    return [feature.column, holds, _allowed(feature), otherwise, empty]


def _allowed(feature: Feature) -> str:
    if feature.categories is not None:
        return _listed(feature.categories.values)
    if feature.range is None or feature.kind is Kind.BOOLEAN:
        return ""
    unit = "characters" if feature.kind is Kind.TEXT else feature.unit
    source = "" if feature.range.learned else " (as the builder said)"
    return f"{feature.range.low:g} to {feature.range.high:g} {unit}".strip() + source


def _listed(names: tuple[str, ...] | list[str]) -> str:
    """Return as many of the names as stand in a line, at least one, and how many more there are."""
    shown = next((some for some in range(len(names), 1, -1) if len(", ".join(names[:some])) <= _LONGEST), 1)
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more


def _learned(source: Provenance) -> Iterator[str]:
    period = ""
    if source.training_start:
        period = f", from {source.training_start[:10]} to {(source.training_end or source.training_start)[:10]}"
    yield f"{source.training_rows:,} rows{period}; judged on {source.holdout_rows:,} others"
    if not source.proven:
        yield "it was brought as ONNX, and not held against the model that it was made from"
    yield f"data with the sha256 {source.data}"
    told = [f"{name} {source.packages[name]}" for name in _TELLING if name in source.packages]
    rest = len(source.packages) - len(told)
    more = [f"{rest} other packages, which the bill of materials lists"] if rest else []
    yield "with " + ", ".join([f"Python {source.python}", *told, *more])
    if source.git is not None:
        changes = ", and changes that are not in it" if source.git.dirty else ""
        yield f"from commit {source.git.commit[:12]}{changes}"
