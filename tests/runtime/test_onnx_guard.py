import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, load_from_string, numpy_helper

from hakobu_runtime.errors import FormatError
from hakobu_runtime.format.fit import check_fit
from hakobu_runtime.format.manifest import Manifest
from hakobu_runtime.format.onnx import MAX_NODES, Tensor, check_model
from hakobu_runtime.format.wire import Field, Wire, int64s

FLOAT = TensorProto.FLOAT


def built(
    nodes: Sequence[Any], constants: Mapping[str, Any] | None = None, opsets: Mapping[str, int] | None = None
) -> Any:
    """A model of x (n, 2) to y."""
    initializers = [numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", FLOAT, ["n", 2])],
        [helper.make_tensor_value_info("y", FLOAT, ["n", None])],
        initializers,
    )
    imports = [helper.make_opsetid(domain, version) for domain, version in (opsets or {"": 21}).items()]
    return helper.make_model(graph, opset_imports=imports, ir_version=10)


def relu() -> Any:
    return built([helper.make_node("Relu", ["x"], ["y"])])


def refusal(model: Any) -> str:
    with pytest.raises(FormatError) as caught:
        check_model(model if isinstance(model, bytes) else model.SerializeToString())
    assert str(caught.value).startswith("model.onnx: ")
    return str(caught.value)


def test_a_summary_says_what_a_model_takes_and_gives(tiny_files: Mapping[str, bytes]) -> None:
    summary = check_model(tiny_files["model.onnx"])
    assert summary.inputs == (Tensor("numbers", "float32", (None, 2)),)
    assert summary.outputs == (Tensor("label", "int64", (None,)), Tensor("probabilities", "float32", (None, 2)))
    assert summary.opsets == {"ai.onnx": 21}
    assert (summary.nodes, summary.ir_version) == (3, 10)
    assert summary.operators == {"MatMul", "Sigmoid", "ArgMax"}


def test_an_input_with_a_fixed_value_is_no_input() -> None:
    model = built([helper.make_node("Add", ["x", "w"], ["y"])], {"w": np.ones(2, np.float32)})
    model.graph.input.append(helper.make_tensor_value_info("w", FLOAT, [2]))
    assert [tensor.name for tensor in check_model(model.SerializeToString()).inputs] == ["x"]


@given(st.binary(max_size=100))
def test_rubbish_is_a_format_error(content: bytes) -> None:
    refusal(content)


@settings(max_examples=400, deadline=None)
@given(where=st.integers(0), change=st.integers(1, 255))
def test_a_damaged_model_passes_or_is_a_format_error(tiny_files: Mapping[str, bytes], where: int, change: int) -> None:
    content = bytearray(tiny_files["model.onnx"])
    content[where % len(content)] ^= change
    with suppress(FormatError):
        check_model(bytes(content))


def test_a_model_cut_short_anywhere_is_refused(tiny_files: Mapping[str, bytes]) -> None:
    content = tiny_files["model.onnx"]
    for size in range(len(content)):
        refusal(content[:size])


def external(tensor: Any) -> Any:
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights.bin")
    return tensor


def external_initializer() -> Any:
    model = built([helper.make_node("Add", ["x", "w"], ["y"])], {"w": np.ones(2, np.float32)})
    external(model.graph.initializer[0])
    return model


def located_outside_without_a_file() -> Any:
    model = built([helper.make_node("Add", ["x", "w"], ["y"])], {"w": np.ones(2, np.float32)})
    model.graph.initializer[0].data_location = TensorProto.EXTERNAL
    return model


def external_attribute() -> Any:
    tensor = external(numpy_helper.from_array(np.ones(2, np.float32)))
    return built([helper.make_node("Constant", [], ["c"], value=tensor), helper.make_node("Add", ["x", "c"], ["y"])])


def external_in_a_list() -> Any:
    model = relu()
    attribute = model.graph.node[0].attribute.add(name="many", type=9)
    attribute.tensors.append(external(numpy_helper.from_array(np.ones(2, np.float32))))
    return model


def sparse_initializer() -> Any:
    model = relu()
    model.graph.sparse_initializer.add().dims.append(2)
    return model


def sparse_attribute() -> Any:
    model = relu()
    model.graph.node[0].attribute.add(name="s", type=11).sparse_tensor.dims.append(2)
    return model


def function() -> Any:
    model = relu()
    model.functions.add(name="f", domain="here")
    return model


def training() -> Any:
    model = relu()
    model.training_info.add().algorithm.name = "t"
    return model


