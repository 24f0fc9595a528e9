from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    SplineTransformer,
    TargetEncoder,
)

from hakobu.export.convert import OPSETS, export
from hakobu.export.converters import register
from hakobu.export.converters.functions import KNOWN
from hakobu.export.gaps import missing_text
from hakobu.table import matrices_of
from hakobu_runtime.errors import ProjectError
from hakobu_runtime.format.feature import Input, Kind
from hakobu_runtime.format.onnx import check_model
from hakobu_runtime.model import Model

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

RNG = np.random.default_rng(11)
ROWS = 300
UP, DOWN = np.float32(np.inf), np.float32(-np.inf)

Run = Callable[[pd.DataFrame], NDArray[Any]]


def inputs_of(frame: pd.DataFrame) -> list[Input]:
    kinds = {name: Kind.CATEGORY if frame[name].dtype == object else Kind.NUMBER for name in frame.columns}
    return [Input(name=str(name), column=str(name), kind=kind) for name, kind in kinds.items()]


def exported(estimator: Any, frame: pd.DataFrame) -> Run:
    """Return what computes `estimator` by its exported model, which the device allows."""
    inputs = inputs_of(frame)
    found = export(estimator, inputs, classifier=False)
    check_model(found.model)
    session = onnxruntime.InferenceSession(found.model)

    def run(rows: pd.DataFrame) -> NDArray[Any]:
        numbers, texts = matrices_of(rows, inputs)
        feeds = {
            name: part for name, part in ((found.tensors.numbers, numbers), (found.tensors.strings, texts)) if name
        }
        return np.asarray(session.run(None, feeds)[0])

    return run


def wanted(estimator: Any, rows: Any) -> NDArray[Any]:
    found = estimator.transform(rows)
    return np.asarray(found.toarray() if hasattr(found, "toarray") else found)


def same(estimator: Any, rows: pd.DataFrame, tolerance: float = 1e-5) -> None:
    want, got = wanted(estimator, rows), exported(estimator, rows)(rows)
    if want.dtype == object:
        assert np.array_equal(got, want)
        return
    np.testing.assert_allclose(got, want.astype(np.float64), rtol=tolerance, atol=tolerance)


def same_in_double(estimator: Any, rows: Any) -> None:
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import DoubleTensorType

    rows = np.asarray(rows, dtype=np.float64)
    register()
    types = [("X", DoubleTensorType([None, rows.shape[1]]))]
    model = convert_sklearn(estimator, initial_types=types, target_opset=OPSETS, name="hakobu").SerializeToString()
    got = onnxruntime.InferenceSession(model).run(None, {"X": rows})[0]
    assert got.dtype == np.float64
    np.testing.assert_allclose(got, wanted(estimator, rows).astype(np.float64), rtol=1e-9, atol=1e-9)


def texts(*names: str, chances: list[float]) -> pd.Series:
    return pd.Series(np.array(names, dtype=object)[RNG.choice(len(names), ROWS, p=chances)], dtype=object)


