"""Boosted trees in the files of their own libraries."""

import contextlib
import io
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper

from hakobu.export.boosting import catboost, lightgbm, xgboost
from hakobu.export.boosting.graph import Output, write_classes, write_value
from hakobu.export.boosting.part import LEARNED, Part
from hakobu.export.boosting.trees import Boosted
from hakobu.export.foreign import MATRIX, Foreign
from hakobu.settings import Task
from hakobu.sources.fitting import ELEMENTS, class_outputs, value_output
from hakobu.sources.kinds import Kind
from hakobu.sources.library import library
from hakobu.sources.whole import check_whole
from hakobu_runtime.errors import HakobuError, InputError, ProjectError
from hakobu_runtime.format.manifest import ClassLabel, Dtype


class Booster(Foreign):
    """Boosted trees that predict a value, with the booster of the library that grew them."""

    def __init__(self, native: Any, boosted: Boosted, names: Sequence[str] | None) -> None:
        self.native = native
        self.boosted = boosted
        self.names = None if names is None else tuple(names)
        self.width = boosted.width

    @property
    def library(self) -> str:  # type: ignore[override]
        """The library's name, in words."""
        return {"lightgbm": "LightGBM", "xgboost": "XGBoost", "catboost": "CatBoost"}[self._package]

    def predict(self, frame: pd.DataFrame) -> NDArray[Any]:
        """Return the value of each row of `frame`, as the library itself computes it."""
        return np.asarray(self._native(frame)).reshape(len(frame))

    def to_onnx(self, width: int, dtype: Dtype) -> ModelProto:
        """Return the trees as ONNX that reads one MATRIX of `dtype`."""
        part, kind = Part(""), ELEMENTS[dtype]
        given = helper.make_tensor_value_info(MATRIX, kind, [None, width])
        outputs = self._write(part, Output(MATRIX, kind))
        graph = helper.make_graph(part.nodes, "hakobu", [given], outputs, part.constants)
        opsets = [helper.make_opsetid("", 21), helper.make_opsetid(LEARNED, 3)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=10)

    def _write(self, part: Part, given: Output) -> list[Any]:
        write_value(part, self.boosted, given, Output("value", given.kind))
        return value_output(given.kind)

    @property
    def _package(self) -> str:
        return type(self.native).__module__.partition(".")[0]

    def _native(self, frame: pd.DataFrame) -> NDArray[Any]:
        """Return what the library predicts: values, or probabilities."""
        matrix = frame.to_numpy(dtype=np.float64)
        if self._package == "xgboost":
            booster = self.native
            if self.names is not None:
                booster = booster.copy()
                booster.feature_names = None  # they were checked when the columns were chosen
            with np.errstate(over="ignore"):
                matrix = matrix.astype(np.float32)
            return np.asarray(booster.inplace_predict(matrix))
        if self._package == "catboost":
            kind = "Probability" if hasattr(self, "classes_") else None
            given = {} if kind is None else {"prediction_type": kind}
            return np.asarray(self.native.predict(matrix, **given))
        return np.asarray(self.native.predict(matrix))


class BoosterClassifier(Booster):
    """Boosted trees that predict a class."""

    def __init__(
        self, native: Any, boosted: Boosted, names: Sequence[str] | None, classes: Sequence[ClassLabel]
    ) -> None:
        super().__init__(native, boosted, names)
        self.classes_ = np.array(classes, dtype=object if isinstance(classes[0], str) else None)

    def predict(self, frame: pd.DataFrame) -> NDArray[Any]:
        """Return the class of each row of `frame`, by the library's own rule."""
        if self._package == "catboost":
            found = np.asarray(self.native.predict(frame.to_numpy(dtype=np.float64))).reshape(len(frame))
            places = {str(label): place for place, label in enumerate(np.asarray(self.native.classes_).tolist())}
            chosen = self.classes_[[places[str(label)] for label in found.tolist()]]
            return np.asarray(chosen)
        odds = self._native(frame)
        return np.asarray(self.classes_[(odds > 0.5).astype(int) if odds.ndim == 1 else odds.argmax(axis=1)])

    def predict_proba(self, frame: pd.DataFrame) -> NDArray[Any]:
        """Return the probability of each class for each row of `frame`, shape (n, classes)."""
        odds = self._native(frame)
        return np.stack([1 - odds, odds], axis=1) if odds.ndim == 1 else odds

    def _write(self, part: Part, given: Output) -> list[Any]:
        odds = Output("probabilities", TensorProto.FLOAT)
        write_classes(part, self.boosted, given, self.classes_.tolist(), "label", odds)
        return class_outputs(self.classes_.tolist())


