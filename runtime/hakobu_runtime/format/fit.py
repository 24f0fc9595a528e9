"""Whether a model takes and gives what its manifest says."""

from collections.abc import Iterable

from hakobu_runtime.errors import FormatError
from hakobu_runtime.format.manifest import Classification, Manifest
from hakobu_runtime.format.onnx import ModelSummary, Tensor

_FLOATS = ("float32", "float64")


def check_fit(summary: ModelSummary, manifest: Manifest) -> None:
    """Raise FormatError where the inputs and outputs of a model differ from those that `manifest` names."""
    tensors = manifest.tensors
    wanted = {name for name in (tensors.numbers, tensors.strings) if name is not None}
    found = {tensor.name: tensor for tensor in summary.inputs}
    if found.keys() != wanted or len(found) != len(summary.inputs):
        raise FormatError(
            f"model.onnx takes the inputs {_list(found)}, but manifest.json names {_list(wanted)}: "
            "build the bundle again"
        )
    if tensors.numbers is not None:
        _check_input(found[tensors.numbers], (manifest.dtype.value,), len(manifest.number_features))
    if tensors.strings is not None:
        _check_input(found[tensors.strings], ("string",), len(manifest.string_features))
    _check_outputs(summary, manifest)


def _check_outputs(summary: ModelSummary, manifest: Manifest) -> None:
    tensors, outputs = manifest.tensors, manifest.outputs
    found = {tensor.name: tensor for tensor in summary.outputs}
    for name in (tensors.label, tensors.probabilities, tensors.value):
        if name is not None and name not in found:
            raise FormatError(
                f"model.onnx gives {_list(found)}, but manifest.json also names {name!r}: build the bundle again"
            )
    if isinstance(outputs, Classification) and tensors.label is not None:
        kind = "string" if isinstance(outputs.classes[0], str) else "int64"
        _check_dtype("output", found[tensors.label], (kind,))
        if tensors.probabilities is not None:
            _check_dtype("output", found[tensors.probabilities], _FLOATS)
            _check_width("output", found[tensors.probabilities], len(outputs.classes))
    if tensors.value is not None:
        _check_dtype("output", found[tensors.value], _FLOATS)


def _check_input(tensor: Tensor, dtypes: tuple[str, ...], width: int) -> None:
    _check_dtype("input", tensor, dtypes)
    _check_width("input", tensor, width)
    if tensor.shape is not None and tensor.shape[0] is not None:
        raise FormatError(
            f"input {tensor.name!r} of model.onnx takes {tensor.shape[0]} rows at a time and no other number: "
            "export the model with a free first dimension"
        )


def _check_dtype(role: str, tensor: Tensor, dtypes: tuple[str, ...]) -> None:
    if tensor.dtype not in dtypes:
        raise FormatError(
            f"{role} {tensor.name!r} of model.onnx is {tensor.dtype}; by manifest.json it must be {' or '.join(dtypes)}"
        )


def _check_width(role: str, tensor: Tensor, width: int) -> None:
    if tensor.shape is not None and (len(tensor.shape) != 2 or tensor.shape[1] not in (None, width)):
        raise FormatError(
            f"{role} {tensor.name!r} of model.onnx has the shape {_words(tensor)}; "
            f"by manifest.json it must have {width} columns"
        )


def _words(tensor: Tensor) -> str:
    return " x ".join("n" if size is None else str(size) for size in tensor.shape or ()) or "of one number"


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
