from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hakobu_runtime.format.block import Block
from hakobu_runtime.format.feature import Baseline, Categories, Feature, Kind, Missing, Part, Policy, Range
from hakobu_runtime.format.histogram import CategoryBins, NumberBins
from hakobu_runtime.format.manifest import (
    SCHEMA,
    Dtype,
    Manifest,
    Provenance,
    Regression,
    Tensors,
)
from hakobu_runtime.limits.breach import Rule, Verdict
from hakobu_runtime.limits.check import Checked, check

_NUMBERS = Baseline(NumberBins((0.0, 1.0)), (0, 1, 0, 0, 0))


def number(
    name: str = "temp",
    policy: Policy = Policy.WARN,
    missing: Missing = Missing.EXPECTED,
    kind: Kind = Kind.NUMBER,
    low: float = 0.1,
    high: float = 100.04,
    learned: bool = True,
    part: Part | None = None,
    column: str | None = None,
) -> Feature:
    return Feature(
        name=name,
        kind=kind,
        column=column or name,
        part=part,
        policy=policy,
        missing=missing,
        range=Range(low, high, learned),
        baseline=_NUMBERS,
    )


def category(policy: Policy = Policy.WARN, missing: Missing = Missing.EXPECTED, scores_unknown: bool = True) -> Feature:
    return Feature(
        name="carrier",
        kind=Kind.CATEGORY,
        column="carrier",
        policy=policy,
        missing=missing,
        categories=Categories(("UA", "AA"), scores_unknown),
        baseline=Baseline(CategoryBins(("AA", "UA")), (1, 1, 0, 0)),
    )


def promise(*features: Feature) -> Manifest:
    numbers = any(not feature.is_category for feature in features)
    strings = any(feature.is_category for feature in features)
    return Manifest(
        schema=SCHEMA,
        name="m",
        version="1.0.0",
        min_runtime="0.1.0",
        target="y",
        dtype=Dtype.FLOAT32,
        tensors=Tensors("numbers" if numbers else None, "strings" if strings else None, value="value"),
        features=features,
        outputs=Regression(_NUMBERS),
        provenance=Provenance("0", "0", 1, 1, 0, "3.11", {}),
    )


def run(
    feature: Feature,
    *cells: float | str,
    wrong: Mapping[int, str] | None = None,
    broken: Mapping[int, str] | None = None,
) -> Checked:
    numbers, texts = {}, {}
    if feature.kind in (Kind.NUMBER, Kind.INTEGER) and feature.part is None:
        numbers[feature.column] = np.array(cells, dtype=np.float64)
    else:
        texts[feature.column] = np.array(cells, dtype=object)
    block = Block(0, len(cells), numbers, texts, {feature.column: wrong or {}}, broken or {})
    return check(block, promise(feature))


def words(checked: Checked) -> list[str]:
    return [breach.reason for breach in checked.breaches]


def verdicts(checked: Checked) -> list[str]:
    return [Verdict(verdict).word for verdict in checked.verdicts]


def test_a_reason_says_the_value_the_limit_and_the_policy() -> None:
    checked = run(number(), 50.0, 131.0)
    assert words(checked) == ["temp = 131.0 is above 100.04, the highest seen in training (policy: warn)"]
    assert verdicts(checked) == ["ok", "warned"]
    assert checked.numbers[1, 0] == 131.0


def test_a_declared_limit_is_called_allowed() -> None:
    checked = run(number(learned=False), -1.0)
    assert words(checked) == ["temp = -1.0 is below 0.1, the lowest allowed (policy: warn)"]


def test_both_ends_of_a_learned_range_are_inside_although_float32_cannot_write_them() -> None:
    assert verdicts(run(number(), 0.1, 100.04)) == ["ok", "ok"]


def test_reject_takes_the_row_and_no_other() -> None:
    checked = run(number(policy=Policy.REJECT), 1.0, 999.0, 2.0)
    assert verdicts(checked) == ["ok", "rejected", "ok"]
    assert checked.scorable.tolist() == [True, False, True]


def test_clip_moves_the_value_to_the_end_of_the_range_and_counts_it_as_it_came() -> None:
    checked = run(number(policy=Policy.CLIP), -5.0, 999.0)
    assert checked.numbers[:, 0].tolist() == [np.float32(0.1), np.float32(100.04)]
    assert checked.seen_numbers[0].tolist() == [-5.0, 999.0]
    assert verdicts(checked) == ["clipped", "clipped"]
    assert words(checked)[1].endswith("(policy: clip, scored as 100.04)")


def test_policy_missing_blanks_the_value() -> None:
    checked = run(number(policy=Policy.MISSING), 999.0)
    assert np.isnan(checked.numbers[0, 0])
    assert verdicts(checked) == ["warned"]
    assert words(checked)[0].endswith("(policy: missing, scored as missing)")


@pytest.mark.parametrize(
    ("missing", "verdict"),
    [(Missing.EXPECTED, "ok"), (Missing.UNEXPECTED, "warned"), (Missing.REFUSED, "rejected")],
)
def test_a_missing_number_is_judged_by_what_the_model_makes_of_it(missing: Missing, verdict: str) -> None:
    assert verdicts(run(number(missing=missing), np.nan)) == [verdict]


def test_text_in_a_number_column_is_scored_as_missing_where_the_model_can() -> None:
    checked = run(number(), np.nan, 1.0, wrong={0: "abc"})
    assert verdicts(checked) == ["warned", "ok"]
    assert words(checked) == ["temp = 'abc' is not a number (policy: warn, scored as missing)"]
    assert checked.invalid["temp"].tolist() == [0]


