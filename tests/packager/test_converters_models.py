"""Our converters of classifiers, regressors and what wraps them, against scikit-learn on rows made to be hard."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats
from sklearn import ensemble, naive_bayes, svm
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 - makes the import below possible
from sklearn.feature_selection import SelectKBest
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LinearRegression, LogisticRegression, RANSACRegressor, Ridge, SGDClassifier
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    TunedThresholdClassifierCV,
)
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier, OutputCodeClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)
from sklearn.semi_supervised import SelfTrainingClassifier
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from threadpoolctl import threadpool_limits

from hakobu.export.advice import advice
from hakobu.export.convert import export
from hakobu.table import matrices_of
from hakobu_runtime.errors import ProjectError
from hakobu_runtime.format.feature import Input, Kind
from hakobu_runtime.format.manifest import Dtype
from hakobu_runtime.format.onnx import check_model
from hakobu_runtime.model import Model

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")
NUMBERS, TEXTS = ["a", "b", "n"], ["c"]
both_widths = pytest.mark.parametrize("dtype", Dtype, ids=lambda dtype: dtype.value)
two_or_three = pytest.mark.parametrize(("count", "dtype"), [(2, Dtype.FLOAT32), (3, Dtype.FLOAT64)], ids=str)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Keep boosting from spinning beside the other tests."""
    with threadpool_limits(1):
        yield


def rows(seed: int, size: int, dtype: Dtype) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=size).round(2), 1.4e9 + rng.integers(0, 3000, size) * 40.0
    n = rng.integers(0, 6, size).astype(np.float64)
    a[rng.random(size) < 0.15] = np.nan
    numbers = pd.DataFrame({"a": a, "b": b, "n": n}).astype(dtype.value)
    c = np.array(["red", "green", "Grün", "", "a b"], dtype=object)[rng.integers(0, 5, size)]
    return numbers.assign(c=pd.Series(c, dtype=object))


def learned(dtype: Dtype, size: int = 300) -> tuple[pd.DataFrame, np.ndarray[Any, Any]]:
    """Return a frame and a number that depends on all of it."""
    frame = rows(0, size, dtype)
    noise = np.random.default_rng(1).normal(size=size) / 2
    z = 1.5 * frame["a"].fillna(1).to_numpy(np.float64) + (frame["c"] == "red") * 1.5 + (frame["n"] == 3) * 2
    return frame, np.asarray(z + (frame["b"].to_numpy(np.float64) - 1.4e9) / 60000 - 1.5 + noise)


def hard(dtype: Dtype, size: int = 600) -> pd.DataFrame:
    """Return rows on and beside what training saw, far beyond it, with gaps and unknown categories."""
    frame, rng, seen = rows(7, size, dtype), np.random.default_rng(5), rows(0, 300, dtype)
    known = np.unique(seen["a"].dropna())
    pools = {
        "a": (np.concatenate([known, (known[1:] + known[:-1]) / 2, [-1e6, 50, 0, 1e-30, np.nan]]), 0.7),
        "b": (1.4e9 + np.arange(0, 1200) * 64 + np.tile([0, 20, 128], 400), 0.5),
        "n": (np.array([-1, 6, 2.5, 300, 1e9, np.nan]), 0.2),
    }
    for name, (pool, share) in pools.items():
        cells, chosen = frame[name].to_numpy(dtype.value).copy(), rng.random(size) < share
        cells[chosen] = rng.choice(pool.astype(dtype.value), chosen.sum())
        frame[name] = cells
    texts = frame["c"].to_numpy(dtype=object).copy()
    texts[rng.random(size) < 0.1] = "never seen"
    return frame.assign(c=pd.Series(texts, dtype=object))


def classes(z: np.ndarray[Any, Any], count: int) -> np.ndarray[Any, Any]:
    return (z > 1).astype(np.int64) if count == 2 else np.array(["low", "mid", "高"])[np.digitize(z, [-0.5, 1])]


