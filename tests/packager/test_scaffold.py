import tomllib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hakobu.gates.data import FEWEST_OF_A_CLASS as GATE_OF_A_CLASS
from hakobu.gates.data import FEWEST_ROWS as GATE_ROWS
from hakobu.scaffold import toml
from hakobu.scaffold.clock import clock_format
from hakobu.scaffold.column import Column, ColumnDraft
from hakobu.scaffold.draft import FEWEST_OF_A_CLASS, FEWEST_ROWS
from hakobu.scaffold.infer import Kind, infer
from hakobu.scaffold.leak import decides, leak
from hakobu.scaffold.leave import is_code, most_texts, reason_to_leave, varying_parts
from hakobu.scaffold.new import model_name
from hakobu.scaffold.roles import Roles
from hakobu.scaffold.target import judge_target
from hakobu.settings import Task
from hakobu_runtime.errors import InputError, UsageError
from hakobu_runtime.format.feature import Part
from hakobu_runtime.format.manifest import NAME

DELETE = "\x7f"


def column(texts: Sequence[str], name: str = "x") -> Column:
    """Read `texts` in two blocks, as a reader would deliver them."""
    draft = ColumnDraft(name)
    half = len(texts) // 2
    for part in (texts[:half], texts[half:]):
        draft.extend(np.array([*part, None], dtype=object)[:-1])
    return draft.finish()


def kind(*texts: str, name: str = "x") -> Kind:
    return infer(column(texts, name)).kind


def why(texts: Sequence[str], name: str = "x") -> str:
    found = column(texts, name)
    return reason_to_leave(found, infer(found))


# Columns


@given(st.lists(st.sampled_from(["", "a", "b", "NA", "-"]), min_size=1), st.sets(st.sampled_from(["NA", "-", "a"])))
def test_a_column_keeps_every_cell_in_its_row(texts: list[str], missing: set[str]) -> None:
    found = column(texts).without(frozenset(missing))
    expected = ["" if text in missing else text for text in texts]
    assert [found.texts[code] for code in found.codes] == expected
    assert sum(found.counts().values()) == sum(bool(text) for text in expected) == found.there.sum()
    for text in found.present:
        assert found.row_of(text) == expected.index(text) + 1


@given(st.lists(st.sampled_from(["", "a", "b", "c"]), min_size=1), st.data())
def test_some_rows_of_a_column_keep_their_numbers_in_the_file(texts: list[str], data: st.DataObject) -> None:
    rows = sorted(data.draw(st.sets(st.integers(0, len(texts) - 1))))
    found = column(texts).take(np.array(rows, dtype=np.int64))
    assert [found.texts[code] for code in found.codes] == [texts[row] for row in rows]
    assert found.rows.tolist() == [row + 1 for row in rows]
    assert set(found.texts) == {texts[row] for row in rows}


# Kinds


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (("1", "2", "-3", " 4 ", "+5"), Kind.INTEGER),
        (("1", "2", "3.5"), Kind.NUMBER),
        (("1.0", "2.0"), Kind.NUMBER),
        (("1", "2e3"), Kind.NUMBER),
        (("0", "1"), Kind.INTEGER),
        (("true", "False"), Kind.BOOLEAN),
        (("Yes", "no"), Kind.BOOLEAN),
        (("y", "N"), Kind.BOOLEAN),
        (("yes", "no", "maybe"), Kind.CATEGORY),
        (("yes", "Y"), Kind.CATEGORY),
        (("a", "b"), Kind.CATEGORY),
        (("2026-12-31", "2026-01-01"), Kind.DATE),
        (("2026-12-31T23:59", "2026-01-01 10:00:00+09:00"), Kind.DATE),
        (("31/12/2026", "01/02/2026"), Kind.DATE),
        (("12/31/2026", "1/2/2026"), Kind.DATE),
        (("31.12.2026 23:59", "01.02.2026 00:10"), Kind.DATE),
        (("2026/12/31", "2026/01/01"), Kind.DATE),
        (("12/31/2026 11:59 PM", "1/2/2026 1:05 AM"), Kind.DATE),
        (("01/02/2026", "03/04/2026"), Kind.CATEGORY),
        (("2026-02-30", "x"), Kind.CATEGORY),
        (("12,5", "13,5"), Kind.CATEGORY),
        (("1_000", "2_000"), Kind.CATEGORY),
        (("inf", "x"), Kind.CATEGORY),
        (("", ""), Kind.CATEGORY),
    ],
)
def test_kinds_are_what_a_person_would_say(texts: tuple[str, ...], expected: Kind) -> None:
    assert kind(*texts) is expected


