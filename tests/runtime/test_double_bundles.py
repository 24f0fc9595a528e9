"""A bundle that reads doubles: no number is rounded to float32 on its way from a cell to the model and the counts."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from arro3.core import Array, DataType, Table
from arro3.io import write_parquet
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from hakobu_runtime.device.output import output_columns
from hakobu_runtime.errors import BundleError
from hakobu_runtime.format.block import Form, Wanted
from hakobu_runtime.format.feature import Baseline, Kind, Policy, Range
from hakobu_runtime.format.golden import Cell, Golden, Tolerance
from hakobu_runtime.format.histogram import NumberBins
from hakobu_runtime.format.manifest import Dtype, Manifest, Regression, Tensors
from hakobu_runtime.rows.columns import block_of
from hakobu_runtime.rows.source import Layout, open_rows
from hakobu_runtime.rows.write import table_bytes
from hakobu_runtime.scorer.record import Record
from hakobu_runtime.scorer.scorer import Scorer
from hakobu_runtime.scorer.single import Single

Records = Callable[[], Any]
"""What makes a record in memory."""

EPOCH = 1_700_000_000.0
"""float32 tells only every 128th second apart here."""


def graph(nodes: list[object], inputs: list[object], outputs: list[object], constants: Mapping[str, object]) -> bytes:
    tensors = [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()]
    made = helper.make_graph(nodes, "double", inputs, outputs, tensors)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    content: bytes = model.SerializeToString()
    return content


def numbers_in(kind: int = TensorProto.DOUBLE) -> list[object]:
    return [helper.make_tensor_value_info("numbers", kind, [None, 2])]


def classifier(odds: int = TensorProto.FLOAT) -> bytes:
    """Return a model whose class 1 is temp > load, compared as doubles; its odds are 0 and 1."""
    nodes = [
        helper.make_node("Gather", ["numbers", "first"], ["temp"], axis=1),
        helper.make_node("Gather", ["numbers", "second"], ["load"], axis=1),
        helper.make_node("Greater", ["temp", "load"], ["yes"]),
        helper.make_node("Not", ["yes"], ["no"]),
        helper.make_node("Concat", ["no", "yes"], ["both"], axis=1),
        helper.make_node("Cast", ["both"], ["probabilities"], to=odds),
        helper.make_node("Cast", ["both"], ["counted"], to=TensorProto.INT64),
        helper.make_node("ArgMax", ["counted"], ["label"], axis=1, keepdims=0),
    ]
    outputs = [
        helper.make_tensor_value_info("label", TensorProto.INT64, [None]),
        helper.make_tensor_value_info("probabilities", odds, [None, 2]),
    ]
    return graph(nodes, numbers_in(), outputs, {"first": np.array([0]), "second": np.array([1])})


def regressor() -> bytes:
    """Return a model whose value is temp - load / 4, as a double."""
    nodes = [helper.make_node("MatMul", ["numbers", "weights"], ["value"])]
    outputs = [helper.make_tensor_value_info("value", TensorProto.DOUBLE, [None, 1])]
    return graph(nodes, numbers_in(), outputs, {"weights": np.array([[1.0], [-0.25]])})


@dataclass(frozen=True)
class Pair:
    """Manifests that read doubles near EPOCH."""

    classes: Manifest
    values: Manifest


@pytest.fixture(scope="module")
def manifests(tiny_manifest: Manifest) -> Pair:
    baseline = Baseline(NumberBins((EPOCH, EPOCH + 1, EPOCH + 2)), (0, 5, 5, 0, 0, 0))
    features = tuple(
        replace(feature, baseline=baseline, range=Range(EPOCH, EPOCH + 2)) for feature in tiny_manifest.features
    )
    classes = replace(tiny_manifest, dtype=Dtype.FLOAT64, features=features)
    bins = Baseline(NumberBins((EPOCH * 0.75, EPOCH * 0.75 + 1, EPOCH * 0.75 + 2)), (0, 5, 5, 0, 0, 0))
    tensors = Tensors("numbers", None, value="value")
    return Pair(classes, replace(classes, tensors=tensors, outputs=Regression(bins), metrics={}))


@pytest.fixture(scope="module")
def classes(manifests: Pair) -> Scorer:
    return Scorer(manifests.classes, classifier())


@pytest.fixture(scope="module")
def values(manifests: Pair) -> Scorer:
    return Scorer(manifests.values, regressor())


def careful(manifest: Manifest, model: bytes, record: Record | None = None) -> Scorer:
    scorer = Scorer(manifest, model, record)
    scorer._single = None
    return scorer


def test_rows_that_float32_cannot_tell_apart_get_their_own_classes(classes: Scorer) -> None:
    temp = [EPOCH + 0.25, EPOCH, np.nextafter(EPOCH + 1, 2 * EPOCH)]
    load = [EPOCH, EPOCH + 0.25, EPOCH + 1]
    scores = classes.score({"temp": temp, "load": load})
    assert scores.predictions == (1, 0, 1)
    assert scores.probabilities is not None
    assert scores.probabilities.dtype == np.float32
    assert [classes.score_one({"temp": a, "load": b}).prediction for a, b in zip(temp, load, strict=True)] == [1, 0, 1]


def test_an_ordinary_row_of_doubles_goes_the_fast_way(manifests: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    scorer = Scorer(manifests.classes, classifier())
    assert Single.fits(manifests.classes)
    monkeypatch.setattr(scorer, "score", None)
    assert scorer.score_one({"temp": EPOCH + 1.5, "load": EPOCH}).verdict == "ok"
    with pytest.raises(TypeError):
        scorer.score_one({"temp": EPOCH + 2.0000002384185791, "load": EPOCH})


odd: st.SearchStrategy[object] = st.sampled_from(
    [None, "1700000000.5", "x", True, np.float32(EPOCH), np.float64(EPOCH), float("nan"), float("inf"), 10**400, 2**60]
)
near = st.floats(EPOCH - 1, EPOCH + 3) | st.integers(int(EPOCH) - 1, int(EPOCH) + 3)


@pytest.mark.parametrize("task", ["classes", "values"])
@settings(max_examples=150, deadline=None)
@given(rows=st.lists(st.fixed_dictionaries({"temp": near | odd, "load": near | odd}), min_size=1, max_size=12))
def test_both_ways_say_and_count_the_same(
    manifests: Pair, kept: Records, task: str, rows: list[dict[str, object]]
) -> None:
    manifest, model = getattr(manifests, task), classifier() if task == "classes" else regressor()
    fast, slow = kept(), kept()
    quick, sure = Scorer(manifest, model, fast), careful(manifest, model, slow)
    for row in rows:
        assert quick.score_one(row) == sure.score_one(row)
    quick.flush()
    sure.flush()
    fast.assert_like(slow)


def test_ranges_are_compared_as_doubles_and_said_as_they_are(classes: Scorer) -> None:
    top = EPOCH + 2
    just = float(np.nextafter(top, 2 * top))
    scores = classes.score({"temp": [top, just, EPOCH, float(np.nextafter(EPOCH, 0))], "load": [EPOCH] * 4})
    assert scores.verdicts == ("ok", "warned", "ok", "warned")
    assert f"temp = {just!r} is above {top!r}" in scores.reasons[1][0]


def test_a_double_that_is_a_float32_too_is_said_in_full(manifests: Pair) -> None:
    first, second = manifests.classes.features
    baseline = Baseline(NumberBins((0.0, 64.94)), (0, 1, 0, 0, 0))
    narrow = replace(first, range=Range(0.0, 64.94), baseline=baseline)
    scorer = Scorer(replace(manifests.classes, features=(narrow, second)), classifier())
    reasons = scorer.score({"temp": [float(np.float32(64.94))], "load": [EPOCH]}).reasons
    assert "temp = 64.94000244140625 is above 64.94" in reasons[0][0]


def test_a_value_is_clipped_to_the_double_at_the_end_of_its_range(manifests: Pair) -> None:
    first, second = (replace(feature, policy=Policy.CLIP) for feature in manifests.values.features)
    scorer = Scorer(replace(manifests.values, features=(first, second)), regressor())
    scores = scorer.score({"temp": [EPOCH + 7], "load": [EPOCH - 5]})
    assert (scores.verdicts, scores.predictions) == (("clipped",), (EPOCH + 2 - EPOCH / 4,))


def test_a_number_beyond_float32_is_a_number(values: Scorer) -> None:
    score = values.score_one({"temp": 1e300, "load": EPOCH})
    assert (score.verdict, score.prediction) == ("warned", 1e300 - EPOCH / 4)


def test_values_keep_every_digit_in_memory_and_in_files(values: Scorer) -> None:
    temp, load = EPOCH + 0.123456789, EPOCH + 0.5
    expected = temp - 0.25 * load
    assert float(np.float32(expected)) != expected
    assert values.score_one({"temp": temp, "load": load}).prediction == expected
    assert values.score({"temp": [temp], "load": [load]}).predictions == (expected,)
    scored = values.score_block(block_of({"temp": [temp, None], "load": [load, load]}, values.wanted()))
    columns = output_columns(values.manifest, scored)
    csv = table_bytes(columns, Layout(format="csv"), header=False).decode().splitlines()
    lines = table_bytes(columns, Layout(format="jsonl"), header=False).decode().splitlines()
    assert float(csv[0].split(",")[1]) == json.loads(lines[0])["prediction"] == expected


def test_counts_are_taken_on_doubles(manifests: Pair, kept: Records) -> None:
    below = float(np.nextafter(EPOCH + 1, 0))
    for scorer_of in (Scorer, careful):
        record = kept()
        scorer = scorer_of(manifests.values, regressor(), record)
        for temp in (below, EPOCH + 1, EPOCH + 1.5):
            scorer.score_one({"temp": temp, "load": EPOCH})
        scorer.flush()
        assert record.today.features["temp"].tolist() == [0, 1, 2, 0, 0, 0]
        assert record.today.outputs["scores"].tolist() == [0, 1, 2, 0, 0, 0]


def test_whole_numbers_are_whole_as_doubles(manifests: Pair) -> None:
    first, second = manifests.classes.features
    whole = replace(first, kind=Kind.INTEGER)
    scorer = Scorer(replace(manifests.classes, features=(whole, second)), classifier())
    scores = scorer.score({"temp": [EPOCH + 1, EPOCH + 1.25], "load": [EPOCH, EPOCH]})
    assert scores.verdicts == ("ok", "warned")
    assert "is not a whole number" in scores.reasons[1][0]


def test_odds_that_a_model_gives_as_doubles_are_taken_as_float32(manifests: Pair) -> None:
    scorer = Scorer(manifests.classes, classifier(TensorProto.DOUBLE))
    row = {"temp": EPOCH + 1, "load": EPOCH}
    assert scorer.score_one(row) == careful(manifests.classes, classifier(TensorProto.DOUBLE)).score_one(row)
    probabilities = scorer.score({name: [cell] for name, cell in row.items()}).probabilities
    assert probabilities is not None
    assert probabilities.dtype == np.float32


def test_golden_rows_of_doubles_replay(values: Scorer) -> None:
    temp, load = EPOCH + 0.123456789, EPOCH + 0.5
    columns: dict[str, tuple[Cell, ...]] = {"temp": (temp,), "load": (load,)}

    def golden(value: float) -> Golden:
        return Golden("hakobu.golden/1", columns, (value,), (None,), ("ok",), Tolerance(1e-6, 0.0))

    assert values.replay(golden(temp - load / 4)) == ()
    assert "the number is" in values.replay(golden(float(np.float32(temp - load / 4))))[0]


def test_a_model_of_another_dtype_than_its_manifest_says_cannot_run(manifests: Pair) -> None:
    scorer = Scorer(replace(manifests.values, dtype=Dtype.FLOAT32), regressor())
    with pytest.raises(BundleError, match="cannot run"):
        scorer.score({"temp": [1.0], "load": [2.0]})


decimals = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**25), max_value=10**25, places=9)
cells = (
    st.floats(allow_nan=False, allow_infinity=False).map(repr)
    | decimals.map(str)
    | st.integers(-(2**80), 2**80).map(str)
    | st.floats(EPOCH, EPOCH + 1).map(lambda number: f"{number:.20f}")
)


def read(path: Path) -> NDArray[np.float64]:
    with open_rows(path, Wanted({"temp": Form.NUMBER}, frozenset({"temp"}))) as opened:
        return np.concatenate([block.numbers["temp"] for block in opened])


def in_parquet(path: Path, column: Array) -> NDArray[np.float64]:
    write_parquet(Table.from_pydict({"temp": column}), path)
    return read(path)


@settings(max_examples=150, deadline=None)
@given(texts=st.lists(cells, min_size=1, max_size=20))
def test_a_decimal_text_becomes_the_nearest_double_in_every_format(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("rows")
    wanted = np.array([float(text) for text in texts])
    csv, lines, parquet = folder / "rows.csv", folder / "rows.jsonl", folder / "rows.parquet"
    csv.write_text("temp,load\n" + "".join(f"{text},1\n" for text in texts))
    lines.write_text("".join(f'{{"temp": {text}}}\n' for text in texts))
    for found in (
        read(csv),
        read(lines),
        in_parquet(parquet, Array.from_numpy(wanted)),
        in_parquet(parquet, Array(texts, DataType.utf8())),
    ):
        np.testing.assert_array_equal(found, wanted)


@settings(max_examples=50, deadline=None)
@given(texts=st.lists(decimals.map(lambda number: f"{number:.9f}"), min_size=1, max_size=20))
def test_money_in_a_decimal_column_becomes_the_nearest_double(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    column = Array(texts, DataType.utf8()).cast(DataType.decimal128(38, 9))
    found = in_parquet(tmp_path_factory.mktemp("rows") / "rows.parquet", column)
    np.testing.assert_array_equal(found, np.array([float(text) for text in texts]))
