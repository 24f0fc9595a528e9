"""The rarer models: each gives on rows made to be hard what scikit-learn gives, or is refused with a way out."""

import re
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper
from scipy.special import erf as known_erf
from sklearn import (
    cluster,
    covariance,
    cross_decomposition,
    decomposition,
    dummy,
    ensemble,
    feature_selection,
    gaussian_process,
    impute,
    isotonic,
    kernel_approximation,
    kernel_ridge,
    linear_model,
    manifold,
    mixture,
    neighbors,
    preprocessing,
    random_projection,
    semi_supervised,
    svm,
)
from sklearn.compose import ColumnTransformer
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.gaussian_process import kernels
from sklearn.neural_network import BernoulliRBM
from sklearn.pipeline import make_pipeline

from hakobu.export.advice import advice
from hakobu.export.convert import Exported, export
from hakobu.export.converters.erf import erf
from hakobu.export.converters.writer import Writer
from hakobu_runtime.errors import ProjectError
from hakobu_runtime.format.feature import Input, Kind
from hakobu_runtime.format.manifest import Dtype
from hakobu_runtime.format.onnx import check_model

INPUTS = [Input(name=f"x{place}", column=f"x{place}", kind=Kind.NUMBER) for place in range(4)]
BOTH = pytest.mark.parametrize("dtype", [Dtype.FLOAT32, Dtype.FLOAT64], ids=str)

Matrix = NDArray[Any]


def rows(n: int = 150) -> Matrix:
    """Numbers that float32 holds: continuous, rounded with ties, whole, and never below 0."""
    rng = np.random.default_rng(0)
    columns = [rng.normal(size=n), rng.normal(size=n).round(1), rng.integers(0, 5, n), rng.lognormal(size=n)]
    return np.column_stack(columns).astype(np.float32).astype(np.float64)


def values(X: Matrix) -> Matrix:
    return np.exp(X[:, 0] / 2 + X[:, 2] / 5) + X[:, 3]


def classes(X: Matrix) -> NDArray[Any]:
    return np.array(["low", "mid", "高"], dtype=object)[np.digitize(X[:, 0] + X[:, 2] / 2, [0.5, 1.5])]


def hard(X: Matrix, reach: float = 2.0**24 + 1, low: float = -np.inf) -> Matrix:
    """Cells of training and half-way between them, each with its float neighbours; the ends; a cell far outside."""
    rng = np.random.default_rng(1)
    mixed = np.take_along_axis(X, rng.integers(0, len(X), (500, X.shape[1])), axis=0)
    other = np.take_along_axis(X, rng.integers(0, len(X), (500, X.shape[1])), axis=0)
    mixed[::2] = mixed[::2] / 2 + other[::2] / 2
    near = np.nextafter(mixed.astype(np.float32), np.float32(rng.choice([-np.inf, np.inf])))
    ends = np.array([X.min(axis=0), X.max(axis=0), 2 * X.max(axis=0) - X.min(axis=0), np.zeros(X.shape[1])])
    far = mixed[: X.shape[1]].copy()
    np.fill_diagonal(far, reach)
    made = np.concatenate([X, mixed, near, ends, far]).astype(np.float32).astype(np.float64)
    return np.maximum(made, low)


def fitted(estimator: Any, X: Matrix, y: Any = None) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return estimator.fit(X, y)


def carried(estimator: Any, X: Matrix, *, labels: bool = False, dtype: Dtype = Dtype.FLOAT32) -> list[NDArray[Any]]:
    """What the exported model gives for `X`, having been looked into, and having come out the same twice."""
    import onnxruntime

    exported: Exported = export(estimator, INPUTS[: X.shape[1]], labels, dtype)
    assert export(estimator, INPUTS[: X.shape[1]], labels, dtype).model == exported.model
    check_model(exported.model)
    session = onnxruntime.InferenceSession(exported.model, providers=["CPUExecutionProvider"])
    found: list[NDArray[Any]] = session.run(None, {"numbers": X.astype(dtype.value)})
    return found


