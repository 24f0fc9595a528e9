"""Free text: read as it is, watched by its length, put in lower case as Python does, and fed in small runs."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from hakobu_runtime import model as model_module
from hakobu_runtime.errors import FormatError
from hakobu_runtime.format.block import Block
from hakobu_runtime.format.feature import Baseline, Categories, Feature, Kind, Missing, Part, Policy, Range
from hakobu_runtime.format.histogram import CategoryBins, NumberBins
from hakobu_runtime.format.manifest import SCHEMA, Dtype, Manifest, Provenance, Regression, Tensors
from hakobu_runtime.format.periods import baselines
from hakobu_runtime.limits import check as check_module
from hakobu_runtime.limits.breach import Verdict
from hakobu_runtime.limits.check import Checked, check
from hakobu_runtime.model import Model, cuts
from hakobu_runtime.scorer.counting import count, places
from hakobu_runtime.scorer.scorer import Scorer
from hakobu_runtime.scorer.single import Single

_SCORES = Baseline(NumberBins((0.0, 1.0)), (0, 1, 0, 0, 0))
_LENGTHS = Baseline(NumberBins((4.0, 8.0, 21.0)), (0, 3, 3, 0, 1, 0))
_KNOWN = {"pump": 1, "straße": 2, "i̇stanbul": 3, "σίσυφος": 4, "İSTANBUL": 5, "leak": 7}


def note(
    policy: Policy = Policy.WARN, missing: Missing = Missing.EXPECTED, low: float = 4, high: float = 20
) -> Feature:
    return Feature(
        name="note",
        kind=Kind.TEXT,
        column="note",
        policy=policy,
        missing=missing,
        range=Range(low, high),
        baseline=_LENGTHS,
        unit="characters",
    )


def promise(feature: Feature, *, lowercase: bool = False, most_rows: int | None = None) -> Manifest:
    return Manifest(
        schema=SCHEMA,
        name="m",
        version="1.0.0",
        min_runtime="0.1.0",
        target="y",
        dtype=Dtype.FLOAT32,
        tensors=Tensors(None, "strings", value="value", lowercase=(0,) if lowercase else (), most_rows=most_rows),
        features=(feature,),
        outputs=Regression(_SCORES),
        provenance=Provenance("0", "0", 1, 1, 0, "3.11", {}),
    )


def content() -> bytes:
    """The sum of the numbers of the known words in a text, which are parted by blanks."""
    node, words = helper.make_node, {"com.microsoft": 1, "ai.onnx.ml": 3, "": 21}
    nodes = [
        node("Tokenizer", ["strings"], ["words"], domain="com.microsoft", mark=0, mincharnum=1, pad_value="",
             tokenexp=r"[^\s]+"),
        node("LabelEncoder", ["words"], ["numbers"], domain="ai.onnx.ml", keys_strings=list(_KNOWN),
             values_floats=[float(number) for number in _KNOWN.values()], default_float=0.0),
        node("ReduceSum", ["numbers", "over"], ["value"], keepdims=0),
    ]  # fmt: skip
    graph = helper.make_graph(
        nodes,
        "words",
        [helper.make_tensor_value_info("strings", TensorProto.STRING, [None, 1])],
        [helper.make_tensor_value_info("value", TensorProto.FLOAT, None)],
        [helper.make_tensor("over", TensorProto.INT64, [2], [1, 2])],
    )
    opsets = [helper.make_opsetid(domain, version) for domain, version in words.items()]
    found: bytes = helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()
    return found


def column(*texts: str) -> np.ndarray[tuple[int, ...], np.dtype[np.object_]]:
    return np.array([[text] for text in texts], dtype=object).reshape(len(texts), 1)


def predict(tensors: Tensors, *texts: str) -> list[float]:
    found = Model(content(), tensors, ()).predict(np.empty((len(texts), 0), dtype=np.float32), column(*texts))
    assert found.values is not None
    return [float(value) for value in found.values]


def run(feature: Feature, *texts: str) -> Checked:
    cells = np.array([*texts, None], dtype=object)[:-1]
    return check(Block(0, len(texts), {}, {"note": cells}), promise(feature))


def verdicts(checked: Checked) -> list[str]:
    return [Verdict(verdict).word for verdict in checked.verdicts]


@pytest.mark.parametrize(
    "changes",
    [
        {"categories": Categories(("a",), scores_unknown=True)},
        {"range": None},
        {"policy": Policy.CLIP},
        {"part": Part.HOUR},
        {"baseline": Baseline(CategoryBins(("a",)), (1, 0, 0))},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_text_has_a_range_of_lengths_and_nothing_of_a_category_or_a_date(changes: Mapping[str, object]) -> None:
    with pytest.raises(FormatError, match="feature note"):
        msgspec.structs.replace(note(), **changes)


def test_a_text_stands_in_the_strings_matrix_and_is_no_category() -> None:
    manifest = promise(note())
    assert manifest.string_features == (note(),)
    assert manifest.number_features == ()
    assert (note().reads_text, note().is_category) == (True, False)


@pytest.mark.parametrize("lowercase", [(1,), (0, 0), (-1,)])
def test_a_column_to_put_in_lower_case_must_be_there(lowercase: tuple[int, ...]) -> None:
    with pytest.raises(FormatError, match="lower case"):
        msgspec.structs.replace(promise(note()), tensors=Tensors(None, "strings", value="value", lowercase=lowercase))


def test_a_text_of_an_unusual_length_is_scored_and_marked() -> None:
    checked = run(note(), "abcd", "x" * 20, "abc", "x" * 1234)
    assert verdicts(checked) == ["ok", "ok", "warned", "warned"]
    assert [breach.reason for breach in checked.breaches] == [
        "note = 'abc' has 3 characters, below 4, the shortest seen in training (policy: warn)",
        f"note = '{'x' * 40}…' has 1,234 characters, above 20, the longest seen in training (policy: warn)",
    ]
    assert checked.strings[3, 0] == "x" * 1234


def test_policies_reject_and_missing_hold_for_lengths() -> None:
    assert verdicts(run(note(Policy.REJECT), "x" * 21, "pump")) == ["rejected", "ok"]
    blank = run(note(Policy.MISSING), "x" * 21, "x" * 2_000_000, "pump")
    assert verdicts(blank) == ["warned", "warned", "ok"]
    assert blank.strings[:, 0].tolist() == ["", "", "pump"]
    assert blank.breaches[0].reason.endswith("(policy: missing, scored as missing)")


def test_a_missing_text_is_a_breach_only_where_training_saw_none() -> None:
    assert verdicts(run(note(), "")) == ["ok"]
    assert verdicts(run(note(missing=Missing.UNEXPECTED), "")) == ["warned"]
    assert verdicts(run(note(missing=Missing.REFUSED), "")) == ["rejected"]


def test_a_text_beyond_all_measure_is_never_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_module, "LONGEST_TEXT", 50)
    checked = run(note(high=100), "x" * 50, "x" * 51)
    assert verdicts(checked) == ["ok", "rejected"]
    assert checked.breaches[0].reason.endswith("has 51 characters, more than are ever scored")


def test_lengths_are_counted_and_never_the_texts() -> None:
    manifest, scorer = promise(note()), Scorer(promise(note()), content())
    block = Block(0, 6, {}, {"note": np.array(["abc", "abcd", "1234567", "12345678", "x" * 21, ""], dtype=object)})
    windows = places(manifest, block, datetime(2026, 11, 21, tzinfo=UTC))
    (found,) = count(manifest, scorer.score_block(block), windows, 0.1).values()
    assert found.features["note"].tolist() == [1, 2, 1, 1, 1, 0]
    assert found.breaches == {"note": {"too short": 1, "too long": 1}}


def test_drift_is_told_of_the_length_of_a_text() -> None:
    assert list(baselines(promise(note()))) == ["length of note", "(score)"]


def test_lower_case_is_that_of_python_whatever_the_locale() -> None:
    texts = ("PUMP", "STRAßE", "İSTANBUL", "ΣΊΣΥΦΟΣ", "leak LEAK\x00 x")
    assert predict(Tensors(None, "strings", value="value", lowercase=(0,)), *texts) == [1, 2, 3, 4, 7]
    assert predict(Tensors(None, "strings", value="value"), *texts) == [0, 0, 5, 0, 7]


def test_what_was_given_is_left_as_it_is() -> None:
    given_texts = column("PUMP")
    tensors = Tensors(None, "strings", value="value", lowercase=(0,))
    Model(content(), tensors, ()).predict(np.empty((1, 0), dtype=np.float32), given_texts)
    assert given_texts[0, 0] == "PUMP"


@given(st.lists(st.text(max_size=9), min_size=1, max_size=40), st.none() | st.integers(1, 9), st.integers(1, 60))
def test_runs_hold_every_row_once_and_little_text(texts: list[str], most_rows: int | None, most: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model_module, "MOST_CHARACTERS", most)
        found = list(cuts(column(*texts), most_rows))
    assert [row for rows in found for row in range(len(texts))[rows]] == list(range(len(texts)))
    for rows in found if most_rows is not None else ():
        size = len(texts[rows])
        assert size <= (most_rows or 0)
        assert size == 1 or size * max(map(len, texts[rows])) <= most


def test_rows_fed_in_runs_are_scored_as_rows_fed_at_once() -> None:
    texts = ["pump leak", "", "leak leak leak", "x " * 3000, "straße pump", "none"] * 5
    whole, cut = (Tensors(None, "strings", value="value", most_rows=most) for most in (None, 4))
    assert predict(cut, *texts) == predict(whole, *texts) == [8, 0, 21, 0, 3, 0] * 5


odd: st.SearchStrategy[object] = st.sampled_from(
    [None, "", "leak", "pump \ud83d leak", "İSTANBUL", "x" * 20, "x" * 21, 12345, 1.5, True, b"pump", float("nan")]
)


@settings(max_examples=200, deadline=None)
@given(cells=st.lists(odd | st.text(max_size=25), min_size=1, max_size=8))
def test_both_ways_of_one_row_say_and_count_the_same(kept: Callable[[], Any], cells: list[object]) -> None:
    manifest = promise(note(), lowercase=True, most_rows=2)
    assert Single.fits(manifest)
    fast, slow = kept(), kept()
    quick, sure = Scorer(manifest, content(), fast), Scorer(manifest, content(), slow)
    sure._single = None
    for cell in cells:
        assert quick.score_one({"note": cell}) == sure.score_one({"note": cell})
    quick.flush()
    sure.flush()
    fast.assert_like(slow)


def test_an_ordinary_text_goes_the_fast_way(monkeypatch: pytest.MonkeyPatch) -> None:
    scorer = Scorer(promise(note(), lowercase=True), content())
    monkeypatch.setattr(scorer, "score", None)
    assert scorer.score_one({"note": "PUMP leak"}).prediction == 8
    with pytest.raises(TypeError):
        scorer.score_one({"note": "x" * 21})