def with_body(operator: str) -> Any:
    body = helper.make_graph([], "body", [], [])
    name = {"If": "then_branch"}.get(operator, "body")
    return built([helper.make_node(operator, ["x"], ["y"], **{name: body})])


def hidden_body() -> Any:
    return built([helper.make_node("Relu", ["x"], ["y"], body=helper.make_graph([], "body", [], []))])


def hidden_bodies() -> Any:
    return built([helper.make_node("Relu", ["x"], ["y"], bodies=[helper.make_graph([], "body", [], [])])])


def of_domain(domain: str, operator: str = "Relu") -> Any:
    return built([helper.make_node(operator, ["x"], ["y"], domain=domain)], opsets={"": 21, domain: 1})


def without_its_opset() -> Any:
    return built([helper.make_node("Scaler", ["x"], ["y"], domain="ai.onnx.ml")])


def two_opsets() -> Any:
    model = relu()
    model.opset_import.append(helper.make_opsetid("ai.onnx", 9))
    return model


def map_output() -> Any:
    model = relu()
    kind = helper.make_map_type_proto(TensorProto.INT64, helper.make_tensor_type_proto(FLOAT, []))
    model.graph.output.append(helper.make_value_info("z", helper.make_sequence_type_proto(kind)))
    return model


def hollow_tensor() -> Any:
    model = relu()
    model.graph.initializer.append(TensorProto(name="w", data_type=FLOAT, dims=[2**20, 2**20]))
    return model


def two_constants_of_one_name() -> Any:
    model = relu()
    for value in (1, 2**40):
        model.graph.initializer.append(numpy_helper.from_array(np.array([value]), "size"))
    return model


def two_values() -> Any:
    model = built([helper.make_node("Constant", [], ["c"], value_int=1), helper.make_node("Relu", ["x"], ["y"])])
    model.graph.node[0].attribute[0].t.CopyFrom(numpy_helper.from_array(np.array([2**40])))
    return model


REFUSED = {
    "external initializer": (external_initializer, "external data"),
    "external location": (located_outside_without_a_file, "external data"),
    "external attribute": (external_attribute, "external data"),
    "external tensors": (external_in_a_list, "external data"),
    "sparse initializer": (sparse_initializer, "sparse tensors"),
    "sparse attribute": (sparse_attribute, "sparse tensors"),
    "function": (function, "defines functions"),
    "training": (training, "training information"),
    "Loop": (lambda: with_body("Loop"), "'Loop' of ai.onnx is not allowed: it can run without end"),
    "Scan": (lambda: with_body("Scan"), "'Scan' of ai.onnx is not allowed: it can run without end"),
    "If": (lambda: with_body("If"), "'If' of ai.onnx is not allowed: it holds a graph"),
    "hidden body": (hidden_body, "a graph within the graph"),
    "hidden bodies": (hidden_bodies, "a graph within the graph"),
    "random": (lambda: built([helper.make_node("RandomNormalLike", ["x"], ["y"])]), "not on the list"),
    "custom domain": (lambda: of_domain("com.evil"), "operator domain 'com.evil', which is not allowed"),
    "unlisted Microsoft": (lambda: of_domain("com.microsoft", "Inverse"), "'Inverse' of com.microsoft is not allowed"),
    "no opset": (without_its_opset, "names no opset of it"),
    "two opsets": (two_opsets, "two opsets of ai.onnx: 21 and 9"),
    "opset 24": (lambda: built([], opsets={"": 24}), "opset 24 of ai.onnx; known are 1 to 23"),
    "opset 0": (lambda: built([], opsets={"": 0}), "opset 0 of ai.onnx"),
    "opset -1": (lambda: built([], opsets={"": -1}), "opset -1 of ai.onnx"),
    "learned opset 6": (lambda: built([], opsets={"": 21, "ai.onnx.ml": 6}), "opset 6 of ai.onnx.ml; known are 1 to 5"),
    "map output": (map_output, "no plain tensor"),
    "hollow tensor": (hollow_tensor, "claims 1,099,511,627,776 elements"),
    "two constants": (two_constants_of_one_name, "two tensors have the name 'size'"),
    "two values": (two_values, "attribute 'value_int' has two values"),
    "empty": (lambda: b"", "has no graph"),
    "field twice": (lambda: relu().SerializeToString() + b"\x08\x0a", "field 1 of the model comes twice"),
    "unknown field": (lambda: relu().SerializeToString() + b"\xf8\x07\x01", "field 127 in form 0 of the model"),
}


