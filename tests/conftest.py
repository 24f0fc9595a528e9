"""A key, and a tiny box that it signed: two numbers in, a class and its probabilities out."""

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from hakobu_runtime.bundle import Bundle, open_bundle, pack_files
from hakobu_runtime.format.codec import encode
from hakobu_runtime.format.feature import Baseline, Feature, Kind, Missing, Policy, Range
from hakobu_runtime.format.golden import Golden, Tolerance
from hakobu_runtime.format.histogram import CategoryBins, NumberBins
from hakobu_runtime.format.manifest import Classification, Dtype, Manifest, Metric, Provenance, Tensors
from hakobu_runtime.format.validation import Gate, Outcome, Stage, Validation
from hakobu_runtime.trust import Keyring, Pin, PrivateKey, sign

# Two test processes share two cores: the threads of boosted trees would only wait for each other. scikit-learn, and the
# commands that the tests run, heed this when they start.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A job that a shell runs in the background ignores Ctrl-C, one under nohup ignores SIGHUP, and so would every command
# that the tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session")
def release_key() -> PrivateKey:
    return PrivateKey.generate()


@pytest.fixture(scope="session")
def keyring(release_key: PrivateKey) -> Keyring:
    return Keyring((Pin(release_key.public),))


def _model() -> bytes:
    """probability of "yes" = sigmoid(temp - load)."""
    weights = np.array([[-1, 1], [1, -1]], dtype=np.float32)
    nodes = [
        helper.make_node("MatMul", ["numbers", "weights"], ["odds"]),
        helper.make_node("Sigmoid", ["odds"], ["probabilities"]),
        helper.make_node("ArgMax", ["probabilities"], ["label"], axis=1, keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("numbers", TensorProto.FLOAT, [None, 2])],
        [
            helper.make_tensor_value_info("label", TensorProto.INT64, [None]),
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2]),
        ],
        [numpy_helper.from_array(weights, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    content: bytes = model.SerializeToString()
    return content


def _feature(name: str) -> Feature:
    return Feature(
        name=name,
        kind=Kind.NUMBER,
        column=name,
        policy=Policy.WARN,
        missing=Missing.UNEXPECTED,
        baseline=Baseline(NumberBins((0.0, 2.0, 4.0)), (0, 5, 5, 0, 0, 0)),
        range=Range(0.0, 4.0),
    )


@pytest.fixture(scope="session")
def tiny_manifest() -> Manifest:
    labels = Baseline(CategoryBins(("0", "1")), (5, 5, 0, 0))
    return Manifest(
        schema="hakobu.manifest/1",
        name="tiny",
        version="1.0.0",
        min_runtime="0.1.0",
        target="late",
        dtype=Dtype.FLOAT32,
        tensors=Tensors("numbers", None, label="label", probabilities="probabilities"),
        features=(_feature("temp"), _feature("load")),
        outputs=Classification((0, 1), labels),
        provenance=Provenance("0" * 64, "1" * 64, 10, 5, 0, "3.11.0", {"numpy": "2.0.0"}),
        metrics={"auc": Metric(0.9, 0.8)},
    )


@pytest.fixture(scope="session")
def tiny_files(tiny_manifest: Manifest) -> Mapping[str, bytes]:
    """All the files of the tiny box but the signature."""
    temp, load = (3.0, 1.0, 4.0), (1.0, 3.0, 0.0)
    ones = [float(1 / (1 + np.exp(b - a))) for a, b in zip(temp, load, strict=True)]
    golden = Golden(
        "hakobu.golden/1",
        {"temp": temp, "load": load},
        (1, 0, 1),
        tuple((1 - one, one) for one in ones),
        ("ok", "ok", "ok"),
        Tolerance(),
    )
    gate = Gate(Stage.MODEL, "auc", "auc >= 0.7", "0.80", "0.70", Outcome.PASSED)
    return MappingProxyType(
        {
            "manifest.json": encode(tiny_manifest),
            "model.onnx": _model(),
            "golden.json": encode(golden),
            "validation.json": encode(Validation("hakobu.validation/1", (gate,))),
            "MODEL_CARD.md": b"---\nlicense: mit\n---\n# tiny\n",
            "sbom.cdx.json": b'{"bomFormat": "CycloneDX", "specVersion": "1.6"}\n',
        }
    )


@pytest.fixture(scope="session")
def tiny_box_bytes(tiny_files: Mapping[str, bytes], release_key: PrivateKey) -> bytes:
    return pack_files({**tiny_files, "model.sig": sign(tiny_files, release_key)})


@pytest.fixture
def tiny_box(tmp_path: Path, tiny_box_bytes: bytes) -> Path:
    path = tmp_path / "tiny-1.0.0.hako"
    path.write_bytes(tiny_box_bytes)
    return path


TRAINING = """\
[model]
name = "machines"
version = "1.2.3"
task = "classification"

[data]
path = "data.csv"
target = "broke"
time = "when"
id = ["id"]

[features.load]
kind = "number"
unit = "kg"

[features.shifts]
kind = "integer"
policy = "clip"

[features.hot]
kind = "boolean"

[features.line]
kind = "category"
policy = "reject"

[features.maker]
kind = "category"

[features.when]
kind = "date"
parts = ["hour"]
"""

PIPELINE = """\
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder


def build():
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    encode = ColumnTransformer([("text", codes, make_column_selector(dtype_include=object))], remainder="passthrough")
    trees = HistGradientBoostingClassifier(max_iter=20, max_leaf_nodes=7, min_samples_leaf=20, random_state=0)
    return make_pipeline(encode, trees)
"""


def _training_table(rows: int) -> str:
    """1,200 hours of three lines: a table with gaps, whose target follows load, line and heat, with noise."""
    rng = np.random.default_rng(3)
    lines = ["id,when,load,shifts,hot,line,maker,broke"]
    for row in range(rows):
        load, shifts, hot, line = rng.normal(50, 10), rng.integers(0, 4), rng.random() < 0.3, "ABC"[rng.integers(3)]
        odds = 1 / (1 + np.exp(-(load - 50) / 4 - 2 * hot + (line == "B")))
        when = np.datetime64("2026-01-01T00", "h") + row
        shown = "" if row % 9 == 0 else f"{load:.2f}"
        maker = "" if row % 11 == 0 else f"maker {rng.integers(4)}"
        broke = "yes" if rng.random() < odds else "no"
        lines.append(f"{row:05d},{when}:00,{shown},{shifts},{str(hot).lower()},{line},{maker},{broke}")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that passes its gates, with every kind of feature; copy it before changing it."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "hakobu.toml").write_text(TRAINING)
    (folder / "pipeline.py").write_text(PIPELINE)
    (folder / "data.csv").write_text(_training_table(1200))
    return folder


@pytest.fixture(scope="session")
def machines_box(project: Path, release_key: PrivateKey) -> Path:
    """The bundle of that project."""
    from hakobu.pack.build import build
    from hakobu.project import read_project

    built = build(read_project(project), release_key)
    assert built.path is not None, [gate for gate in built.gates if gate.outcome is Outcome.FAILED]
    return built.path


@pytest.fixture
def machines(machines_box: Path, keyring: Keyring) -> Bundle:
    return open_bundle(machines_box, keyring)