def same(model: Any, frame: pd.DataFrame, dtype: Dtype, within: float = 1e-5) -> None:
    """Assert that the fitted `model` and its export say the same of each row of `frame`, label and number."""
    kinds = {name: Kind.CATEGORY if frame[name].dtype == object else Kind.NUMBER for name in frame.columns}
    inputs = [Input(name=str(name), column=str(name), kind=kind) for name, kind in kinds.items()]
    names = getattr(model, "classes_", None)
    exported = export(model, inputs, names is not None, dtype)
    check_model(exported.model)
    assert export(model, inputs, names is not None, dtype).model == exported.model
    found = Model(exported.model, exported.tensors, () if names is None else names.tolist()).predict(
        *matrices_of(frame, inputs, dtype)
    )
    if names is None:
        assert found.values is not None
        np.testing.assert_allclose(np.ravel(found.values), model.predict(frame), rtol=within, atol=within)
        return
    assert found.codes is not None
    assert np.array_equal(names[found.codes], model.predict(frame))
    if hasattr(model, "predict_proba"):
        assert found.probabilities is not None
        np.testing.assert_allclose(found.probabilities, model.predict_proba(frame), atol=within)


def encoded(model: Any, *, scale: bool = False) -> Pipeline:
    """Return `model` behind an imputer and an encoder; scaled for those that need it."""
    numbers = make_pipeline(SimpleImputer(), StandardScaler()) if scale else SimpleImputer()
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    encode = ColumnTransformer([("numbers", numbers, NUMBERS), ("texts", one_hot, TEXTS)])
    return Pipeline([("encode", encode), ("model", model)])


def passed(model: Any) -> Pipeline:
    """Return `model` behind nothing but an encoder: it sees the gaps."""
    ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    encode = ColumnTransformer([("numbers", "passthrough", NUMBERS), ("texts", ordinal, TEXTS)])
    return Pipeline([("encode", encode), ("model", model)])


def fast(kind: type, **options: Any) -> Any:
    return kind(max_iter=10, random_state=0, min_samples_leaf=3, **options)


HGC, HGR = ensemble.HistGradientBoostingClassifier, ensemble.HistGradientBoostingRegressor
TREE = DecisionTreeClassifier(max_depth=5, min_samples_leaf=4, random_state=0)
FOREST = ensemble.RandomForestClassifier(n_estimators=10, max_depth=5, random_state=0)
LINEAR, MACHINE = LogisticRegression(), svm.LinearSVC(random_state=0)


@two_or_three
@pytest.mark.parametrize(
    ("columns", "named"),
    [
        ([*NUMBERS, "c"], ["c", "n"]),
        (NUMBERS, ["n"]),
        (["c"], [0]),
        (NUMBERS, [False, False, True]),
        (NUMBERS, "from_dtype"),
    ],
    ids=str,
)
def test_boosting_that_names_its_categories_splits_on_them_as_in_training(
    columns: list[str], named: Any, count: int, dtype: Dtype
) -> None:
    frame, z = learned(dtype)
    model = fast(HGC, categorical_features=named).fit(frame[columns], classes(z, count))
    same(model, hard(dtype)[columns], dtype)


@both_widths
def test_categories_split_within_a_pipeline_too_and_so_do_very_many_of_them(dtype: Dtype) -> None:
    frame, z = learned(dtype, 2000)
    frame["n"] = (np.arange(2000) % 230).astype(dtype.value)
    steps = passed(fast(HGR, categorical_features=[2, 3], max_leaf_nodes=60)).fit(frame, z + frame["n"] % 7)
    fresh = hard(dtype)
    fresh["n"] = np.arange(len(fresh)).astype(dtype.value)
    same(steps, fresh, dtype)


