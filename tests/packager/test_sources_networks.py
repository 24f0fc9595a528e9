"""Networks of PyTorch, Keras and TensorFlow give in ONNX what their libraries give."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from hakobu.export.convert import export
from hakobu.settings import Task
from hakobu.sources.ending import Scores, odds_of, probe, scores_of
from hakobu.sources.read import read_model
from hakobu_runtime.errors import InputError, ProjectError
from hakobu_runtime.format.feature import Input, Kind
from hakobu_runtime.format.manifest import Dtype
from hakobu_runtime.format.onnx import check_model
from hakobu_runtime.model import Model

X = np.random.default_rng(0).normal(size=(100, 3)).astype(np.float32)
FRAME = pd.DataFrame(X, columns=list("abc"))
INPUTS = [Input(name=name, column=name, kind=Kind.NUMBER) for name in "abc"]

LASTS: dict[str, tuple[int, str, dict[str, Any]]] = {
    "value": (1, "", {"task": Task.REGRESSION}),
    "logits": (3, "", {"classes": ["a", "b", "c"]}),
    "softmax": (3, "softmax", {"classes": ["a", "b", "c"]}),
    "log_softmax": (3, "log_softmax", {"classes": [1, 2, 3]}),
    "sigmoid": (1, "sigmoid", {"classes": ["no", "yes"]}),
    "logit": (1, "", {"classes": [False, True]}),
}


def assert_agrees(source: Any, raw: NDArray[Any], last: str) -> bytes:
    """Hold the exported model, and the source, against the numbers `raw` that the library gave."""
    classifies = hasattr(source, "classes_")
    classes = source.classes_.tolist() if classifies else []
    content = b""
    for dtype in Dtype:
        exported = export(source, INPUTS, classifies, dtype)
        content = exported.model
        check_model(content)
        assert exported == export(source, INPUTS, classifies, dtype)
        found = Model(content, exported.tensors, classes).predict(
            X.astype(dtype.value), np.empty((100, 0), dtype=object)
        )
        if not classifies:
            np.testing.assert_allclose(np.asarray(found.values), raw[:, 0], atol=1e-5)
            np.testing.assert_allclose(source.predict(FRAME), raw[:, 0], atol=1e-6)
            continue
        kind = {"softmax": Scores.ODDS, "sigmoid": Scores.ODDS, "log_softmax": Scores.LOG_ODDS}.get(last, Scores.LOGITS)
        odds = odds_of(raw, kind)
        np.testing.assert_allclose(np.asarray(found.probabilities), odds, atol=1e-5)
        np.testing.assert_allclose(source.predict_proba(FRAME), odds, atol=1e-5)
        assert found.codes is not None
        assert np.array_equal(found.codes, odds.argmax(axis=1))
        assert source.predict(FRAME).tolist() == [classes[code] for code in found.codes]
    for trace in (b".py", b"site-packages", b"/home", b"/tmp", b"/root"):
        assert trace not in content
    return content


def test_scores_are_told_from_probabilities() -> None:
    values = probe(3).astype(np.float64)
    odds = odds_of(values, Scores.LOGITS)
    assert scores_of(values) is Scores.LOGITS
    assert scores_of(odds) is Scores.ODDS
    with np.errstate(divide="ignore"):
        assert scores_of(np.log(odds + 1e-300)) is Scores.LOG_ODDS
    assert scores_of(odds[:, :1]) is Scores.ODDS
    assert scores_of(values[:, :1]) is Scores.LOGITS


class TestTorch:
    @pytest.fixture
    def torch(self) -> Any:
        pytest.importorskip("onnxscript", reason="needs hakobu[torch]")
        return pytest.importorskip("torch", reason="needs hakobu[torch]")

    def module(self, torch: Any, name: str) -> Any:
        torch.manual_seed(0)
        count, last, _ = LASTS[name]
        nn = torch.nn
        ends = {"softmax": nn.Softmax(1), "log_softmax": nn.LogSoftmax(1), "sigmoid": nn.Sigmoid()}
        layers = [nn.Linear(3, 8), nn.ReLU(), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, count)]
        return nn.Sequential(*layers, *([ends[last]] if last else [])).eval()

    def raw(self, torch: Any, module: Any) -> NDArray[Any]:
        with torch.no_grad():
            return np.asarray(module(torch.from_numpy(X)).numpy())

    def program(self, torch: Any, module: Any, path: Path, **settings: Any) -> Path:
        settings = settings or {"dynamic_shapes": ({0: torch.export.Dim.DYNAMIC},)}
        torch.export.save(torch.export.export(module, (torch.zeros(2, 3),), **settings), str(path))
        return path

    @pytest.mark.parametrize("name", LASTS)
    def test_an_exported_program_travels(self, torch: Any, name: str, tmp_path: Path) -> None:
        module = self.module(torch, name)
        path = self.program(torch, module, tmp_path / "m.pt2")
        source = read_model(path, trust_pickle=True, **LASTS[name][2])
        assert source.width == 3
        assert_agrees(source, self.raw(torch, module), LASTS[name][1])

    @pytest.mark.parametrize("name", ["value", "logits"])
    def test_a_module_travels(self, torch: Any, name: str, tmp_path: Path) -> None:
        module = self.module(torch, name)
        torch.save(module, tmp_path / "m.pt")
        torch.jit.script(module).save(str(tmp_path / "script.pt"))
        (tmp_path / "m.pkl").write_bytes(pickle.dumps(module))
        for file in ("m.pt", "script.pt", "m.pkl"):
            source = read_model(tmp_path / file, trust_pickle=True, **LASTS[name][2])
            assert_agrees(source, self.raw(torch, module), LASTS[name][1])

    def test_files_are_refused_in_words(self, torch: Any, tmp_path: Path) -> None:
        module = self.module(torch, "logits")
        path = self.program(torch, module, tmp_path / "m.pt2")
        with pytest.raises(InputError, match="--trust-pickle"):
            read_model(path)
        (tmp_path / "half.pt2").write_bytes(path.read_bytes()[:2000])
        with pytest.raises(InputError, match="damaged"):
            read_model(tmp_path / "half.pt2", trust_pickle=True)
        fixed = self.program(torch, module, tmp_path / "fixed.pt2", strict=False)
        with pytest.raises(ProjectError, match="reads 2 rows at a time"):
            read_model(fixed, trust_pickle=True)
        torch.save(module.state_dict(), tmp_path / "weights.pt")
        with pytest.raises(ProjectError, match="weights without a model"):
            read_model(tmp_path / "weights.pt", trust_pickle=True)
        with pytest.raises(ProjectError, match="gives 3 numbers a row, and 2 classes were named"):
            read_model(path, trust_pickle=True, classes=["a", "b"])


class TestTensorflow:
    @pytest.fixture
    def keras(self) -> Any:
        pytest.importorskip("tf2onnx", reason="needs hakobu[keras] or hakobu[tensorflow]")
        pytest.importorskip("tensorflow", reason="needs hakobu[keras] or hakobu[tensorflow]")
        return pytest.importorskip("keras", reason="needs hakobu[keras]")

    def model(self, keras: Any, name: str) -> Any:
        keras.utils.set_random_seed(0)
        count, last, _ = LASTS[name]
        layers, seen = keras.layers, keras.layers.Normalization()
        seen.adapt(X)
        dense = [layers.Dense(8, activation="relu"), layers.BatchNormalization(), layers.Dropout(0.5)]
        return keras.Sequential([layers.Input((3,)), seen, *dense, layers.Dense(count, activation=last or None)])

    @pytest.mark.parametrize("name", LASTS)
    def test_a_keras_model_travels(self, keras: Any, name: str, tmp_path: Path) -> None:
        model = self.model(keras, name)
        model.save(tmp_path / "m.keras")
        source = read_model(tmp_path / "m.keras", **LASTS[name][2])
        assert_agrees(source, np.asarray(model(X, training=False)), LASTS[name][1])

    def test_hdf5_and_a_folder_hold_the_same_model(self, keras: Any, tmp_path: Path) -> None:
        model = self.model(keras, "softmax")
        model.save(tmp_path / "m.h5")
        model.export(str(tmp_path / "saved"), format="tf_saved_model", verbose=False)
        for file in ("m.h5", "saved"):
            source = read_model(tmp_path / file, classes=["a", "b", "c"])
            assert_agrees(source, np.asarray(model(X, training=False)), "softmax")

    def test_files_are_refused_in_words(self, keras: Any, tmp_path: Path) -> None:
        code = keras.Sequential([keras.layers.Input((3,)), keras.layers.Lambda(lambda x: x * 2)])
        code.save(tmp_path / "code.keras")
        with pytest.raises(InputError, match="Keras cannot load it"):
            read_model(tmp_path / "code.keras")
        self.model(keras, "value").save(tmp_path / "m.h5")
        (tmp_path / "half.h5").write_bytes((tmp_path / "m.h5").read_bytes()[:2000])
        with pytest.raises(InputError, match="Keras cannot load it"):
            read_model(tmp_path / "half.h5")
        (tmp_path / "saved_model.pb").write_bytes(b"junk")
        with pytest.raises(InputError, match="TensorFlow cannot load it"):
            read_model(tmp_path)