def test_eight_digits_are_a_date_only_where_the_name_says_so() -> None:
    texts = ("20261231", "20260101")
    assert kind(*texts, name="order_date") is Kind.DATE
    assert infer(column(texts, "order_date")).written == infer(column(texts, "Date")).written
    assert kind(*texts, name="serial") is Kind.INTEGER
    assert kind("20261331", "20260101", name="date") is Kind.INTEGER
    assert kind("12345", "678", name="time") is Kind.INTEGER


@pytest.mark.parametrize("word", ["NA", "N/A", "NaN", "null", "None", "-", "?", " na "])
@pytest.mark.parametrize("rest", [("1", "2"), ("1.5", "2"), ("yes", "no"), ("2026-12-31", "2026-01-01")])
def test_missing_words_do_not_spoil_a_kind_and_are_listed(word: str, rest: tuple[str, ...]) -> None:
    assert infer(column((*rest, word))).missing_words == {word}
    assert kind(*rest, word) is kind(*rest)


def test_in_a_category_a_missing_word_may_be_a_name() -> None:
    assert infer(column(("EU", "NA", "AS"))).missing_words == frozenset()


@pytest.mark.parametrize("bad", ["12,5", "abc", "inf", "1e39"])
def test_a_rare_cell_that_does_not_fit_is_a_mistake_and_a_common_one_is_not(bad: str) -> None:
    numbers = [str(number / 4) for number in range(200)]
    assert infer(column([*numbers, bad])).bad == (bad,)
    assert infer(column([*numbers, bad])).kind is Kind.NUMBER
    assert infer(column([*numbers[:99], bad])).kind is Kind.CATEGORY


def test_a_rare_bad_date_is_a_mistake_too() -> None:
    days = [f"{1 + day % 28:02d}/12/{2000 + day // 28}" for day in range(200)]
    found = infer(column([*days, "31/02/2020"]))
    assert (found.kind, found.bad) == (Kind.DATE, ("31/02/2020",))


@given(st.lists(st.integers(-(10**9), 10**9), min_size=1))
def test_whole_numbers_are_integers(numbers: list[int]) -> None:
    assert kind(*map(str, numbers)) is Kind.INTEGER


@given(st.lists(st.floats(allow_nan=False, width=32, allow_infinity=False), min_size=1))
def test_every_finite_float_is_a_number(numbers: list[float]) -> None:
    assert infer(column([repr(number) for number in numbers])).kind in (Kind.NUMBER, Kind.INTEGER)


# Left out


@pytest.mark.parametrize(
    ("texts", "name", "expected"),
    [
        (["a"] * 60, "x", "always 'a'"),
        (["a"] * 50 + [""] * 10, "x", "where it is not missing"),
        (["a"] * 58 + ["b", "c"], "x", "always 'a' but for 2 of 60 rows"),
        ([""] * 60, "x", "empty in every row"),
        (["a", "b"] * 20 + [""] * 960, "x", "missing in 96.0%"),
        ([f"name {row}" for row in range(60)], "x", "60 different texts in 60 rows"),
        ([str(row) for row in range(60, 0, -1)], "x", "it counts the rows, from 1 to 60"),
        ([str(7 * row % 101) for row in range(60)], "CustomerID", "named like an id"),
        ([f"{row},5" for row in range(60)], "x", "'0,5' are no numbers; write them plainly"),
        ([f"$ {row}" for row in range(60)], "x", "write them plainly"),
        ([str(row) for row in range(59)] + ["abc"], "x", "row 60 holds 'abc'"),
        (["01/02/2026", "03/04/2026"] * 30, "x", "say which"),
        (["a", "b"] * 30, " ", "no name"),
        (["a", "b"] * 30, "\ud800", "no valid text"),
    ],
)
def test_what_would_not_help_is_left_out_with_the_reason(texts: list[str], name: str, expected: str) -> None:
    assert expected in why(texts, name)


@pytest.mark.parametrize(
    ("texts", "name"),
    [
        (["a", "b", "a"] * 20, "x"),
        ([f"name {row % 50}" for row in range(60)], "x"),
        ([str(1960 + row) for row in range(60)], "Year"),
        ([str(7 * row % 101) for row in range(60)], "weight"),
        ([str(row * 0.37) for row in range(60)], "id"),
        ([str(row % 30) for row in range(60)], "id"),
    ],
)
def test_what_may_help_stays(texts: list[str], name: str) -> None:
    assert why(texts, name) == ""