@both_widths
@pytest.mark.parametrize(
    "model",
    [
        passed(fast(HGR, loss="gamma")),
        passed(fast(HGR, loss="poisson", categorical_features=[3])),
        encoded(ensemble.VotingRegressor([("a", fast(HGR, loss="gamma")), ("b", Ridge())], weights=[1, 3])),
        encoded(ensemble.BaggingRegressor(fast(HGR, loss="poisson"), n_estimators=3, max_features=0.6, random_state=0)),
        encoded(
            ensemble.StackingRegressor([("a", fast(HGR, loss="poisson")), ("b", Ridge())], fast(HGR, loss="gamma"))
        ),
        encoded(TransformedTargetRegressor(fast(HGR, loss="gamma"), func=np.sqrt, inverse_func=np.square)),
    ],
    ids=lambda model: type(model[-1]).__name__,
)
def test_the_exponential_behind_boosted_trees_is_kept_wherever_they_stand(model: Any, dtype: Dtype) -> None:
    frame, z = learned(dtype)
    same(model.fit(frame, np.exp(z / 2)), hard(dtype), dtype)


@pytest.mark.parametrize(
    "model",
    [
        encoded(FixedThresholdClassifier(FOREST, threshold=0.3, pos_label="yes")),
        encoded(FixedThresholdClassifier(FOREST, threshold=0.7, pos_label="no")),
        passed(FixedThresholdClassifier(fast(HGC), threshold=0.4, pos_label="no", response_method="decision_function")),
        encoded(FixedThresholdClassifier(MACHINE, threshold=-0.2, pos_label="yes"), scale=True),
        FixedThresholdClassifier(encoded(LINEAR, scale=True), threshold=0.9, pos_label="yes"),
        FixedThresholdClassifier(fast(HGC, categorical_features=["c"]), threshold=0.2, pos_label="yes"),
        encoded(CalibratedClassifierCV(FixedThresholdClassifier(TREE, threshold=0.2, pos_label="yes"), cv=2)),
    ],
    ids=str,
)
def test_a_fixed_threshold_decides_for_either_class_and_on_either_score(model: Any) -> None:
    frame, z = learned(Dtype.FLOAT32)
    same(model.fit(frame, np.array(["no", "yes"], dtype=object)[classes(z, 2)]), hard(Dtype.FLOAT32), Dtype.FLOAT32)


def test_a_probability_that_is_the_threshold_counts_as_above_it() -> None:
    frame, z = learned(Dtype.FLOAT32)
    voters = ensemble.RandomForestClassifier(n_estimators=10, random_state=0)
    model = encoded(FixedThresholdClassifier(voters, threshold=0.3)).fit(frame, classes(z, 2))
    fresh = hard(Dtype.FLOAT32)
    assert (model.predict_proba(fresh)[:, 1] == 0.3).sum() > 5
    same(model, fresh, Dtype.FLOAT32)


@both_widths
@pytest.mark.parametrize(
    "inner", [encoded(LINEAR, scale=True), encoded(FOREST), encoded(svm.SVC(), scale=True)], ids=str
)
def test_a_tuned_threshold_is_applied(inner: Any, dtype: Dtype) -> None:
    frame, z = learned(dtype)
    model = TunedThresholdClassifierCV(inner, scoring="f1", cv=3).fit(frame, classes(z, 2))
    assert not np.array_equal(model.predict(frame), model.estimator_.predict(frame))
    same(model, hard(dtype), dtype)


@pytest.mark.parametrize(("method", "count"), [("sigmoid", 2), ("isotonic", 2), ("isotonic", 3), ("temperature", 3)])
@pytest.mark.parametrize(
    "inner",
    [FOREST, fast(HGC), MACHINE, svm.SVC(), ensemble.GradientBoostingClassifier(n_estimators=5, random_state=0)],
    ids=lambda inner: type(inner).__name__,
)
def test_calibrated_probabilities_are_those_of_training(inner: Any, method: str, count: int) -> None:
    frame, z = learned(Dtype.FLOAT64)
    model = CalibratedClassifierCV(inner, method=method, cv=2, ensemble=count == 2)
    same(encoded(model, scale=True).fit(frame, classes(z, count)), hard(Dtype.FLOAT64), Dtype.FLOAT64)


@pytest.mark.parametrize("inner", [FOREST, fast(HGC), MACHINE], ids=lambda inner: type(inner).__name__)
def test_isotonic_steps_are_found_on_float32_too(inner: Any) -> None:
    frame, z = learned(Dtype.FLOAT32)
    model = CalibratedClassifierCV(
        passed(inner) if inner is not MACHINE else encoded(inner, scale=True), method="isotonic"
    )
    same(model.fit(frame, classes(z, 2)), hard(Dtype.FLOAT32), Dtype.FLOAT32)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30), st.integers(0, 2**32 - 1))