@pytest.mark.parametrize(("make", "words"), REFUSED.values(), ids=REFUSED)
def test_what_may_not_run_is_refused_with_its_reason(make: Any, words: str) -> None:
    assert words in refusal(make())


def sized(operator: str, inputs: Sequence[str], constants: Mapping[str, Any], *before: Any, **attributes: Any) -> Any:
    return built([*before, helper.make_node(operator, inputs, ["y"], **attributes)], constants)


HUGE = np.array([2**20, 2**20])
BOMBS = {
    "ConstantOfShape": sized("ConstantOfShape", ["s"], {"s": HUGE}),
    "Expand": sized("Expand", ["x", "s"], {"s": HUGE}),
    "Tile": sized("Tile", ["x", "s"], {"s": HUGE}),
    "Reshape": sized("Reshape", ["x", "s"], {"s": HUGE}),
    "Pad": sized("Pad", ["x", "s"], {"s": np.array([0, 0, 2**40, 0])}),
    "Range": sized("Range", ["a", "b", "c"], {"a": np.int64(0), "b": np.int64(2**40), "c": np.int64(1)}),
    "Range by crumbs": sized(
        "Range", ["a", "b", "c"], {"a": np.float32(0), "b": np.float32(1), "c": np.float32(1e-12)}
    ),
    "OneHot": sized("OneHot", ["x", "d", "v"], {"d": np.array(2**40), "v": np.array([0, 1])}),
    "Resize": sized("Resize", ["x", "", "s"], {"s": np.array([1e6, 1e6], np.float32)}),
    "infinite scale": sized("Resize", ["x", "", "s"], {"s": np.array([np.inf, 1], np.float32)}),
    "Conv pads": sized("Conv", ["x", "w"], {"w": np.ones((1, 2, 1), np.float32)}, pads=[2**20, 2**20]),
    "constant node": sized(
        "Expand", ["x", "s"], {}, helper.make_node("Constant", [], ["s"], value_ints=[2**20, 2**20])
    ),
    "constant tensor": sized(
        "Expand", ["x", "s"], {}, helper.make_node("Constant", [], ["s"], value=numpy_helper.from_array(HUGE))
    ),
    "computed": sized("Expand", ["x", "s"], {"a": np.array([2**20])}, helper.make_node("Mul", ["a", "a"], ["s"])),
    "joined": sized(
        "Expand", ["x", "s"], {"a": np.array([2**20])}, helper.make_node("Concat", ["a", "a"], ["s"], axis=0)
    ),
    "scaled shape": sized(
        "Expand",
        ["x", "s"],
        {"a": np.array([2**40])},
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Mul", ["shape", "a"], ["s"]),
    ),
    "typed data": sized("Expand", ["x", "s"], {}),
}
BOMBS["typed data"].graph.initializer.append(helper.make_tensor("s", TensorProto.INT64, [2], HUGE.tolist()))


@pytest.mark.parametrize("model", BOMBS.values(), ids=BOMBS)
def test_a_few_bytes_cannot_ask_for_all_the_memory(model: Any) -> None:
    assert re.search("more than 268,435,456 elements|more memory than is allowed", refusal(model))


def test_a_size_taken_from_the_data_is_refused() -> None:
    model = sized("Expand", ["x", "s"], {}, helper.make_node("Cast", ["x"], ["s"], to=TensorProto.INT64))
    assert "takes the size of its output from the data" in refusal(model)


def test_a_learned_operator_cannot_ask_for_endless_columns() -> None:
    node = helper.make_node("TreeEnsembleRegressor", ["x"], ["y"], domain="ai.onnx.ml", n_targets=2**40)
    assert "more than 1,048,576 columns" in refusal(built([node], opsets={"": 21, "ai.onnx.ml": 3}))


HARMLESS = {
    "Reshape to rows": sized("Reshape", ["x", "s"], {"s": np.array([-1, 1])}),
    "Expand to a batch": sized(
        "Expand",
        ["x", "s"],
        {"zero": np.array([0]), "two": np.array([2])},
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Gather", ["shape", "zero"], ["rows"]),
        helper.make_node("Concat", ["rows", "two"], ["s"], axis=0),
    ),
    "zeros of a batch": sized("ConstantOfShape", ["s"], {}, helper.make_node("Shape", ["x"], ["s"])),
    "Resize by two": sized("Resize", ["x", "", "s"], {"s": np.array([1, 2], np.float32)}),
    "Slice to the end": sized("Slice", ["x", "a", "b"], {"a": np.array([0]), "b": np.array([2**63 - 1])}),
    "Conv": sized("Conv", ["x", "w"], {"w": np.ones((1, 2, 1), np.float32)}, pads=[1, 1], kernel_shape=[3]),
    "large weights": sized("MatMul", ["x", "w"], {"w": np.ones((2, 500), np.float32)}),
}


