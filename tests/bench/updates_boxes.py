"""The releases of the simulation: tiny signed bundles of one model, two numbers in, a class out."""

from functools import cache
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from onnx import TensorProto, helper, numpy_helper

from hakobu_runtime.bundle import Bundle, open_bundle, pack_files
from hakobu_runtime.format.background import Background
from hakobu_runtime.format.codec import encode
from hakobu_runtime.format.feature import Baseline, Feature, Kind, Missing, Policy, Range
from hakobu_runtime.format.golden import Golden, Tolerance
from hakobu_runtime.format.histogram import CategoryBins, NumberBins
from hakobu_runtime.format.manifest import Classification, Dtype, Manifest, Provenance, Tensors
from hakobu_runtime.format.validation import Gate, Outcome, Stage, Validation
from hakobu_runtime.trust import Keyring, Pin, PrivateKey, sign

MODEL = "pumps"


def key_of(seed: int) -> PrivateKey:
    """Return a key that is the same for the same seed: good for a simulation, and for nothing else."""
    key = ec.derive_private_key(1 + seed, ec.SECP256R1())
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return PrivateKey.from_pem(key.private_bytes(*form), None, "a key of the simulation")


def make_box(folder: Path, version: str, key: PrivateKey) -> Bundle:
    """Write the bundle of one version, signed with `key`, and return it opened."""
    files = {**_files(), "manifest.json": encode(_manifest(version)), "MODEL_CARD.md": f"# {version}\n".encode()}
    path = folder / f"{MODEL}-{version}.hako"
    path.write_bytes(pack_files({**files, "model.sig": sign(files, key)}))
    return open_bundle(path, Keyring((Pin(key.public),)))


@cache
def _files() -> dict[str, bytes]:
    """Return what all versions have in common."""
    heat, load = (3.0, 1.0, 4.0), (1.0, 3.0, 0.0)
    odds = [float(1 / (1 + np.exp(b - a))) for a, b in zip(heat, load, strict=True)]
    rows = tuple((1 - one, one) for one in odds)
    golden = Golden("hakobu.golden/1", {"heat": heat, "load": load}, (1, 0, 1), rows, ("ok",) * 3, Tolerance())
    gate = Gate(Stage.MODEL, "auc", "auc >= 0.7", "0.80", "0.70", Outcome.PASSED)
    return {
        "model.onnx": _onnx(),
        "background.json": encode(Background("hakobu.background/1", {"heat": (2.0, 4.0), "load": (1.0, 3.0)})),
        "golden.json": encode(golden),
        "validation.json": encode(Validation("hakobu.validation/1", (gate,))),
        "sbom.cdx.json": b'{"bomFormat": "CycloneDX", "specVersion": "1.6"}\n',
    }


def _manifest(version: str) -> Manifest:
    return Manifest(
        schema="hakobu.manifest/1",
        name=MODEL,
        version=version,
        min_runtime="0.1.0",
        target="broke",
        dtype=Dtype.FLOAT32,
        tensors=Tensors("numbers", None, label="label", probabilities="probabilities"),
        features=(_feature("heat"), _feature("load")),
        outputs=Classification((0, 1), Baseline(CategoryBins(("0", "1")), (5, 5, 0, 0))),
        provenance=Provenance("0" * 64, "1" * 64, 10, 5, 0, "3.11.0", {"numpy": "2.0.0"}),
    )


def _feature(name: str) -> Feature:
    baseline = Baseline(NumberBins((0.0, 2.0, 4.0)), (0, 5, 5, 0, 0, 0))
    return Feature(
        name=name,
        kind=Kind.NUMBER,
        column=name,
        policy=Policy.WARN,
        missing=Missing.UNEXPECTED,
        baseline=baseline,
        range=Range(0.0, 4.0),
    )


def _onnx() -> bytes:
    """Return a model: the probability of 1 is sigmoid(heat - load)."""
    nodes = [
        helper.make_node("MatMul", ["numbers", "weights"], ["odds"]),
        helper.make_node("Sigmoid", ["odds"], ["probabilities"]),
        helper.make_node("ArgMax", ["probabilities"], ["label"], axis=1, keepdims=0),
    ]
    weights = numpy_helper.from_array(np.array([[-1, 1], [1, -1]], dtype=np.float32), "weights")
    inputs = [helper.make_tensor_value_info("numbers", TensorProto.FLOAT, [None, 2])]
    outputs = [
        helper.make_tensor_value_info("label", TensorProto.INT64, [None]),
        helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2]),
    ]
    graph = helper.make_graph(nodes, MODEL, inputs, outputs, [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    content: bytes = model.SerializeToString()
    return content