def read_booster(path: Path, kind: Kind, task: Task | None, classes: Sequence[ClassLabel] | None) -> Booster:
    """Return the boosted trees in the file at `path`, which is of `kind`.

    Raises InputError when the file is damaged, ProjectError when the model cannot be brought exactly.
    """
    load = {Kind.LIGHTGBM: _load_lightgbm, Kind.XGBOOST: _load_xgboost, Kind.CATBOOST: _load_catboost}[kind]
    libraries = {Kind.LIGHTGBM: ("lightgbm", "boost"), Kind.XGBOOST: ("xgboost", "boost")}
    module = library(*libraries.get(kind, ("catboost", "catboost")))
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            return adopt_booster(load(module, path), task, classes)
    except HakobuError:
        raise
    except Exception as error:
        words = " ".join(str(error).partition("Stack trace")[0].split())[:200] or type(error).__name__
        raise InputError(f"{path}: is damaged, or no whole {kind.value[2:].strip()}: {words}; save it again") from error


def adopt_booster(native: Any, task: Task | None, classes: Sequence[ClassLabel] | None) -> Booster:
    """Return the booster `native` of one of the three libraries as a Foreign; raise ProjectError where it cannot be."""
    package = type(native).__module__.partition(".")[0]
    try:
        if package == "lightgbm":
            boosted, classifies = lightgbm.read_booster(native), lightgbm.objective(native) in lightgbm.CLASSIFIERS
            names = None if native.feature_name()[0] == "Column_0" else native.feature_name()
        elif package == "xgboost":
            boosted, classifies = xgboost.read_booster(native), xgboost.objective(native) in xgboost.CLASSIFIERS
            names = native.feature_names
        else:
            found = catboost.content(native)
            boosted, classifies = catboost.read_model(native), catboost.objective(found) in catboost.CLASSIFIERS
            names = None if native.feature_names_ == [str(n) for n in range(boosted.width)] else native.feature_names_
            classes = _own_classes(native, classes) if classifies else None
    except NotImplementedError as error:
        reason, _, remedy = str(error).partition("; ")
        raise ProjectError(
            f"the {package} model cannot be brought: {reason}\nremedy: {remedy or 'train it anew'}"
        ) from error
    if task is not None and classifies != (task is Task.CLASSIFICATION):
        raise ProjectError(
            f"the model was trained for a {'classification' if classifies else 'regression'}, not for a {task.value}\n"
            "remedy: state the task that it was trained for"
        )
    if not classifies:
        return Booster(native, boosted, names)
    count = max(2, len(boosted.base))
    if classes is not None and len(classes) != count:
        raise ProjectError(
            f"the model knows {count} classes, and {len(classes)} were named\nremedy: name {count}, in its order"
        )
    return BoosterClassifier(native, boosted, names, classes if classes is not None else tuple(range(count)))


def _own_classes(native: Any, classes: Sequence[ClassLabel] | None) -> Sequence[ClassLabel]:
    """Return the classes of a classifier of CatBoost: its own names, or `classes` where its own are but places."""
    own: list[ClassLabel] = np.asarray(native.classes_).tolist()
    told = classes is not None and list(map(str, classes)) == list(map(str, own))
    return classes if classes is not None and (told or own == list(range(len(own)))) else own


def _load_lightgbm(module: Any, path: Path) -> Any:
    text = path.read_text(encoding="utf-8")
    check_whole(text)
    # The settings that follow the trees decide nothing any more, and a damaged one ends the process.
    trees = text.partition("\nend of trees")[0] + "\nend of trees\n"
    categories = [line for line in text.splitlines() if line.startswith("pandas_categorical:")]
    return module.Booster(model_str="\n".join([trees, *categories[-1:], ""]))


_TO_JSON = (
    "import sys, xgboost; found = xgboost.Booster(); found.load_model(bytearray(sys.stdin.buffer.read())); "
    "sys.stdout.buffer.write(found.save_raw('json'))"
)


def _load_xgboost(module: Any, path: Path) -> Any:
    content = path.read_bytes()
    if not content.lstrip().startswith((b'{"', b"{ ", b"{\n", b"{\r")):
        # XGBoost ends the process over damaged binary JSON, so another process makes text of it first.
        done = subprocess.run([sys.executable, "-P", "-c", _TO_JSON], input=content, capture_output=True, check=False)
        if done.returncode != 0:
            raise ValueError(done.stderr.decode("utf-8", "replace").partition("XGBoostError: ")[2] or "it breaks off")
        content = done.stdout
    booster = module.Booster()
    booster.load_model(bytearray(content))
    best = booster.attr("best_iteration")
    # Saved by scikit-learn's wrapper, it predicts with the trees up to the best round; saved bare, with all.
    return booster[: int(best) + 1] if best is not None and booster.attr("scikit_learn") is not None else booster


def _load_catboost(module: Any, path: Path) -> Any:
    model = module.CatBoost().load_model(str(path))
    classifies = catboost.objective(catboost.content(model)) in catboost.CLASSIFIERS
    return (module.CatBoostClassifier() if classifies else module.CatBoostRegressor()).load_model(str(path))