def behind(known: Any, X: Matrix) -> Any:
    """The fitted `known` at the end of a pipeline, behind a step that leaves the columns as they are."""
    return make_pipeline(ColumnTransformer([("all", "passthrough", [0, 1, 2, 3])]).fit(X), known)


def named(part: Any) -> str:
    return re.sub(r" at 0x[0-9a-f]+", "", str(part).replace("\n", ""))[:60]


STEPS = [
    BernoulliRBM(6, n_iter=3, random_state=0),
    cluster.FeatureAgglomeration(2),
    cluster.FeatureAgglomeration(2, pooling_func=np.max),
    decomposition.FactorAnalysis(2, random_state=0),
    decomposition.FastICA(3, random_state=0, whiten="unit-variance"),
    decomposition.IncrementalPCA(2),
    decomposition.KernelPCA(3, kernel="rbf"),
    decomposition.KernelPCA(3, kernel="cosine"),
    decomposition.PCA(3, whiten=True),
    decomposition.SparsePCA(2, random_state=0, max_iter=20),
    decomposition.MiniBatchSparsePCA(2, random_state=0, max_iter=20),
    decomposition.TruncatedSVD(2, random_state=0),
    ensemble.RandomTreesEmbedding(5, random_state=0, max_depth=3),
    feature_selection.GenericUnivariateSelect(mode="k_best", param=2),
    feature_selection.RFE(linear_model.LogisticRegression(), n_features_to_select=2),
    feature_selection.SelectFromModel(linear_model.Lasso(0.01)),
    feature_selection.SequentialFeatureSelector(linear_model.Ridge(), n_features_to_select=2, cv=2),
    feature_selection.VarianceThreshold(1.0),
    impute.IterativeImputer(max_iter=3, random_state=0),
    kernel_approximation.Nystroem(n_components=20, random_state=0),
    kernel_approximation.Nystroem(kernel="laplacian", gamma=0.2, n_components=20, random_state=0),
    kernel_approximation.RBFSampler(gamma=0.1, n_components=15, random_state=0),
    neighbors.RadiusNeighborsTransformer(radius=1.0),
    neighbors.RadiusNeighborsTransformer(radius=1.0, mode="connectivity", metric="chebyshev"),
    random_projection.GaussianRandomProjection(3, random_state=0),
    random_projection.SparseRandomProjection(3, random_state=0, dense_output=True),
    cross_decomposition.PLSSVD(1),
]


@BOTH
@pytest.mark.parametrize("step", STEPS, ids=named)
def test_a_step_gives_what_scikit_learn_gives(step: Any, dtype: Dtype) -> None:
    X = rows()
    supervised = isinstance(step, cross_decomposition.PLSSVD | feature_selection.SequentialFeatureSelector)
    known = fitted(step, X, values(X) if supervised else values(X) > 3)
    fresh = hard(X, 300.0 if isinstance(step, decomposition.KernelPCA) else 2.0**24 + 1)
    wanted = known.transform(fresh)
    wanted = wanted.toarray() if hasattr(wanted, "toarray") else wanted
    for estimator in (known, behind(known, X)):
        found = carried(estimator, fresh, dtype=dtype)[0]
        np.testing.assert_allclose(found, wanted, rtol=2e-6, atol=1e-5)


def test_sums_that_cancel_out_are_rounded_in_float32_where_scikit_learn_has_nothing_wider() -> None:
    X = rows().astype(np.float32)
    known = fitted(random_projection.SparseRandomProjection(5, density=0.7, random_state=0), X)
    large = np.random.default_rng(0).choice([2.0**24 + 2, -(2.0**24), 0.07, -3.0], (400, 4)).astype(np.float32)
    wanted = known.transform(large)
    wanted = wanted.toarray() if hasattr(wanted, "toarray") else wanted
    assert wanted.dtype == np.float32
    assert not np.allclose(wanted, large.astype(np.float64) @ known.components_.toarray().astype(np.float64).T)
    assert np.array_equal(carried(known, large)[0], wanted)