@pytest.mark.parametrize("model", HARMLESS.values(), ids=HARMLESS)
def test_ordinary_shapes_pass(model: Any) -> None:
    assert check_model(model.SerializeToString()).nodes == len(model.graph.node)


def test_too_many_nodes_are_refused() -> None:
    node = helper.make_node("Relu", ["x"], ["y"]).SerializeToString()
    graph = (b"\x0a" + bytes([len(node)]) + node) * (MAX_NODES + 1)
    content = b"\x42\x02\x10\x15\x3a" + varint(len(graph)) + graph
    assert "it has 200,001 nodes; at most 200,000" in refusal(content)


def varint(value: int) -> bytes:
    low = bytes([value & 0x7F | (0x80 if value > 0x7F else 0)])
    return low if value <= 0x7F else low + varint(value >> 7)


def forest(size: int, attributes: Mapping[str, Any]) -> bytes:
    node = helper.make_node("TreeEnsembleClassifier", ["x"], ["y"], domain="ai.onnx.ml")
    for name, values in attributes.items():
        node.attribute.append(helper.make_attribute(name, list(values) * size))
    content: bytes = built([node], opsets={"": 21, "ai.onnx.ml": 3}).SerializeToString()
    return content


def test_a_forest_of_many_megabytes_is_looked_through_in_an_instant() -> None:
    content = forest(
        200_000,
        {"nodes_values": [0.5, -1.0], "nodes_nodeids": [1, 70_000], "nodes_modes": ["BRANCH_LEQ", "LEAF"]},
    )
    assert len(content) > 6_000_000
    started = time.process_time()
    assert check_model(content).operators == {"TreeEnsembleClassifier"}
    assert time.process_time() - started < 1


@given(
    floats=st.lists(st.floats(width=32), max_size=5),
    ints=st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=5),
    texts=st.lists(st.text(max_size=80), min_size=1, max_size=5),
)
@settings(deadline=None)
def test_long_attributes_are_skipped_to_the_byte(floats: list[float], ints: list[int], texts: list[str]) -> None:
    attributes = {"f": [*floats, 0.0], "i": ints, "s": texts}
    assert check_model(forest(3, attributes)).nodes == 1


def refit(manifest: Manifest, content: bytes, change: Any) -> str:
    model = load_from_string(content)
    change(model.graph)
    with pytest.raises(FormatError) as caught:
        check_fit(check_model(model.SerializeToString()), manifest)
    return str(caught.value)


def test_a_model_that_fits_its_manifest_passes(tiny_manifest: Manifest, tiny_files: Mapping[str, bytes]) -> None:
    check_fit(check_model(tiny_files["model.onnx"]), tiny_manifest)


FLOATS = helper.make_tensor_type_proto
MISFITS = {
    "another input": (
        lambda graph: graph.input.append(helper.make_tensor_value_info("more", FLOAT, [None, 1])),
        "takes the inputs more, numbers, but manifest.json names numbers",
    ),
    "no input": (lambda graph: graph.ClearField("input"), "takes the inputs none"),
    "double": (
        lambda graph: graph.input[0].type.CopyFrom(FLOATS(TensorProto.DOUBLE, [None, 2])),
        "'numbers' of model.onnx is float64; by manifest.json it must be float32",
    ),
    "three columns": (lambda graph: graph.input[0].type.CopyFrom(FLOATS(FLOAT, [None, 3])), "shape n x 3"),
    "a vector": (lambda graph: graph.input[0].type.CopyFrom(FLOATS(FLOAT, [None])), "it must have 2 columns"),
    "one row": (lambda graph: graph.input[0].type.CopyFrom(FLOATS(FLOAT, [1, 2])), "takes 1 rows at a time"),
    "no label": (lambda graph: graph.output.pop(0), "also names 'label'"),
    "label of text": (
        lambda graph: graph.output[0].type.CopyFrom(FLOATS(TensorProto.STRING, [None])),
        "output 'label' of model.onnx is string; by manifest.json it must be int64",
    ),
    "three classes": (lambda graph: graph.output[1].type.CopyFrom(FLOATS(FLOAT, [None, 3])), "must have 2 columns"),
}