def test_text_in_a_number_column_rejects_the_row_where_the_model_cannot_score_a_gap() -> None:
    checked = run(number(missing=Missing.REFUSED), np.nan, wrong={0: "abc"})
    assert verdicts(checked) == ["rejected"]
    assert words(checked) == ["temp = 'abc' is not a number (the model cannot score without it)"]


def test_a_number_with_a_comma_is_told_how_to_write_it() -> None:
    assert "write it without commas" in words(run(number(), np.nan, wrong={0: "3,14"}))[0]


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e39])
def test_a_number_that_float32_cannot_hold_is_not_finite(value: float) -> None:
    checked = run(number(), value)
    assert checked.breaches[0].rule is Rule.NOT_FINITE
    assert np.isnan(checked.numbers[0, 0])


def test_an_integer_with_a_fraction_is_no_integer() -> None:
    checked = run(number(kind=Kind.INTEGER, low=0, high=5), 3.5, 4.0, 6.0)
    assert verdicts(checked) == ["warned", "ok", "warned"]
    assert words(checked)[0] == "temp = 3.5 is not a whole number (policy: warn, scored as missing)"
    assert words(checked)[1] == "temp = 6 is above 5, the highest seen in training (policy: warn)"


def test_booleans_are_read_in_the_usual_spellings() -> None:
    checked = run(number(kind=Kind.BOOLEAN, low=0, high=1), "true", "NO", "1", "f", "maybe", "")
    assert checked.numbers[:4, 0].tolist() == [1, 0, 1, 0]
    assert verdicts(checked)[4:] == ["warned", "ok"]


def test_one_bad_date_is_one_breach_however_many_parts_are_taken() -> None:
    parts = [
        number(f"when.{part}", kind=Kind.INTEGER, low=0, high=31, part=part, column="when")
        for part in (Part.MONTH, Part.DAY)
    ]
    texts = {"when": np.array(["2013-02-28T10:00:00Z", "31.12.2013"], dtype=object)}
    checked = check(Block(0, 2, {}, texts), promise(*parts))
    assert checked.numbers[0].tolist() == [2, 28]
    assert words(checked) == ["when = '31.12.2013' is not a date like 2026-12-31 (policy: warn, scored as missing)"]


def test_an_unknown_category_is_scored_and_marked() -> None:
    checked = run(category(), "UA", "ZZ", "")
    assert verdicts(checked) == ["ok", "warned", "ok"]
    assert words(checked) == ["carrier = 'ZZ' is not one of the 2 categories seen in training (policy: warn)"]
    assert checked.strings[:, 0].tolist() == ["UA", "ZZ", ""]


def test_an_unknown_category_that_only_differs_in_case_names_the_known_one() -> None:
    assert "did you mean 'UA'?" in words(run(category(), " ua"))[0]


def test_an_unknown_category_is_rejected_where_the_model_cannot_score_one() -> None:
    assert verdicts(run(category(scores_unknown=False), "ZZ")) == ["rejected"]


def test_policy_missing_blanks_an_unknown_category() -> None:
    assert run(category(policy=Policy.MISSING), "ZZ").strings[0, 0] == ""


def test_a_row_that_cannot_be_read_is_rejected_once() -> None:
    checked = run(number(missing=Missing.UNEXPECTED), 1.0, np.nan, broken={1: "row has 3 fields, the header has 1"})
    assert verdicts(checked) == ["ok", "rejected"]
    assert words(checked) == ["row has 3 fields, the header has 1"]


def test_the_worst_breach_of_a_row_decides() -> None:
    features = (number("a", policy=Policy.WARN), number("b", policy=Policy.REJECT), number("c", policy=Policy.CLIP))
    numbers = {name: np.array([999.0]) for name in "abc"}
    checked = check(Block(0, 1, numbers, {}), promise(*features))
    assert verdicts(checked) == ["rejected"]
    assert len(checked.breaches) == 3


@given(st.lists(st.floats(width=32, allow_nan=True, allow_infinity=False), min_size=1, max_size=30))
def test_what_clip_gives_the_model_always_lies_in_the_range(cells: list[float]) -> None:
    checked = run(number(policy=Policy.CLIP), *cells)
    given_to_model = checked.numbers[:, 0]
    present = given_to_model[~np.isnan(given_to_model)]
    assert np.all((present >= np.float32(0.1)) & (present <= np.float32(100.04)))
    assert len(present) == sum(not np.isnan(cell) for cell in cells)


@given(st.lists(st.floats(width=32), min_size=1, max_size=20))
def test_it_is_known_that_no_number_is_missing_where_each_is_finite_and_nowhere_else(cells: list[float]) -> None:
    feature = number()
    block = Block(0, len(cells), {feature.column: np.array(cells, dtype=np.float64)}, {})
    checked = check(block, promise(feature))
    assert checked.whole == bool(np.isfinite(cells).all())
    assert not (checked.whole and np.isnan(checked.seen_numbers).any())


@given(
    st.sampled_from(Policy),
    st.sampled_from(Missing),
    st.lists(st.floats(width=64), min_size=1, max_size=20),
)
def test_every_row_gets_a_verdict_and_every_row_that_is_not_ok_a_reason(
    policy: Policy, missing: Missing, cells: list[float]
) -> None:
    if policy is Policy.MISSING and missing is Missing.REFUSED:
        return
    checked = run(number(policy=policy, missing=missing), *cells)
    marked = {breach.row for breach in checked.breaches}
    assert marked == set(np.flatnonzero(checked.verdicts != Verdict.OK).tolist())
    if missing is Missing.REFUSED:
        assert not np.isnan(checked.numbers[checked.scorable]).any()