@pytest.mark.parametrize(
    "step",
    [
        kernel_approximation.AdditiveChi2Sampler(),
        kernel_approximation.AdditiveChi2Sampler(sample_steps=4, sample_interval=0.3),
        kernel_approximation.SkewedChi2Sampler(skewedness=0.5, random_state=0),
        kernel_approximation.Nystroem(kernel="chi2", gamma=0.1, n_components=10, random_state=0),
        kernel_approximation.PolynomialCountSketch(degree=3, coef0=1, gamma=0.5, n_components=16, random_state=0),
    ],
    ids=named,
)
def test_a_step_for_positive_numbers_gives_what_scikit_learn_gives(step: Any) -> None:
    X = np.maximum(rows(), 0.0)
    known, fresh = fitted(step, X), hard(X, 30.0, low=0.0)
    np.testing.assert_allclose(carried(known, fresh)[0], known.transform(fresh), rtol=2e-6, atol=1e-4)


def test_a_matrix_of_kernels_is_centred_as_in_training() -> None:
    X = rows(4)
    centerer, products = preprocessing.KernelCenterer().fit(X @ X.T), (hard(X) @ X.T).astype(np.float32)
    wanted = centerer.transform(products.astype(np.float64))
    np.testing.assert_allclose(carried(centerer, products)[0], wanted, rtol=1e-6, atol=1e-6)


LINEAR = (
    "ARDRegression",
    "BayesianRidge",
    "ElasticNetCV",
    "GammaRegressor",
    "HuberRegressor",
    "LarsCV",
    "LassoLarsIC",
    "LinearRegression",
    "PoissonRegressor",
    "QuantileRegressor",
    "RidgeCV",
    "TheilSenRegressor",
)
REGRESSIONS = [
    *(getattr(linear_model, name)(**({"random_state": 0} if name == "TheilSenRegressor" else {})) for name in LINEAR),
    linear_model.TweedieRegressor(power=1.5, link="identity", alpha=1.0),
    linear_model.TweedieRegressor(power=2),
    svm.LinearSVR(random_state=0, max_iter=100),
    cross_decomposition.PLSRegression(2),
    cross_decomposition.CCA(1),
    dummy.DummyRegressor(strategy="median"),
    gaussian_process.GaussianProcessRegressor(
        kernels.RBF([1, 1, 2, 2]) + kernels.WhiteKernel(), alpha=0.1, optimizer=None
    ),
    gaussian_process.GaussianProcessRegressor(
        2.0 * kernels.Matern(nu=2.5) * kernels.RationalQuadratic(alpha=0.5) + kernels.ExpSineSquared(2.0, 3.0),
        alpha=20.0,
        normalize_y=True,
        optimizer=None,
    ),
    gaussian_process.GaussianProcessRegressor(kernels.Matern(nu=0.5) ** 2, alpha=0.1, optimizer=None),
    kernel_ridge.KernelRidge(alpha=0.1, kernel="rbf"),
    kernel_ridge.KernelRidge(alpha=0.1, kernel="poly", degree=2),
    kernel_ridge.KernelRidge(alpha=0.1, kernel="additive_chi2"),
]


@BOTH
@pytest.mark.parametrize("regression", REGRESSIONS, ids=named)
def test_a_regression_gives_the_same_values(regression: Any, dtype: Dtype) -> None:
    X = np.abs(rows())
    known = fitted(regression, X, values(X))
    reach = 30.0 if hasattr(known, "alpha_") or isinstance(known, kernel_ridge.KernelRidge) else 2.0**24 + 1
    fresh = hard(X, reach, low=0.0)
    wanted: Matrix = np.ravel(known.predict(fresh)).astype(dtype.value)
    for estimator in (known, behind(known, X)):
        found = np.ravel(carried(estimator, fresh, dtype=dtype)[0])
        np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-5 if dtype is Dtype.FLOAT32 else 1e-9)