@pytest.mark.parametrize(("change", "words"), MISFITS.values(), ids=MISFITS)
def test_a_model_that_does_not_fit_its_manifest_is_refused(
    tiny_manifest: Manifest, tiny_files: Mapping[str, bytes], change: Any, words: str
) -> None:
    assert words in refit(tiny_manifest, tiny_files["model.onnx"], change)


def trees(**changed: Any) -> Any:
    """Two trees of TreeEnsemble: one of two questions and three leaves, one of a single leaf."""
    attributes = {
        "n_targets": 2,
        "tree_roots": [0, 2],
        "nodes_featureids": [0, 1, 0],
        "nodes_trueleafs": [0, 1, 1],
        "nodes_truenodeids": [1, 0, 3],
        "nodes_falseleafs": [1, 1, 1],
        "nodes_falsenodeids": [2, 1, 3],
        "leaf_targetids": [0, 1, 0, 1],
    } | changed
    node = helper.make_node(
        "TreeEnsemble",
        ["x"],
        ["y"],
        domain="ai.onnx.ml",
        nodes_modes=numpy_helper.from_array(np.zeros(3, np.uint8)),
        nodes_splits=numpy_helper.from_array(np.zeros(3, np.float32)),
        leaf_weights=numpy_helper.from_array(np.ones(4, np.float32)),
    )
    for name, values in attributes.items():
        if values is not None:
            node.attribute.append(helper.make_attribute(name, values, attr_type=None if values else 7))
    return built([node], opsets={"": 21, "ai.onnx.ml": 5})


def test_whole_trees_pass() -> None:
    assert check_model(trees().SerializeToString()).operators == {"TreeEnsemble"}


BROKEN_TREES = {
    "circle": ({"nodes_truenodeids": [1, 0, 3], "nodes_trueleafs": [0, 0, 1]}, "in circles: the model is"),
    "itself": ({"nodes_truenodeids": [0, 0, 3]}, "in circles: the model is"),
    "one node of two": (
        {"nodes_falseleafs": [0, 1, 1], "nodes_falsenodeids": [1, 1, 3]},
        "in circles: the model is damaged",
    ),
    "one root of two": ({"tree_roots": [0, 0]}, "in circles: the model is"),
    "node": ({"nodes_truenodeids": [3, 0, 3]}, "'nodes_truenodeids' names something that is not there"),
    "leaf": ({"nodes_falsenodeids": [4, 1, 3]}, "'nodes_falsenodeids' names something that is not there"),
    "node below": ({"nodes_truenodeids": [-1, 0, 3]}, "'nodes_truenodeids' names something"),
    "root": ({"tree_roots": [0, 3]}, "'tree_roots' names something"),
    "root below": ({"tree_roots": [-1, 2]}, "'tree_roots' names something"),
    "feature below": ({"nodes_featureids": [0, -5, 0]}, "'nodes_featureids' names something"),
    "flag": ({"nodes_trueleafs": [0, 2, 1]}, "'nodes_trueleafs' names something"),
    "target": ({"leaf_targetids": [0, 1, 0, 2]}, "'leaf_targetids' names something"),
    "no targets": ({"n_targets": None}, "'n_targets' is missing: the model is damaged; export it again"),
    "short": ({"nodes_falseleafs": [1, 1]}, "'nodes_falseleafs' has 2 numbers for 3 nodes"),
    "none": ({"nodes_falsenodeids": None}, "'nodes_falsenodeids' is missing"),
}


@pytest.mark.parametrize(("changed", "words"), BROKEN_TREES.values(), ids=BROKEN_TREES)
def test_trees_that_would_lead_astray_are_refused(changed: dict[str, Any], words: str) -> None:
    assert words in refusal(trees(**changed))


@given(st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(0, 300), max_size=20), st.booleans())
def test_whole_numbers_are_read_as_they_were_written(values: list[int], packed: bool) -> None:
    numbers = [varint(value % 2**64) for value in values]
    if packed:
        raw = b"".join(numbers)
        entry = Field(8, Wire.BYTES, 3, 3 + len(raw))
    else:
        raw = b"".join(b"\x40" + number for number in numbers)
        entry = Field(8, Wire.VARINT, 3, 3 + len(raw), is_run=True)
    assert int64s(b"abc" + raw + b"\x80", entry).tolist() == values


def test_a_whole_number_without_end_is_refused() -> None:
    for raw in (b"\x80", b"\xff" * 10 + b"\x01"):
        with pytest.raises(FormatError, match=r"cut short|has no end"):
            int64s(raw, Field(8, Wire.BYTES, 0, len(raw)))
