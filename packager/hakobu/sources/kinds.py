"""What kind of model a file or a folder holds, told by its content, since names lie."""

import zipfile
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path

from hakobu_runtime.errors import InputError

HEAD = 1 << 16


class Kind(StrEnum):
    """The kinds of files that models come in."""

    PICKLE = "a pickle"
    SKOPS = "a skops file"
    ONNX = "an ONNX model"
    LIGHTGBM = "a LightGBM model"
    XGBOOST = "an XGBoost model"
    CATBOOST = "a CatBoost model"
    EXPORTED_TORCH = "an exported PyTorch program"
    PICKLED_TORCH = "a pickled PyTorch model"
    TORCHSCRIPT = "a TorchScript model"
    KERAS = "a Keras model"
    HDF5 = "a Keras model in HDF5"
    SAVED_MODEL = "a TensorFlow SavedModel"


_STARTS = (
    (b"\x89HDF\r\n\x1a\n", Kind.HDF5),
    (b"CBM1", Kind.CATBOOST),
    (b"tree\nversion=", Kind.LIGHTGBM),
    (b"tree\r\nversion=", Kind.LIGHTGBM),
)
_PICKLES = tuple(bytes([0x80, version]) for version in range(2, 6))
_COMPRESSED = (
    b"\x1f\x8b",
    b"BZh",
    b"\xfd7zXZ",
    b"\x78\x01",
    b"\x78\x5e",
    b"\x78\x9c",
    b"\x78\xda",
    b"]\x00\x00",
    b"ZF",
    b"\x04\x22\x4d\x18",
)
"""How joblib's compressed pickles begin."""

_ITSELF = "save the model itself, with skops.io.dump or in its library's own form"
_OTHERS = (
    (0, b"binf", "an XGBoost model in its old form", "load it with the XGBoost that wrote it, and save it as .json"),
    (0, b"<?xml", "an XML file, perhaps PMML", _ITSELF),
    (0, b"<PMML", "a PMML file", _ITSELF),
    (4, b"TFL3", "a TensorFlow Lite model", "bring the SavedModel or .keras that it was made from"),
    (4, b"ORTM", "an onnxruntime model (.ort)", "bring the .onnx that it was made from"),
    (0, b"GGUF", "a language model", "bring a model of tables: numbers and categories in, a class or a value out"),
)

KNOWN = (
    "known are skops, pickle and joblib files, .onnx, LightGBM's text, XGBoost's .json and .ubj, CatBoost's .cbm, "
    "PyTorch's .pt2 and .pt, .keras, .h5, and SavedModel folders"
)


def kind_of(path: Path) -> Kind:
    """Return the kind of the model at `path`; raise InputError when there is none, or none that is known."""
    try:
        if path.is_dir():
            return _folder(path)
        with path.open("rb") as file:
            head = file.read(HEAD)
    except FileNotFoundError as error:
        raise InputError(f"{path}: not found; give the file that the model was saved to") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if not head:
        raise InputError(f"{path}: is empty; save the model again, and copy the whole file")
    for place, start, what, remedy in _OTHERS:
        if head[place:].startswith(start):
            raise InputError(f"{path}: holds {what}, which cannot be brought; {remedy}")
    found = next((kind for start, kind in _STARTS if head.startswith(start)), None) or _looked_into(path, head)
    if found is None:
        raise InputError(f"{path}: holds no model that is known, or is damaged; {KNOWN}")
    return found


def _folder(path: Path) -> Kind:
    if (path / "saved_model.pb").is_file():
        return Kind.SAVED_MODEL
    if (path / "MLmodel").is_file():
        raise InputError(f"{path}: is MLflow's folder around a model; give the model's own file inside it")
    raise InputError(f"{path}: is a folder without saved_model.pb; give the model's file, or a SavedModel folder")


def _looked_into(path: Path, head: bytes) -> Kind | None:
    if head.startswith(b"PK"):
        return _archive(path)
    if head.lstrip().startswith(b"{"):
        return _json(path, head)
    if head.startswith(_PICKLES):
        return Kind.PICKLE
    # What follows has no mark of its own: the name decides between what the first bytes allow.
    if path.suffix.lower() == ".onnx" or (head[0] == 0x08 and head[1:2] <= b"\x20"):
        return Kind.ONNX
    if head.startswith(_COMPRESSED) or path.suffix.lower() in (".pkl", ".pickle", ".joblib"):
        return Kind.PICKLE
    return None


def _archive(path: Path) -> Kind | None:
    try:
        with zipfile.ZipFile(path) as archive:
            return _of_names(path, archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise InputError(f"{path}: is a damaged archive; save the model again, and copy the whole file") from error


def _of_names(path: Path, names: Iterable[str]) -> Kind | None:
    found = {name.rpartition("/")[2] for name in names}
    whole = set(names)
    if "schema.json" in whole:
        return Kind.SKOPS
    if {"config.json", "model.weights.h5"} <= whole:
        return Kind.KERAS
    if "archive_format" in found or "serialized_exported_program.json" in whole:
        return Kind.EXPORTED_TORCH
    if "data.pkl" in found:
        return Kind.TORCHSCRIPT if "constants.pkl" in found else Kind.PICKLED_TORCH
    if "model.ini" in whole:
        raise InputError(f"{path}: holds an H2O MOJO, which cannot be brought; let H2O export the model to ONNX")
    return None


def _json(path: Path, head: bytes) -> Kind | None:
    if b"learner" in head:
        return Kind.XGBOOST
    if b"oblivious_trees" in head or b"catboost_version" in head or b"features_info" in head:
        raise InputError(f"{path}: is CatBoost's JSON, which lacks what prediction needs; save the model as .cbm")
    if b"tree_info" in head or b"num_tree_per_iteration" in head:
        raise InputError(f"{path}: is LightGBM's JSON dump, which it cannot load; save it with booster.save_model")
    if b'"safetensors' in head or b'"dtype"' in head:
        raise InputError(f"{path}: holds weights without a model; save the model with torch.export.save")
    return None