def test_lines_between_points_are_those_of_numpy_on_the_points_and_a_step_beside_them(places: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    learned_at = np.unique(np.concatenate([places, np.nextafter(places, np.inf)]))
    model = IsotonicRegression(out_of_bounds="clip").fit(learned_at, rng.random(len(learned_at)).cumsum())
    at = np.concatenate(
        [learned_at, np.nextafter(learned_at, -np.inf), (learned_at[1:] + learned_at[:-1]) / 2, [-1e9, 1e9]]
    )
    exported = export(model, [Input(name="x", column="x", kind=Kind.NUMBER)], False, Dtype.FLOAT64)
    found = Model(exported.model, exported.tensors, ()).predict(at.reshape(-1, 1), np.empty((len(at), 0), dtype=object))
    assert found.values is not None
    wanted = np.interp(at, model.X_thresholds_, model.y_thresholds_)
    np.testing.assert_allclose(np.ravel(found.values), wanted, rtol=1e-12)


@two_or_three
@pytest.mark.parametrize(
    "model",
    [
        svm.SVC(),
        svm.SVC(kernel="linear", decision_function_shape="ovo"),
        svm.SVC(kernel="poly", coef0=0.5),
        svm.SVC(kernel="sigmoid"),
        svm.SVC(break_ties=True, C=0.05),
        svm.SVC(probability=True, random_state=0),
        svm.NuSVC(nu=0.2),
        MACHINE,
        LinearDiscriminantAnalysis(),
        make_pipeline(SelectKBest(k=3), QuadraticDiscriminantAnalysis(reg_param=0.1)),
        SGDClassifier(loss="modified_huber", random_state=0),
        SGDClassifier(loss="log_loss", random_state=0),
        naive_bayes.GaussianNB(),
        naive_bayes.BernoulliNB(binarize=0.2),
        make_pipeline(MinMaxScaler(clip=True), naive_bayes.MultinomialNB()),
        make_pipeline(MinMaxScaler(clip=True), naive_bayes.ComplementNB()),
    ],
    ids=str,
)
def test_scores_in_double_give_the_same_class_and_probability(model: Any, count: int, dtype: Dtype) -> None:
    frame, z = learned(dtype)
    same(encoded(model, scale=True).fit(frame, classes(z, count)), hard(dtype), dtype, within=2e-5)


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize(
    "model",
    [
        FOREST,
        ensemble.VotingClassifier([("a", FOREST), ("b", TREE), ("c", fast(HGC)), ("d", LINEAR)]),
        ensemble.VotingClassifier([("a", TREE), ("b", "drop"), ("c", FOREST)], voting="soft", weights=[1, 9, 2]),
        ensemble.BaggingClassifier(TREE, n_estimators=6, max_features=0.6, random_state=0),
        ensemble.BaggingClassifier(MACHINE, n_estimators=4, random_state=0),
        ensemble.StackingClassifier([("a", MACHINE), ("b", TREE), ("c", svm.SVC())], cv=2, passthrough=True),
        ensemble.StackingClassifier([("a", LINEAR), ("b", TREE)], TREE, cv=2, stack_method="predict"),
        ensemble.AdaBoostClassifier(TREE, n_estimators=5, random_state=0),
        ensemble.AdaBoostClassifier(LINEAR, n_estimators=4, random_state=0),
        ensemble.GradientBoostingClassifier(n_estimators=5, init=LINEAR, random_state=0),
        OneVsRestClassifier(TREE),
        OneVsRestClassifier(svm.SVC()),
        OneVsRestClassifier(Ridge()),
        OneVsOneClassifier(MACHINE),
        OneVsOneClassifier(TREE),
        OutputCodeClassifier(TREE, random_state=0),
        OutputCodeClassifier(LINEAR, random_state=0),
    ],
    ids=str,
)
def test_equal_votes_go_to_the_class_that_scikit_learn_takes(model: Any, count: int) -> None:
    frame, z = learned(Dtype.FLOAT32)
    same(encoded(model, scale=True).fit(frame, classes(z, count)), hard(Dtype.FLOAT32), Dtype.FLOAT32)


def voted(forests: int, weights: list[int] | None, dtype: Dtype) -> tuple[Any, pd.DataFrame]:
    """Return a soft vote, and rows far out, where all but the forests are all but sure, each of another class."""
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(rng.normal(size=(300, 3)).round(2), columns=NUMBERS).astype(dtype.value)
    y = np.digitize(frame["a"] + frame["b"] - frame["n"] / 2, [-0.7, 0.7])
    pure = ensemble.RandomForestClassifier(n_estimators=10, random_state=0)
    woods = [(f"forest{place}", pure) for place in range(forests)]
    parts = [("line", LINEAR), *woods, ("bayes", naive_bayes.GaussianNB())]
    far = frame.sample(3000, replace=True, random_state=0) * rng.choice([1, -8, 40, 100], (3000, 3))
    model = ensemble.VotingClassifier(parts, voting="soft", weights=weights).fit(frame, y)
    return model, far.astype(dtype.value).reset_index(drop=True)


def all_but_tied(model: Any, frame: pd.DataFrame) -> int:
    first, second = np.sort(model.predict_proba(frame), axis=1)[:, :0:-1].T
    return int(((first - second) < 1e-6).sum())


@pytest.mark.parametrize(
    ("forests", "weights", "dtype"),
    [
        (1, [1, 2, 1], Dtype.FLOAT64),
        (1, [1, 2, 1], Dtype.FLOAT32),
        (1, None, Dtype.FLOAT64),
        (1, None, Dtype.FLOAT32),
        (0, None, Dtype.FLOAT64),
    ],
    ids=str,
)
def test_votes_that_all_but_tie_go_where_scikit_learn_sends_them(
    forests: int, weights: list[int] | None, dtype: Dtype
) -> None:
    model, far = voted(forests, weights, dtype)
    assert all_but_tied(model, far) > 3
    # In float32, scikit-learn's own likelihoods are that far off.
    same(model, far, dtype, within=1e-5 if dtype is Dtype.FLOAT64 else 5e-4)


def test_votes_that_are_float32_alone_are_added_up_in_float32() -> None:
    model, far = voted(0, None, Dtype.FLOAT32)
    assert model.predict_proba(far).dtype == np.float32
    inputs = [Input(name=name, column=name, kind=Kind.NUMBER) for name in NUMBERS]
    exported = export(model, inputs, True, Dtype.FLOAT32)
    found = Model(exported.model, exported.tensors, (0, 1, 2)).predict(*matrices_of(far, inputs))
    # What its softmax rounds in float32 decides some ties; added up in double, one in fourteen would go elsewhere.
    assert found.codes is not None
    assert np.count_nonzero(found.codes != model.predict(far)) < all_but_tied(model, far) / 50


@pytest.mark.parametrize(
    "model",
    [
        GridSearchCV(encoded(FOREST), {"model__max_depth": [2, 4]}, cv=2),
        RandomizedSearchCV(encoded(TREE), {"model__max_depth": [2, 4]}, n_iter=2, cv=2),
        HalvingGridSearchCV(passed(fast(HGC)), {"model__max_leaf_nodes": [4, 8]}, cv=2),
        encoded(GridSearchCV(MACHINE, {"C": [0.1, 1]}, cv=2), scale=True),
        encoded(SelfTrainingClassifier(TREE)),
    ],
    ids=lambda model: type(model).__name__,
)
def test_a_search_hands_on_what_its_best_estimator_says(model: Any) -> None:
    frame, z = learned(Dtype.FLOAT32)
    same(model.fit(frame, classes(z, 2)), hard(Dtype.FLOAT32), Dtype.FLOAT32)


def test_a_frozen_estimator_and_a_search_over_numbers_alone_are_exported_in_their_places() -> None:
    frame, z = learned(Dtype.FLOAT32)
    frozen = FrozenEstimator(encoded(TREE).fit(frame, classes(z, 2)))
    same(
        CalibratedClassifierCV(frozen, method="isotonic").fit(frame, classes(z, 2)), hard(Dtype.FLOAT32), Dtype.FLOAT32
    )
    pick = make_pipeline(ColumnTransformer([("n", SimpleImputer(), ["n", "a"])]), RANSACRegressor(random_state=0))
    search = GridSearchCV(pick, {"ransacregressor__min_samples": [5, 9]}, cv=2).fit(frame[NUMBERS], z)
    same(search, hard(Dtype.FLOAT32)[NUMBERS], Dtype.FLOAT32)


@pytest.mark.parametrize(
    "transformer",
    [
        FunctionTransformer(np.log1p, np.expm1),
        FunctionTransformer(np.log2, np.exp2),
        FunctionTransformer(np.log10, special.exp10),
        FunctionTransformer(np.sinh, np.arcsinh),
        StandardScaler(with_mean=False),
        MinMaxScaler((1, 2)),
        RobustScaler(),
        PowerTransformer(),
        PowerTransformer(method="box-cox", standardize=False),
        QuantileTransformer(n_quantiles=40),
        QuantileTransformer(n_quantiles=40, output_distribution="normal"),
        make_pipeline(FunctionTransformer(np.log, np.exp), StandardScaler()),
        None,
    ],
    ids=str,
)
def test_a_transformed_target_finds_its_way_back(transformer: Any) -> None:
    frame, z = learned(Dtype.FLOAT32)
    tree = DecisionTreeRegressor(min_samples_leaf=3)
    model = TransformedTargetRegressor(encoded(tree), transformer=transformer)
    same(model.fit(frame, stats.norm.cdf(z) * 9 + 0.5), hard(Dtype.FLOAT32), Dtype.FLOAT32)


@pytest.mark.parametrize("kind", [svm.SVR, svm.NuSVR])
@pytest.mark.parametrize("kernel", ["rbf", "linear", "poly", "sigmoid"])
def test_support_vector_regressors_add_up_in_double(kind: type, kernel: str) -> None:
    frame, z = learned(Dtype.FLOAT32)
    same(encoded(kind(kernel=kernel), scale=True).fit(frame, z), hard(Dtype.FLOAT32), Dtype.FLOAT32, within=1e-4)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (encoded(svm.SVC(kernel=lambda a, b: a @ b.T), scale=True), "its kernel is a function"),
        (encoded(TransformedTargetRegressor(LinearRegression(), func=abs, inverse_func=abs)), "inverse_func abs"),
    ],
    ids=["kernel", "inverse"],
)
def test_a_function_of_the_users_own_is_refused_with_a_remedy(model: Any, words: str) -> None:
    frame, z = learned(Dtype.FLOAT32)
    model.fit(frame, classes(z, 2))
    inputs = [Input(name=name, column=name, kind=Kind.NUMBER) for name in NUMBERS]
    with pytest.raises(ProjectError, match=rf"(?s){words}.*\nremedy: .*use"):
        export(model, [*inputs, Input(name="c", column="c", kind=Kind.CATEGORY)], True)


@pytest.mark.parametrize("model", [MultiOutputClassifier(TREE), ClassifierChain(TREE), FOREST], ids=str)
def test_several_targets_are_refused(model: Any) -> None:
    frame, z = learned(Dtype.FLOAT32)
    numbers = frame[["b", "n"]]
    model.fit(numbers, np.column_stack([classes(z, 2), numbers["n"] > 2]))
    with pytest.raises(ProjectError, match="several targets: train one model for each"):
        export(model, [Input(name=name, column=name, kind=Kind.NUMBER) for name in numbers.columns], True)


def test_what_is_exported_rightly_needs_no_advice() -> None:
    frame, z = learned(Dtype.FLOAT32)
    model = TunedThresholdClassifierCV(passed(fast(HGC, categorical_features=[2, 3]))).fit(frame, classes(z, 2))
    assert advice(model) == ""