def categories() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return rows to learn from, with rare, missing and number categories, and rows with unknown ones as well."""
    ids = np.array([2**24, 2**24 + 2, 2**24 + 4, 3e9, 1.5, -0.25, 0.0], dtype=np.float32)
    number = ids[RNG.choice(7, ROWS, p=[0.25, 0.25, 0.02, 0.03, 0.35, 0.05, 0.05])]
    frame = pd.DataFrame(
        {
            "t": texts("x", "y", "", "zé", "rare", "None", "nan", chances=[0.3, 0.3, 0.1, 0.2, 0.02, 0.04, 0.04]),
            "id": number,
            "gap": np.where(RNG.random(ROWS) < 0.1, np.nan, number[::-1]).astype(np.float32),
            "b": RNG.integers(0, 2, ROWS).astype(np.float32),
        }
    )
    hard = frame.copy()
    hard.loc[:9, "t"], hard.loc[10:12, "t"] = "never seen", "X"
    hard.loc[13:22, "id"] = np.float32(2**24 + 6)
    hard.loc[23:29, "id"], hard.loc[30:36, "id"] = np.float32(np.nan), np.float32(-0.0)
    hard.loc[37:43, "gap"], hard.loc[44:49, "b"] = np.float32(1.0), np.float32(2)
    return frame, hard


FRAME, HARD = categories()
BINARY, THREE = RNG.integers(0, 2, ROWS), np.array(["p", "q", "r"])[RNG.integers(0, 3, ROWS)]


def numbers() -> pd.DataFrame:
    a = RNG.normal(size=ROWS)
    return pd.DataFrame({"a": a, "b": RNG.integers(0, 6, ROWS), "c": RNG.lognormal(size=ROWS)}).astype(np.float32)


NUMBERS = numbers()


def neighbours(*columns: Any) -> pd.DataFrame:
    """Return rows exactly on `columns` of edges, and on their float32 neighbours."""
    most = max(len(column) for column in columns)
    on = np.stack([np.resize(np.asarray(column, dtype=np.float32), most) for column in columns], axis=1)
    rows = np.concatenate([on, np.nextafter(on, UP), np.nextafter(on, DOWN)])
    return pd.DataFrame(rows, columns=list("abcdef"[: len(columns)]))


def far() -> pd.DataFrame:
    return pd.concat([NUMBERS, NUMBERS * 3, -NUMBERS, NUMBERS * 0], ignore_index=True).astype(np.float32)


rarities = pytest.mark.parametrize(
    "rare", [{}, {"min_frequency": 12}, {"max_categories": 3}, {"max_categories": 4, "min_frequency": 0.03}], ids=str
)


@rarities
@pytest.mark.parametrize(
    ("unknown", "drop"),
    [
        ("ignore", None),
        ("ignore", "first"),
        ("infrequent_if_exist", None),
        ("infrequent_if_exist", "first"),
        ("warn", "if_binary"),
    ],
)
def test_one_hot_columns_of_rare_unknown_and_number_categories_are_those_of_training(
    rare: dict[str, Any], unknown: str, drop: str | None
) -> None:
    same(OneHotEncoder(handle_unknown=unknown, drop=drop, **rare).fit(FRAME), HARD)


@rarities
@pytest.mark.parametrize(("unknown", "missing"), [(-1, np.nan), (np.nan, -2), (99, -7), (-3, -3)])
def test_ordinal_codes_of_rare_unknown_and_missing_categories_are_those_of_training(
    rare: dict[str, Any], unknown: float, missing: float
) -> None:
    encoder = OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=unknown, encoded_missing_value=missing, **rare
    )
    same(encoder.fit(FRAME), HARD)


def test_ids_beyond_what_float32_counts_are_told_apart() -> None:
    ids = pd.DataFrame({"id": np.array([2**24, 2**24 + 2, 2**31, 2**31 + 256], dtype=np.float32)})
    run = exported(OneHotEncoder(handle_unknown="ignore").fit(ids), ids)
    assert np.array_equal(run(ids), np.eye(4))
    assert not run(pd.DataFrame({"id": np.array([2**24 + 4, 2**31 - 128], dtype=np.float32)})).any()


def test_categories_that_were_truth_values_or_whole_numbers_are_found_among_floats() -> None:
    truth = FRAME[["b"]].astype(bool)
    same(OneHotEncoder(handle_unknown="ignore").fit(truth), HARD[["b"]])
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    same(codes.fit(truth), HARD[["b"]])
    whole = OneHotEncoder(handle_unknown="ignore").fit(FRAME[["id"]].astype(np.int64))
    same(whole, HARD[["id"]].fillna(0.5))  # 1.5 and -0.25 are no whole numbers, and unknown


def test_categories_given_by_hand_keep_their_order_and_drop_what_is_named() -> None:
    hand = [["y", "x"], [-0.25, 0.0, 1.5]]
    encoder = OrdinalEncoder(categories=hand, handle_unknown="use_encoded_value", unknown_value=-1)
    same(encoder.fit(FRAME[["t", "id"]]), HARD[["t", "id"]])
    same(
        OneHotEncoder(categories=hand, drop=["x", 0.0], handle_unknown="ignore").fit(FRAME[["t", "id"]]),
        HARD[["t", "id"]],
    )


def test_doubles_are_looked_up_as_doubles() -> None:
    apart = np.nextafter(0.1, 1)
    rows = np.array([[0.1], [apart], [np.nan], [7.0], [0.0]])
    same_in_double(OneHotEncoder(handle_unknown="ignore").fit(rows), [*rows, [0.1 + 1e-9], [-0.0]])
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2)
    same_in_double(codes.fit(rows), [*rows, [0.1 + 1e-9], [-0.0]])
    same_in_double(TargetEncoder(smooth=1.0).fit(np.repeat(rows, 2, axis=0), [0, 1, 1, 1, 0, 0, 0, 1, 1, 1]), rows)


@pytest.mark.parametrize(
    "target", [BINARY, THREE, RNG.normal(size=ROWS), RNG.integers(0, 5, ROWS)], ids=["two", "texts", "value", "five"]
)
@pytest.mark.parametrize("smooth", ["auto", 3.0])
def test_target_encodings_are_those_of_training(target: Any, smooth: Any) -> None:
    same(TargetEncoder(smooth=smooth).fit(FRAME, target), HARD)


def test_number_categories_of_a_text_column_are_refused() -> None:
    encode = ColumnTransformer([("e", TargetEncoder(), ["t", "id"])]).fit(FRAME, BINARY)
    with pytest.raises(ProjectError, match=r"the column is text.*\nremedy: TargetEncoder: .*an encoder of its own"):
        export(encode, inputs_of(FRAME), classifier=False)


def test_text_categories_of_a_number_column_are_refused() -> None:
    encoder = OneHotEncoder().fit(FRAME[["t"]])
    with pytest.raises(ProjectError, match="the categories are texts, and the column is a number"):
        export(encoder, [Input(name="t", column="t", kind=Kind.NUMBER)], classifier=False)


def gaps() -> pd.DataFrame:
    found = pd.DataFrame({name: FRAME["gap"].sample(frac=1, random_state=place) for place, name in enumerate("pq")})
    found = found.reset_index(drop=True).assign(empty=np.float32(np.nan), full=FRAME["id"])
    return found.astype(np.float32)


@pytest.mark.parametrize("strategy", ["mean", "median", "most_frequent", "constant"])
@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("indicator", [False, True])
def test_gaps_are_filled_as_in_training(strategy: str, keep: bool, indicator: bool) -> None:
    fill = -9 if strategy == "constant" else None
    imputer = SimpleImputer(strategy=strategy, keep_empty_features=keep, add_indicator=indicator, fill_value=fill)
    hard = gaps()
    hard.iloc[:20] = np.nan
    hard.iloc[20:30, 2] = 5
    same(imputer.fit(gaps()), hard)
    same_in_double(imputer.fit(gaps().to_numpy(dtype=np.float64)), hard)


@pytest.mark.parametrize("missing", [0, 1.5, -0.25])
def test_a_number_can_stand_for_a_gap(missing: float) -> None:
    same(SimpleImputer(missing_values=missing, add_indicator=True).fit(FRAME[["id", "b"]]), HARD[["id", "b"]].fillna(1))


def test_a_number_that_stands_for_a_gap_is_compared_as_numpy_does() -> None:
    rows = pd.DataFrame({"a": np.array([0.1, 0.2, 0.3], dtype=np.float32)})
    for missing in (0.1, np.float64(0.1)):
        same(SimpleImputer(missing_values=missing).fit(rows), rows)
        same(SimpleImputer(missing_values=missing).fit(rows.assign(a=[0.1, 0.2, 0.3])), rows)


@pytest.mark.parametrize("features", ["missing-only", "all"])
def test_gaps_are_told_apart(features: str) -> None:
    indicator = MissingIndicator(features=features, error_on_new=False)
    same(indicator.fit(gaps()), gaps().iloc[::-1].reset_index(drop=True))
    same(MissingIndicator(missing_values="", features=features, error_on_new=False).fit(FRAME[["t"]]), HARD[["t"]])


@pytest.mark.parametrize("missing", ["", "rare"])
@pytest.mark.parametrize("strategy", ["most_frequent", "constant"])
def test_missing_texts_are_filled(missing: str, strategy: str) -> None:
    frame, hard = FRAME[["t"]].assign(u=FRAME["t"].to_numpy()[::-1]), HARD[["t"]].assign(u=HARD["t"])
    imputer = SimpleImputer(missing_values=missing, strategy=strategy, fill_value="gone").fit(frame)
    same(imputer, hard)
    same(make_pipeline(imputer, OneHotEncoder(handle_unknown="ignore", min_frequency=10)).fit(frame), hard)


@pytest.mark.parametrize("gap", [None, np.nan])
def test_a_text_imputer_of_another_missing_value_fills_the_empty_text(gap: Any) -> None:
    there = FRAME[["t"]].replace("", "y")
    there.iloc[::9] = gap
    model = make_pipeline(SimpleImputer(missing_values=gap, strategy="most_frequent"), OneHotEncoder()).fit(there)
    assert missing_text(model) is gap
    here = there.where(there.notna(), "")
    assert np.array_equal(exported(model, here)(here), wanted(model, there))


def test_where_the_empty_text_is_a_category_no_other_gap_is_filled() -> None:
    model = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore"))
    same(model.fit(FRAME[["t"]]), HARD[["t"]])


@pytest.mark.parametrize("function", KNOWN, ids=lambda function: str(function.__name__))
def test_functions_of_numpy_are_computed(function: Any) -> None:
    rows = pd.concat([far(), neighbours([0, 1, -1, 0.5, 1e-20, 1e-6, -1e-6, 88, -88])], ignore_index=True)
    rows = rows.fillna(0).astype(np.float32)
    if function not in (np.sin, np.cos, np.tan):
        rows = pd.concat([rows, neighbours([1e10, -1e10, 3e38, 100])], ignore_index=True).fillna(0).astype(np.float32)
    same(FunctionTransformer(function).fit(rows), rows, tolerance=2e-6)


@cache
def near_zero(function: Any) -> tuple[Any, Run]:
    rows = pd.DataFrame({"a": np.zeros(3, dtype=np.float32)})
    transformer = FunctionTransformer(function).fit(rows)
    return transformer, exported(transformer, rows)


@settings(max_examples=60, deadline=None)
@given(arrays(np.float32, 50, elements=st.floats(-0.9375, 2, width=32)), st.sampled_from([np.log1p, np.expm1]))
def test_log1p_and_expm1_keep_all_digits_near_zero(values: Any, function: Any) -> None:
    transformer, run = near_zero(function)
    rows = pd.DataFrame({"a": values})
    np.testing.assert_allclose(run(rows), wanted(transformer, rows), rtol=3e-7, atol=1e-45)


def test_functions_keep_double_digits_in_double() -> None:
    rows = np.array([[1e-12], [-1e-9], [0.3], [40.0], [0.0], [-0.75]])
    for function in (np.log1p, np.expm1, np.sinh, np.cbrt, np.tan):
        same_in_double(FunctionTransformer(function).fit(rows), rows)


def test_a_function_of_ones_own_is_refused_with_a_list_of_those_that_work() -> None:
    for transformer in (FunctionTransformer(lambda x: x + 1), FunctionTransformer(np.clip, kw_args={"min": 0})):
        with pytest.raises(ProjectError, match=r"known are None, np.log1p, .*\nremedy: FunctionTransformer: "):
            export(transformer.fit(NUMBERS), inputs_of(NUMBERS), classifier=False)


def test_no_function_at_all_passes_everything_on() -> None:
    same(FunctionTransformer().fit(NUMBERS), NUMBERS, tolerance=0)


@pytest.mark.parametrize("encode", ["ordinal", "onehot", "onehot-dense"])
@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
def test_numbers_on_bin_edges_and_beside_them_fall_into_the_bins_of_training(encode: str, strategy: str) -> None:
    bins = KBinsDiscretizer(n_bins=[5, 4, 90], encode=encode, strategy=strategy, random_state=0).fit(NUMBERS)
    same(bins, pd.concat([far(), neighbours(*bins.bin_edges_)], ignore_index=True), tolerance=0)
    same_in_double(
        bins.fit(NUMBERS.to_numpy(dtype=np.float64)), np.stack([np.resize(e, 91) for e in bins.bin_edges_]).T
    )


@pytest.mark.parametrize("kind", ["uniform", "normal"])
@pytest.mark.parametrize("count", [1, 6, 250])
@pytest.mark.parametrize("shift", [0.0, 1.4e9])
def test_quantiles_are_found_at_and_between_the_quantiles_of_training(kind: str, count: int, shift: float) -> None:
    learnt = (NUMBERS * np.float32(1e5 if shift else 1) + np.float32(shift)).astype(np.float32)
    transformer = QuantileTransformer(n_quantiles=count, output_distribution=kind, random_state=0).fit(learnt)
    rows = pd.concat([learnt, neighbours(*transformer.quantiles_.T), far()], ignore_index=True)
    rows.iloc[3, 1] = np.nan
    same(transformer, rows)
    same_in_double(transformer, rows.iloc[: ROWS * 2])


def test_a_column_of_one_value_has_its_quantiles_too() -> None:
    rows = pd.DataFrame({"a": np.full(50, 3, dtype=np.float32)})
    for kind in ("uniform", "normal"):
        transformer = QuantileTransformer(n_quantiles=10, output_distribution=kind).fit(rows)
        same(transformer, neighbours([3, 2, 4]))


@pytest.mark.parametrize("extrapolation", ["constant", "linear", "continue", "periodic"])
@pytest.mark.parametrize("degree", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("knots", ["uniform", "quantile"])
def test_splines_are_those_of_training_within_the_knots_and_beyond(extrapolation: str, degree: int, knots: str) -> None:
    splines = SplineTransformer(
        n_knots=6, degree=degree, knots=knots, extrapolation=extrapolation, include_bias=degree % 2 == 0
    ).fit(NUMBERS)
    rows = pd.concat([far(), neighbours(*(np.unique(spline.t) for spline in splines.bsplines_))], ignore_index=True)
    if (degree, extrapolation) == (0, "constant"):  # scikit-learn fails above the knots
        rows = rows.clip(upper=[spline.t[-1] for spline in splines.bsplines_], axis=1).astype(np.float32)
    same(splines, rows)
    same_in_double(splines, rows.iloc[:ROWS])


def test_splines_of_a_gap_are_zeros() -> None:
    rows = NUMBERS.copy()
    rows.iloc[::7, 0] = np.nan
    for extrapolation in ("constant", "linear", "continue", "periodic"):
        splines = SplineTransformer(extrapolation=extrapolation, handle_missing="zeros", sparse_output=True)
        same(splines.fit(rows), rows)


def test_splines_of_degree_zero_go_on_where_scikit_learn_can_tell() -> None:
    same(SplineTransformer(degree=0, sparse_output=True).fit(NUMBERS), far())


def test_splines_that_stop_at_the_knots_are_refused() -> None:
    with pytest.raises(ProjectError, match=r'remedy: SplineTransformer: extrapolation="error"'):
        export(SplineTransformer(extrapolation="error").fit(NUMBERS), inputs_of(NUMBERS), classifier=False)


@pytest.mark.parametrize("method", ["yeo-johnson", "box-cox"])
@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("trained", [np.float32, np.float64])
def test_powers_of_numbers_and_gaps_are_those_of_training(method: str, standardize: bool, trained: Any) -> None:
    positive = (NUMBERS.abs() + np.float32(0.01)).astype(np.float32)
    learnt = NUMBERS if method == "yeo-johnson" else positive
    rows = pd.concat([learnt, learnt * 3, positive, positive / 100], ignore_index=True).astype(np.float32)
    rows.iloc[::5, 0] = np.nan
    power = PowerTransformer(method=method, standardize=standardize).fit(learnt.astype(trained))
    same(power, rows)
    same_in_double(power, rows)


def test_powers_of_zero_and_two_are_logarithms() -> None:
    power = PowerTransformer(standardize=False).fit(NUMBERS)
    power.lambdas_ = np.array([0, 2, 1], dtype=np.float32)
    same(power, far())
    power = PowerTransformer(method="box-cox", standardize=False).fit(NUMBERS.abs() + 1)
    power.lambdas_ = np.array([0, 2, -1], dtype=np.float32)
    same(power, (far().abs() + 1).astype(np.float32))


def scaled() -> pd.DataFrame:
    """Return rows whose columns lie far from zero, closer together than float32 tells them apart there."""
    moment = 1.4e9 + RNG.integers(0, 2000, ROWS) * 128.0
    return pd.DataFrame({"a": NUMBERS["a"].astype(np.float64), "b": moment, "c": 2013 + NUMBERS["c"] * 1e-3})


@pytest.mark.parametrize("trained", [np.float32, np.float64])
@pytest.mark.parametrize(
    "scaler",
    [
        RobustScaler(),
        RobustScaler(with_centering=False, unit_variance=True),
        RobustScaler(with_scaling=False),
        MinMaxScaler(),
        MinMaxScaler((-3, 7), clip=True),
        MaxAbsScaler(),
    ],
    ids=str,
)
def test_scalers_round_where_scikit_learn_rounds(scaler: Any, trained: Any) -> None:
    learnt = scaled().astype(trained)
    rows = pd.concat([learnt, learnt * 2, -learnt], ignore_index=True).astype(np.float32)
    rows.iloc[7] = np.nan
    same(scaler.fit(learnt), rows)
    same_in_double(scaler, rows)


@pytest.mark.parametrize("norm", ["l1", "l2", "max"])
def test_rows_are_brought_to_length_one_unless_they_are_almost_zero(norm: str) -> None:
    edge = neighbours([0, 1e-8, -1e-7, 1e-6, 1.2e-6, 2e19, -1e38], [0, 0, 0, 0, 0, 3e19, 1e38])
    same(Normalizer(norm).fit(edge), edge)
    rows = far()
    same(Normalizer(norm).fit(rows), rows)
    same_in_double(Normalizer(norm).fit(rows.to_numpy(dtype=np.float64)), rows)


@pytest.mark.parametrize("threshold", [0.0, 0.1, np.float64(0.1), -3])
def test_numbers_on_a_threshold_are_below_it(threshold: float) -> None:
    rows = neighbours([0, 0.1, -3, 1])
    same(Binarizer(threshold=threshold).fit(rows), rows, tolerance=0)
    same_in_double(Binarizer(threshold=threshold).fit(rows.to_numpy(dtype=np.float64)), [*rows.to_numpy(), [0.1]])


@pytest.mark.parametrize(
    "polynomial",
    [
        PolynomialFeatures(2),
        PolynomialFeatures(3, interaction_only=True, include_bias=False),
        PolynomialFeatures((2, 3)),
        PolynomialFeatures(0),
    ],
    ids=str,
)
def test_products_of_numbers_are_those_of_training(polynomial: Any) -> None:
    same(polynomial.fit(NUMBERS), far())
    same_in_double(polynomial, far())


def test_all_steps_together_give_the_labels_of_training() -> None:
    frame = pd.concat([FRAME, NUMBERS.rename(columns={"b": "d"})], axis=1)
    ones = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=12, drop="first")
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2)
    filled = SimpleImputer(strategy="median", add_indicator=True)
    encode = ColumnTransformer(
        [
            ("ones", ones, ["t", "gap"]),
            ("codes", codes, ["gap", "t", "id"]),
            ("target", TargetEncoder(), ["t"]),
            ("bins", make_pipeline(filled, KBinsDiscretizer(quantile_method="averaged_inverted_cdf")), ["gap", "c"]),
            (
                "logs",
                make_pipeline(
                    FunctionTransformer(np.log1p), QuantileTransformer(n_quantiles=50, output_distribution="normal")
                ),
                ["c"],
            ),
            ("curves", make_pipeline(PowerTransformer(), SplineTransformer(extrapolation="linear")), ["a", "d"]),
            ("rest", "passthrough", ["b"]),
        ]
    )
    scale = make_pipeline(encode, MinMaxScaler(clip=True), LogisticRegression(max_iter=500))
    model: Pipeline = scale.fit(frame, THREE)
    rows = pd.concat([HARD.fillna({"id": 0}), NUMBERS.rename(columns={"b": "d"})], axis=1)
    found = export(model, inputs_of(rows), classifier=True)
    got = Model(found.model, found.tensors, ["p", "q", "r"]).predict(*matrices_of(rows, inputs_of(rows)))
    assert got.codes is not None
    assert got.probabilities is not None
    assert [("p", "q", "r")[code] for code in got.codes] == model.predict(rows).tolist()
    np.testing.assert_allclose(got.probabilities, model.predict_proba(rows), atol=1e-5)
    assert "OneHotEncoder: rare, missing and number categories encoded as in training" in found.repairs


@pytest.mark.parametrize(
    "estimator",
    [
        OneHotEncoder(min_frequency=12),
        OrdinalEncoder(max_categories=3),
        TargetEncoder(),
        SimpleImputer(add_indicator=True),
        MissingIndicator(),
        FunctionTransformer(np.log1p),
        KBinsDiscretizer(),
        QuantileTransformer(n_quantiles=100, output_distribution="normal"),
        PowerTransformer(),
        SplineTransformer(handle_missing="zeros"),
        RobustScaler(),
        MinMaxScaler(),
        MaxAbsScaler(),
        Normalizer(),
        Binarizer(),
        PolynomialFeatures(),
    ],
    ids=str,
)
def test_the_same_step_gives_the_same_bytes(estimator: Any) -> None:
    columns = FRAME if "Encoder" in str(estimator) else FRAME[["id", "gap"]]
    columns = (
        columns.fillna(1) if isinstance(estimator, Normalizer | KBinsDiscretizer | PolynomialFeatures) else columns
    )
    fitted = estimator.fit(columns.fillna(1) if isinstance(estimator, Binarizer) else columns, BINARY)
    inputs = inputs_of(columns)
    assert export(fitted, inputs, classifier=False).model == export(fitted, inputs, classifier=False).model


def test_only_what_the_standard_exporter_gets_wrong_is_called_a_repair() -> None:
    plain = make_pipeline(
        ColumnTransformer(
            [("t", OneHotEncoder(), ["t"]), ("n", make_pipeline(SimpleImputer(), RobustScaler()), ["gap"])]
        ),
    ).fit(FRAME)
    assert export(plain, inputs_of(FRAME[["t", "gap"]]), classifier=False).repairs == ()