def test_a_counter_is_known_among_the_rows_that_have_a_target() -> None:
    found = column([str(row) for row in range(1, 81)]).take(np.array([0, 3, 4, 9, 20, 77]))
    assert "it counts the rows" in reason_to_leave(found, infer(found))


def test_more_rows_allow_more_categories_up_to_an_end() -> None:
    assert [most_texts(rows) for rows in (10, 1_000, 4_000, 10**6)] == [50, 50, 200, 1000]


def test_codes_are_few_integers_with_the_name_of_a_code() -> None:
    assert is_code(column(["1", "2"], "zip_code"))
    assert is_code(column(["1", "2"], "MSSubClass"))
    assert not is_code(column([str(number) for number in range(60)], "zip_code"))
    assert not is_code(column(["1", "2"], "ideas"))


def test_only_the_parts_of_a_date_that_vary_are_taken() -> None:
    def parts(*texts: str) -> tuple[Part, ...]:
        found = column(texts * 3)
        return varying_parts(found, infer(found))

    assert parts("2026-01-01", "2026-03-06") == (Part.MONTH, Part.DAY_OF_WEEK)
    assert parts("2026-01-01T10:00", "2026-03-06T11:00") == (Part.MONTH, Part.DAY_OF_WEEK, Part.HOUR)
    assert parts("2026-01-01", "2026-01-02") == (Part.DAY_OF_WEEK,)
    assert parts("2018-01-01", "2024-01-01") == (Part.YEAR,)
    assert parts("2026-01-05", "2026-01-12") == ()


# Leaks


def leaks(texts: Sequence[str], target: Sequence[str]) -> str:
    x, y = column(texts), column(target, "y")
    return leak(x, infer(x), y, infer(y))


def test_a_copy_of_the_target_is_a_leak_even_with_gaps() -> None:
    assert "a copy" in leaks(["1", "0", "", "1"] * 5, ["1", "0", "0", "1"] * 5)


def test_the_target_in_other_words_is_a_leak() -> None:
    assert "in other words" in leaks(["no", "yes", "yes"] * 5, ["0", "1", "1"] * 5)
    assert leaks(["no", "yes", "no"] * 5, ["0", "1", "1"] * 5) == ""


@pytest.mark.parametrize("sign", [1, -1])
def test_the_target_on_another_scale_is_a_leak(sign: int) -> None:
    numbers = np.random.default_rng(0).normal(size=50)
    scaled = [f"{sign * np.exp(number):.12f}" for number in numbers]
    assert "another scale" in leaks(scaled, [f"{number:.12f}" for number in numbers])


def test_two_columns_of_unrelated_numbers_are_no_leak() -> None:
    rng = np.random.default_rng(0)
    assert leaks([str(number) for number in rng.normal(size=50)], [str(number) for number in rng.normal(size=50)]) == ""


def test_common_values_that_each_mean_one_target_decide_it() -> None:
    target = column(["0", "1", "1"] * 30, "y")
    assert decides(column(["a", "b", "c"] * 30), target)
    assert not decides(column(["a", "a", "c"] * 30), target)
    assert not decides(column([str(row) for row in range(90)]), target)


# Target and time


def test_few_whole_numbers_and_texts_are_classes_and_the_rest_is_a_number_to_predict() -> None:
    def task(texts: Sequence[str], asked: Task | None = None) -> Task:
        return judge_target(column(texts, "y"), asked, "t.csv").task

    assert task(["0", "1"] * 20) is Task.CLASSIFICATION
    assert task(["0.0", "1.0"] * 20) is Task.CLASSIFICATION
    assert task(["yes", "no"] * 20) is Task.CLASSIFICATION
    assert task([str(number) for number in range(20)]) is Task.CLASSIFICATION
    assert task([str(number) for number in range(21)]) is Task.REGRESSION
    assert task(["0.5", "1.5"] * 20) is Task.REGRESSION
    assert task(["0", "1"] * 20, Task.REGRESSION) is Task.REGRESSION


