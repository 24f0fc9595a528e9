"""The fast way of one row says and counts what the careful way does."""

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from hakobu_runtime.bundle import Bundle, open_bundle
from hakobu_runtime.errors import BundleError
from hakobu_runtime.format.feature import Baseline
from hakobu_runtime.format.histogram import CategoryBins
from hakobu_runtime.format.manifest import Classification
from hakobu_runtime.scorer.record import Record
from hakobu_runtime.scorer.scorer import Scorer
from hakobu_runtime.scorer.single import Single
from hakobu_runtime.trust import Keyring

Records = Callable[[], Any]
"""What makes a record in memory."""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory, tiny_box_bytes: bytes, keyring: Keyring) -> Bundle:
    path = tmp_path_factory.mktemp("tiny") / "tiny.hako"
    path.write_bytes(tiny_box_bytes)
    return open_bundle(path, keyring)


def careful(bundle: Bundle, record: Record) -> Scorer:
    scorer = Scorer(bundle.manifest, bundle.model, record)
    scorer._single = None
    return scorer


texts: list[object] = [None, "2", "x", "", []]
numbers = [True, np.float32(1.5), float("nan"), float("inf"), 10**400, np.int64(3), -0.0, np.float16(2)]
others = [np.bool_(True), np.array(3.0), Decimal("1.5"), Decimal("NaN"), Decimal("sNaN"), Fraction(1, 2)]
odd: st.SearchStrategy[object] = st.sampled_from([*texts, *numbers, *others])
cells = st.floats(-1, 5) | st.integers(-1, 5) | odd


@settings(max_examples=300, deadline=None)
@given(rows=st.lists(st.fixed_dictionaries({"temp": cells, "load": cells}), min_size=1, max_size=12))
def test_both_ways_say_and_count_the_same(tiny: Bundle, kept: Records, rows: list[dict[str, object]]) -> None:
    assert Single.fits(tiny.manifest)
    fast, slow = kept(), kept()
    quick, sure = Scorer(tiny.manifest, tiny.model, fast), careful(tiny, slow)
    for row in rows:
        assert quick.score_one(row) == sure.score_one(row)
    quick.flush()
    sure.flush()
    fast.assert_like(slow)


def test_an_ordinary_row_goes_the_fast_way(tiny: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    scorer = Scorer(tiny.manifest, tiny.model)
    monkeypatch.setattr(scorer, "score", None)
    assert scorer.score_one({"temp": 1, "load": 2.5}).verdict == "ok"
    with pytest.raises(TypeError):
        scorer.score_one({"temp": 99, "load": 2.5})


def test_a_class_that_the_manifest_does_not_list_is_a_damaged_bundle(tiny: Bundle) -> None:
    listed = Baseline(CategoryBins(("8", "9")), (5, 5, 0, 0))
    outputs = Classification((8, 9), listed, tiny.manifest.outputs.scores)
    scorer = Scorer(replace(tiny.manifest, outputs=outputs), tiny.model)
    with pytest.raises(BundleError, match="which its manifest does not list"):
        scorer.score_one({"temp": 1, "load": 2.5})


def test_models_with_dates_or_booleans_go_the_careful_way(machines: Bundle) -> None:
    assert not Single.fits(machines.manifest)