def test_small_differences_of_large_numbers_are_not_lost() -> None:
    stamps = (1.4e9 + np.arange(200) * 128.0)[:, None]
    known = linear_model.LinearRegression().fit(stamps, (stamps[:, 0] - 1.4e9) / 1000)
    found = np.ravel(carried(known, stamps)[0])
    np.testing.assert_allclose(found, known.predict(stamps), rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize("increasing", [True, False])
def test_isotonic_steps_are_drawn_in_double(increasing: bool) -> None:
    X = rows()[:, 1:2]
    known = isotonic.IsotonicRegression(out_of_bounds="clip", increasing=increasing).fit(X, X[:, 0] ** 3)
    fresh = hard(X)
    np.testing.assert_allclose(np.ravel(carried(known, fresh)[0]), known.predict(fresh), rtol=1e-6, atol=1e-7)
    known.set_params(out_of_bounds="nan").fit(X, X[:, 0])
    np.testing.assert_allclose(np.ravel(carried(known, fresh)[0]), known.predict(fresh), rtol=1e-6, atol=1e-7)


CLASSIFIERS = [
    dummy.DummyClassifier(),
    dummy.DummyClassifier(strategy="constant", constant="mid"),
    gaussian_process.GaussianProcessClassifier(kernels.RBF(2.0) + kernels.DotProduct(0.5), optimizer=None),
    neighbors.NearestCentroid(),
    neighbors.NearestCentroid(priors="empirical"),
    neighbors.NearestCentroid(metric="manhattan"),
    neighbors.RadiusNeighborsClassifier(radius=1.5, outlier_label="most_frequent"),
    neighbors.RadiusNeighborsClassifier(radius=1.5, weights="distance", outlier_label="low", algorithm="brute"),
    neighbors.RadiusNeighborsClassifier(radius=1.5, metric="minkowski", p=3, outlier_label="mid"),
    semi_supervised.LabelPropagation(gamma=0.05, max_iter=300),
    semi_supervised.LabelSpreading(gamma=0.05),
]


@BOTH
@pytest.mark.parametrize("two", [True, False])
@pytest.mark.parametrize("classifier", CLASSIFIERS, ids=named)
def test_a_classifier_gives_the_same_labels_and_probabilities(classifier: Any, two: bool, dtype: Dtype) -> None:
    X = rows()
    y = classes(X)
    y = np.where(y == "高", "mid", y) if two else y
    spreads = isinstance(classifier, semi_supervised.LabelPropagation | semi_supervised.LabelSpreading)
    y = np.unique(y, return_inverse=True)[1] if spreads else y
    fresh = hard(X, 8.0)
    known = fitted(classifier, X, y)
    for estimator in (known, behind(known, X)):
        found = carried(estimator, fresh, labels=True, dtype=dtype)
        assert found[0].tolist() == known.predict(fresh).tolist()
        if hasattr(known, "predict_proba"):
            np.testing.assert_allclose(found[1], known.predict_proba(fresh), atol=1e-6)


LABELLERS = [
    cluster.AffinityPropagation(random_state=0),
    cluster.Birch(n_clusters=4),
    cluster.BisectingKMeans(5, random_state=0),
    cluster.KMeans(6, n_init=1, random_state=0),
    cluster.MeanShift(bandwidth=1.5),
    cluster.MiniBatchKMeans(6, n_init=1, random_state=0),
    covariance.EllipticEnvelope(random_state=0),
    ensemble.IsolationForest(n_estimators=20, random_state=0),
    ensemble.IsolationForest(n_estimators=20, random_state=0, contamination=0.1, max_features=0.5),
    linear_model.SGDOneClassSVM(random_state=0),
    *(
        mixture.GaussianMixture(3, covariance_type=kind, random_state=0)
        for kind in ("full", "tied", "diag", "spherical")
    ),
    mixture.BayesianGaussianMixture(n_components=3, random_state=0, max_iter=60),
    neighbors.LocalOutlierFactor(novelty=True),
]


@BOTH
@pytest.mark.parametrize("model", LABELLERS, ids=named)
def test_what_labels_rows_gives_the_same_labels(model: Any, dtype: Dtype) -> None:
    X = rows()
    fresh = hard(X)
    known = fitted(model, X)
    for estimator in (known, behind(known, X)):
        found = carried(estimator, fresh, labels=True, dtype=dtype)
        assert len(found) == 1
        assert found[0].tolist() == known.predict(fresh).tolist()


@pytest.mark.parametrize(
    "imputer",
    [
        impute.IterativeImputer(max_iter=4, random_state=0, add_indicator=True),
        impute.IterativeImputer(linear_model.Ridge(), max_iter=4, initial_strategy="median", min_value=-1, max_value=6),
        impute.KNNImputer(n_neighbors=3, add_indicator=True),
        impute.KNNImputer(n_neighbors=2, weights="distance"),
    ],
    ids=named,
)
def test_gaps_are_filled_as_in_training(imputer: Any) -> None:
    rng = np.random.default_rng(2)
    X = np.random.default_rng(3).normal(size=(150, 4)).astype(np.float32).astype(np.float64)  # nothing ties here
    X[rng.random(X.shape) < 0.1] = np.nan
    known = fitted(imputer, X)
    fresh = np.random.default_rng(4).normal(size=(400, 4)).astype(np.float32).astype(np.float64)
    fresh[:, 0] = X[rng.integers(0, len(X), 400), 0]
    fresh[rng.random(fresh.shape) < 0.3] = np.nan
    fresh[0] = np.nan
    fresh[1, 1] = 2.0**24 + 1
    np.testing.assert_allclose(carried(known, fresh)[0], known.transform(fresh), rtol=2e-6, atol=1e-6)


def test_an_iterative_imputer_given_nothing_at_all_does_not_begin() -> None:
    X = rows()
    X[::5, 1] = np.nan
    known, nothing = fitted(impute.IterativeImputer(max_iter=3, random_state=0), X), np.full((2, 4), np.nan)
    np.testing.assert_allclose(carried(known, nothing)[0], known.transform(nothing), rtol=1e-6)


def test_a_forest_that_isolates_sends_missing_numbers_where_training_did() -> None:
    X = rows()
    X[::4, 0] = np.nan
    known = fitted(ensemble.IsolationForest(n_estimators=30, random_state=0, contamination=0.2), X)
    fresh = hard(rows())
    fresh[::3, 0], fresh[::7, 2] = np.nan, np.nan
    assert carried(known, fresh, labels=True)[0].tolist() == known.predict(fresh).tolist()


SEARCHES = [
    neighbors.KNeighborsClassifier(4),
    neighbors.KNeighborsClassifier(5, weights="distance", metric="manhattan"),
    neighbors.KNeighborsClassifier(5, algorithm="ball_tree", p=3),
    neighbors.KNeighborsRegressor(4, weights="distance"),
    neighbors.KNeighborsTransformer(n_neighbors=3),
    manifold.Isomap(n_neighbors=5),
    manifold.LocallyLinearEmbedding(n_neighbors=5, random_state=0),
]


@pytest.mark.parametrize("search", SEARCHES, ids=named)
def test_a_search_for_neighbours_finds_the_same_ones_or_is_refused(search: Any) -> None:
    X = np.random.default_rng(3).normal(size=(150, 4)).astype(np.float32).astype(np.float64)
    known = fitted(search, X, (X[:, 0] > 0).astype(np.int64) if hasattr(search, "predict_proba") else X[:, 0] ** 2)
    fresh = hard(X, 50.0)
    if hasattr(search, "predict_proba"):
        label, odds = carried(known, fresh, labels=True)
        assert label.tolist() == known.predict(fresh).tolist()
        np.testing.assert_allclose(odds, known.predict_proba(fresh), atol=1e-6)
    else:
        wanted = known.predict(fresh) if hasattr(known, "predict") else known.transform(fresh)
        wanted = wanted.toarray() if hasattr(wanted, "toarray") else wanted
        found = carried(known, fresh)[0]
        np.testing.assert_allclose(found.reshape(wanted.shape), wanted, rtol=1e-5, atol=1e-5)
    grid = rows().round(0)
    refused = fitted(search, grid, np.arange(150) % 2 if hasattr(search, "predict_proba") else np.arange(150))
    with pytest.raises(ProjectError, match=r"(?s)equally far .*remedy: .*order of its search"):
        export(refused, INPUTS, hasattr(search, "predict_proba"))


REFUSED = [
    (isotonic.IsotonicRegression(out_of_bounds="raise"), 'out_of_bounds="clip"'),
    (neighbors.RadiusNeighborsClassifier(radius=9.0), 'outlier_label="most_frequent"'),
    (dummy.DummyClassifier(strategy="uniform"), "draws by chance"),
    (decomposition.NMF(2, max_iter=400), "TruncatedSVD"),
    (gaussian_process.GaussianProcessRegressor(kernels.Matern(nu=0.7), alpha=0.1, optimizer=None), "0.5, 1.5 or 2.5"),
    (neighbors.RadiusNeighborsClassifier(radius=9.0, metric="canberra", outlier_label=1), "'manhattan' or 'cosine'"),
    (feature_selection.SelectKBest(k=0), "chose no feature"),
    (linear_model.LinearRegression(), "several"),
]


@pytest.mark.parametrize(("estimator", "words"), REFUSED, ids=named)
def test_what_cannot_be_the_same_is_refused_with_a_way_out(estimator: Any, words: str) -> None:
    X = np.abs(rows())
    X = X[:, :1] if isinstance(estimator, isotonic.IsotonicRegression) else X
    y: Any = (X[:, 0] > 0.5).astype(np.int64)
    if words == "several":
        assert carried(fitted(estimator, X, np.column_stack([y, y])), X)[0].shape == (150, 2)  # the standard way
        return
    known = fitted(estimator, X, y)
    with pytest.raises(ProjectError, match="remedy: ") as raised:
        export(known, INPUTS[: X.shape[1]], hasattr(known, "predict_proba"))
    assert words in str(raised.value)


def test_models_that_predict_no_number_for_some_rows_are_told_of() -> None:
    X = rows()
    assert "KernelRidge" in advice(neighbors.RadiusNeighborsRegressor().fit(X, X[:, 0]))
    assert "fill in the labels" in advice(semi_supervised.LabelSpreading().fit(X, (X[:, 0] > 0).astype(np.int64)))
    assert "IterativeImputer" in advice(impute.KNNImputer().fit(X))


def test_a_model_that_compares_with_many_rows_reads_few_at_once() -> None:
    X = np.random.default_rng(0).normal(size=(6000, 4))
    known = kernel_ridge.KernelRidge(kernel="linear")
    known.X_fit_, known.dual_coef_, known.n_features_in_ = X, np.ones(6000), 4
    assert export(known, INPUTS, False).tensors.most_rows == 256
    known.X_fit_, known.dual_coef_ = X[:500], np.ones(500)
    assert export(known, INPUTS, False).tensors.most_rows is None


class Scratch:
    """As much of skl2onnx's scope and container as a writer needs."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def get_unique_variable_name(self, seed: str) -> str:
        return f"{seed}{len(self.nodes)}_{len(self.constants)}"

    get_unique_operator_name = get_unique_variable_name

    def add_node(self, kind: str, inputs: list[str], outputs: list[str], op_domain: str, **words: Any) -> None:
        self.nodes.append(helper.make_node(kind, inputs, outputs, domain=op_domain, **words))

    def add_initializer(self, name: str, kind: int, shape: list[int], tensor: Any) -> None:
        tensor.name = name
        self.constants.append(tensor)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.floats(-30, 30), min_size=1, max_size=50))
def test_the_error_function_is_right_to_the_last_bits(numbers: list[float]) -> None:
    import onnxruntime

    scratch = Scratch()
    found = erf(Writer(scratch, scratch), "x")
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        scratch.nodes, "g", [info("x", TensorProto.DOUBLE, [None])], [info(found, TensorProto.DOUBLE, [None])],
        initializer=scratch.constants,
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    given = np.array([*numbers, 0.0, 1.0, -1.0, np.nextafter(1, 0), 5.9, 6.0])
    np.testing.assert_allclose(session.run(None, {"x": given})[0], known_erf(given), rtol=5e-16, atol=1e-300)