@pytest.mark.parametrize(
    ("texts", "asked", "expected"),
    [
        (["", ""], None, "empty in every row"),
        (["a", "a"], None, "is 'a' in every row"),
        (["a", "b"] * 9, Task.REGRESSION, "row 1 holds 'a'"),
        ([f"{row},5" for row in range(60)], Task.REGRESSION, "write them plainly"),
        ([f"name {row}" for row in range(60)], None, "too many to be classes"),
        ([str(row) for row in range(1001)], Task.CLASSIFICATION, "--task regression"),
    ],
)
def test_what_cannot_be_a_target_says_why(texts: list[str], asked: Task | None, expected: str) -> None:
    with pytest.raises(InputError, match=r"t\.csv") as caught:
        judge_target(column(texts, "y"), asked, "t.csv")
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("texts", "asked", "expected"),
    [
        (["2026-12-31", "2026-12-30"], None, None),
        (["31/12/2026", "01/12/2026"], None, "%d/%m/%Y"),
        (["2013", "2014"], None, "%Y"),
        (["2013-01", "2014-12"], None, "%Y-%m"),
        (["20130131", "20141231"], None, "%Y%m%d"),
        (["03.2013", "12.2014"], "%m.%Y", "%m.%Y"),
    ],
)
def test_how_times_are_written_is_found(texts: list[str], asked: str | None, expected: str | None) -> None:
    assert clock_format(column(texts, "t"), asked, "t.csv") == (expected, ())


@pytest.mark.parametrize(
    ("texts", "asked", "expected"),
    [
        (["a", "b"], None, "'t' holds 'a' in row 1"),
        (["2026-12-31", "2026-12-30", "soon"], "%Y-%m-%d", "'soon' in row 3"),
        (["01/02/2026", "03/04/2026"], None, "--time-format '%d/%m/%Y' or '%m/%d/%Y'"),
        (["2026-12-31", "2026-12-31"], None, "in every row"),
        (["", ""], None, "empty"),
    ],
)
def test_a_column_that_is_no_time_says_where(texts: list[str], asked: str | None, expected: str) -> None:
    with pytest.raises(InputError) as caught:
        clock_format(column(texts, "t"), asked, "t.csv")
    assert expected in str(caught.value)


def test_a_few_bad_times_are_told_apart() -> None:
    texts = [f"2026-01-{1 + row % 28:02d}" for row in range(200)]
    assert clock_format(column([*texts, "soon"], "t"), None, "t.csv") == (None, ("soon",))


def test_a_target_is_nothing_else() -> None:
    with pytest.raises(UsageError, match="cannot be the target and"):
        Roles("y", ids=("y",))
    with pytest.raises(UsageError, match="name that column too"):
        Roles("y", time_format="%Y")


def test_the_warnings_of_a_new_project_are_the_gates_of_its_build() -> None:
    assert (FEWEST_ROWS, FEWEST_OF_A_CLASS) == (GATE_ROWS, GATE_OF_A_CLASS)


# Writing


@given(st.text(min_size=1), st.text())
@example("a]b.c'd\"e", 'tab\t new\n line \\ "')
@example(DELETE, "\x00\x1f\x85\u2028")
def test_any_name_and_text_survives_toml(name: str, value: str) -> None:
    lines = [f"[features.{toml.key(name)}]", *toml.comment(value), toml.entry("kind", toml.text(value), value)]
    assert tomllib.loads(toml.lines(lines)) == {"features": {name: {"kind": value}}}


@given(st.lists(st.text()))
def test_any_list_of_texts_survives_toml_and_python(values: list[str]) -> None:
    assert tomllib.loads(f"missing = {toml.texts(values)}") == {"missing": values}
    assert eval(toml.texts(values)) == values  # noqa: S307


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="/\x00"), min_size=1, max_size=80))
@example("\udcff")
def test_any_folder_gives_a_valid_model_name(folder: str) -> None:
    assert NAME.fullmatch(model_name(Path("projects") / folder))


def test_a_model_is_named_after_its_folder() -> None:
    assert model_name(Path("x") / "Späte Flüge 2013!") == "spate-fluge-2013"
    assert model_name(Path("x") / "運ぶ") == "model"


def test_one_word_among_nothing_but_numbers_means_missing() -> None:
    numbers = [f"{row}.5" for row in range(40)]
    guess = infer(column([*numbers, "k.A.", "k.A.", "k.A."]))
    assert (guess.kind, guess.bad) == (Kind.NUMBER, ())
    assert guess.missing_words == {"k.A."}
    assert infer(column([*numbers, "k.A.", "n.v.", "k.A."])).kind is Kind.CATEGORY
    assert infer(column([*numbers, "12,5", "12,5"])).missing_words == frozenset()
