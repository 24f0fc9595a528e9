"""A key, and a tiny box that it signed: two numbers in, a class and its probabilities out."""

import os
import signal
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from onnx import TensorProto, helper, numpy_helper

from hakobu_runtime.bundle import Bundle, open_bundle, pack_files
from hakobu_runtime.format.background import Background
from hakobu_runtime.format.codec import decode, encode
from hakobu_runtime.format.feature import Baseline, Feature, Kind, Missing, Policy, Range
from hakobu_runtime.format.follow import Follow
from hakobu_runtime.format.golden import Golden, Tolerance
from hakobu_runtime.format.histogram import CategoryBins, NumberBins
from hakobu_runtime.format.manifest import Classification, Dtype, Manifest, Metric, Provenance, Tensors
from hakobu_runtime.format.validation import Gate, Outcome, Stage, Validation
from hakobu_runtime.trust import Keyring, Pin, PrivateKey, sign

# Two test processes share two cores: the threads of boosted trees would only wait for each other. scikit-learn, and the
# commands that the tests run, heed this when they start.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# No test asserts a time: a busy machine is no fault of the code.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

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
            "background.json": encode(Background("hakobu.background/1", {"load": (1.0, 3.0), "temp": (2.0, 4.0)})),
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


class Publisher:
    """A depot with its keys, and releases of the tiny model to publish in it."""

    def __init__(self, folder: Path, files: Mapping[str, bytes], manifest: Manifest, key: PrivateKey) -> None:
        from hakobu.depot.create import Plan, create
        from hakobu.depot.keychain import Keychain

        self.path = folder / "depot"
        self.key = key
        self.now = datetime(2026, 11, 21, 9, tzinfo=UTC)
        self.channel = "stable"
        self._folder, self._files, self._manifest = folder, files, manifest
        self.keychain = Keychain((folder / "depot-keys",), lambda path: None, lambda: None)
        (folder / "depot-keys").mkdir(parents=True, exist_ok=True)
        create(self.path, self.keychain, Plan(), self.now)

    def box(self, version: str, *, signed: PrivateKey | None = None, **changed: bytes) -> Path:
        """A release of the tiny model; `changed` are files of it that are others, with _ for the point."""
        files = {**self._files, "manifest.json": self._encoded(version)}
        files |= {name.replace("_", "."): content for name, content in changed.items()}
        path = self._folder / f"tiny-{version}.hako"
        path.write_bytes(pack_files({**files, "model.sig": sign(files, signed or self.key)}))
        return path

    def strict(self, version: str) -> Path:
        """A release that rejects every row out of the range, where the others warn."""
        return self.box(version, manifest_json=self._encoded(version, policy=Policy.REJECT))

    def spoilt(self, version: str) -> Path:
        """A release whose golden rows no machine confirms."""
        golden = decode(self._files["golden.json"], Golden, "golden.json")
        odds = tuple(None if row is None else (row[0] + 0.01, row[1] - 0.01) for row in golden.probabilities)
        return self.box(version, golden_json=encode(msgspec.structs.replace(golden, probabilities=odds)))

    def publish(self, file: Path, **how: Any) -> str:
        """Publish a release; return its digest."""
        from hakobu.depot.publish import Order, publish

        bundle = open_bundle(file, Keyring((Pin(self.key.public),)))
        return publish(self.path, bundle, Order(self.channel, **how), self.keychain, self.now).release.digest

    def revoke(self, version: str, reason: str) -> None:
        from hakobu.depot.steer import revoke

        revoke(self.path, "tiny", version, reason, self.keychain, self.now)

    def refresh(self) -> None:
        from hakobu.depot.renew import refresh

        refresh(self.path, self.keychain, self.now)

    def follow(self, address: str | None = None, **changed: Any) -> Follow:
        """What a device is given to follow this depot."""
        root = (self.path / "metadata" / "1.root.json").read_text()
        address = str(self.path) if address is None else address
        follow = Follow("hakobu.follow/1", "tiny", self.channel, root, self.now.isoformat(), address)
        return msgspec.structs.replace(follow, **changed)

    def _encoded(self, version: str, **feature: Any) -> bytes:
        features = tuple(msgspec.structs.replace(one, **feature) for one in self._manifest.features)
        return encode(msgspec.structs.replace(self._manifest, version=version, features=features))


@pytest.fixture
def in_memory(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where the system has one: what SIGKILL leaves is the same there, and no disk is waited for."""
    memory = Path("/dev/shm")  # noqa: S108 - the folder in it has a name that nobody can guess
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with TemporaryDirectory(prefix="hakobu-test-", dir=memory) as name:
        yield Path(name)


@pytest.fixture
def publisher(
    in_memory: Path, tiny_files: Mapping[str, bytes], tiny_manifest: Manifest, release_key: PrivateKey
) -> Publisher:
    """A depot that nothing is published in yet."""
    return Publisher(in_memory / "publisher", tiny_files, tiny_manifest, release_key)
