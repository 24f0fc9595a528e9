"""Which estimators of scikit-learn reach the device unchanged: built as a user would, then scored on 5,000 fresh rows.

`python tests/bench/estimator_sweep.py [--doubles] [NAME ...]` prints a line for each: it matches, it is refused and why, or
it is SILENTLY WRONG, which must never be; with --doubles, models learn from doubles and read them. The fresh rows hold gaps, unknown categories, numbers half-way between those of
training and far beyond them; none of them is made by the code that they judge.
"""

import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hakobu.pack.build import build
from hakobu.project import Project, read_project
from hakobu.table import read_table
from hakobu.train import split_rows, train
from hakobu_runtime.bundle import Bundle, open_bundle
from hakobu_runtime.errors import HakobuError
from hakobu_runtime.scorer.scorer import Scorer
from hakobu_runtime.scorer.scores import Scores
from hakobu_runtime.trust import Keyring, Pin, PrivateKey

KEY = PrivateKey.generate()

PIPELINE = """\
import numpy as np
from sklearn.calibration import *
from sklearn.compose import *
from sklearn.decomposition import *
from sklearn.discriminant_analysis import *
from sklearn.ensemble import *
from sklearn.feature_selection import *
from sklearn.gaussian_process import *
from sklearn.impute import *
from sklearn.linear_model import *
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV, RandomizedSearchCV, TunedThresholdClassifierCV
from sklearn.multiclass import *
from sklearn.naive_bayes import *
from sklearn.neighbors import *
from sklearn.neural_network import *
from sklearn.pipeline import *
from sklearn.preprocessing import *
from sklearn.svm import *
from sklearn.tree import *

NUM, CAT = ["a", "b", "t", "flag", "n"], ["c", "d"]
LR = LogisticRegression
ORD = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
OHE = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
FOREST = dict(n_estimators=25, random_state=0, min_samples_leaf=5)
TREE = dict(max_depth=6, random_state=0, min_samples_leaf=5)
HGC, HGR = [kind(max_iter=40, random_state=0) for kind in (HistGradientBoostingClassifier, HistGradientBoostingRegressor)]
RFC, RFR = RandomForestClassifier(**FOREST), RandomForestRegressor(**FOREST)
ETC, ETR = ExtraTreesClassifier(**FOREST), ExtraTreesRegressor(**FOREST)
DTC, DTR = DecisionTreeClassifier(**TREE), DecisionTreeRegressor(**TREE)


def imp(*steps, **options):
    return make_pipeline(SimpleImputer(strategy="median", **options), *steps)


def both(numbers, texts, model):
    return Pipeline([("encode", ColumnTransformer([("n", numbers, NUM), ("c", texts, CAT)])), ("model", model)])


def nums(*steps):
    return make_pipeline(ColumnTransformer([("n", "passthrough", NUM)]), *steps)


SCALED = imp(StandardScaler())


def build():
    return EXPRESSION
"""

KINDS = {
    "a": "number",
    "b": "number",
    "t": "number",
    "flag": "boolean",
    "n": "integer",
    "c": "category",
    "d": "category",
}

# Name, task (and what is special about the table), expression: a line each, however long.
# ruff: noqa: E501
CASES = (
    ("HGB", "bin", 'both("passthrough", ORD, HGC)'),
    ("HGB multi", "multi", 'both("passthrough", ORD, HGC)'),
    (
        "HGB categorical_features",
        "bin",
        'both("passthrough", ORD, HistGradientBoostingClassifier(max_iter=40, random_state=0, categorical_features=[5,6]))',
    ),
    ("HGB scaled", "bin", 'both("passthrough", ORD, make_pipeline(StandardScaler(), HGC))'),
    (
        "HGB ordinal unknown nan",
        "bin",
        'both("passthrough", OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan), HGC)',
    ),
    (
        "HGB ordinal missing nan",
        "bin",
        'both("passthrough", OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2), HGC)',
    ),
    ("HGB ordinal error", "bin", 'both("passthrough", OrdinalEncoder(), HGC)'),
    (
        "HGB ordinal min_frequency",
        "bin",
        'both("passthrough", OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, min_frequency=100), HGC)',
    ),
    (
        "HGB ordinal min_freq rare",
        "rare",
        'both("passthrough", OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, min_frequency=20), HGC)',
    ),
    ("RF with NaN", "bin", 'both("passthrough", ORD, RFC)'),
    ("RF few NaN", "fewnan", 'both("passthrough", ORD, RFC)'),
    ("ExtraTrees with NaN", "bin", 'both("passthrough", ORD, ETC)'),
    ("DT with NaN", "bin", 'both("passthrough", ORD, DTC)'),
    ("DT few NaN", "fewnan", 'both("passthrough", ORD, DTC)'),
    ("DT NaN never in training", "nonan", 'both("passthrough", ORD, DTC)'),
    ("RF NaN never in training", "nonan", 'both("passthrough", ORD, RFC)'),
    ("RFR NaN never in training", "reg-nonan", 'both("passthrough", ORD, RFR)'),
    ("HGB NaN never in training", "nonan", 'both("passthrough", ORD, HGC)'),
    ("RF imputed", "bin", "both(imp(), ORD, RFC)"),
    ("RF imputed multi", "multi", "both(imp(), ORD, RFC)"),
    ("RF scaled", "bin", "both(SCALED, OHE, RFC)"),
    ("DT scaled", "bin", "both(SCALED, OHE, DTC)"),
    ("GB", "bin", "both(imp(), ORD, GradientBoostingClassifier(n_estimators=30, random_state=0))"),
    ("GB multi", "multi", "both(imp(), ORD, GradientBoostingClassifier(n_estimators=30, random_state=0))"),
    (
        "GB exponential",
        "bin",
        'both(imp(), ORD, GradientBoostingClassifier(n_estimators=30, random_state=0, loss="exponential"))',
    ),
    ("GB scaled", "bin", "both(SCALED, OHE, GradientBoostingClassifier(n_estimators=30, random_state=0))"),
    (
        "GB init zero",
        "bin",
        'both(imp(), ORD, GradientBoostingClassifier(n_estimators=30, random_state=0, init="zero"))',
    ),
    ("GB init LR", "bin", "both(SCALED, OHE, GradientBoostingClassifier(n_estimators=30, random_state=0, init=LR()))"),
    ("LR", "bin", "both(SCALED, OHE, LR())"),
    ("LR multi", "multi", "both(SCALED, OHE, LR())"),
    ("LR OvR", "multi", "both(SCALED, OHE, OneVsRestClassifier(LR()))"),
    ("LR OvO", "multi", "both(SCALED, OHE, OneVsOneClassifier(LR()))"),
    (
        "LR balanced l1",
        "bin",
        'both(SCALED, OHE, LogisticRegression(class_weight="balanced", l1_ratio=1, solver="liblinear"))',
    ),
    (
        "LR ohe min_frequency",
        "rare",
        'both(SCALED, OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=20, sparse_output=False), LR())',
    ),
    (
        "LR ohe min_frequency ignore",
        "rare",
        'both(SCALED, OneHotEncoder(handle_unknown="ignore", min_frequency=20, sparse_output=False), LR())',
    ),
    (
        "LR ohe drop first",
        "bin",
        'both(SCALED, OneHotEncoder(handle_unknown="ignore", drop="first", sparse_output=False), LR())',
    ),
    ("LR ohe sparse", "bin", 'both(SCALED, OneHotEncoder(handle_unknown="ignore"), LR())'),
    ("LR ohe error", "bin", "both(SCALED, OneHotEncoder(), LR())"),
    ("LR target enc", "bin", "both(SCALED, TargetEncoder(), LR())"),
    ("LR target enc multi", "multi", "both(SCALED, TargetEncoder(), LR())"),
    ("LR add_indicator", "bin", "both(imp(StandardScaler(), add_indicator=True), OHE, LR())"),
    (
        "LR FeatureUnion indicator",
        "bin",
        'both(FeatureUnion([("i", SimpleImputer()), ("m", MissingIndicator())]), OHE, make_pipeline(StandardScaler(), LR()))',
    ),
    (
        "LR imputer constant",
        "bin",
        'both(make_pipeline(SimpleImputer(strategy="constant", fill_value=-1), StandardScaler()), OHE, LR())',
    ),
    (
        "LR imputer most_frequent",
        "bin",
        'both(make_pipeline(SimpleImputer(strategy="most_frequent"), StandardScaler()), OHE, LR())',
    ),
    (
        "LR text imputer",
        "bin",
        'both(SCALED, make_pipeline(SimpleImputer(missing_values="", strategy="most_frequent"), OHE), LR())',
    ),
    (
        "LR text imputer const",
        "bin",
        'both(SCALED, make_pipeline(SimpleImputer(missing_values="", strategy="constant", fill_value="none"), OHE), LR())',
    ),
    ("LR KNNImputer", "bin", "both(make_pipeline(KNNImputer(), StandardScaler()), OHE, LR())"),
    ("LR IterativeImputer", "bin", "both(StandardScaler(), OHE, make_pipeline(KNNImputer(), LR()))"),
    ("LR PowerTransformer", "bin", "both(make_pipeline(SimpleImputer(), PowerTransformer()), OHE, LR())"),
    ("LR PowerTransformer NaN first", "bin", "both(make_pipeline(PowerTransformer(), SimpleImputer()), OHE, LR())"),
    ("LR PowerTransformer NaN HGB", "bin", "both(PowerTransformer(), ORD, HGC)"),
    ("LR Quantile", "bin", "both(make_pipeline(SimpleImputer(), QuantileTransformer(n_quantiles=50)), OHE, LR())"),
    ("HGB Quantile NaN", "bin", "both(QuantileTransformer(n_quantiles=50), ORD, HGC)"),
    (
        "LR Quantile normal",
        "bin",
        'both(make_pipeline(SimpleImputer(), QuantileTransformer(n_quantiles=50, output_distribution="normal")), OHE, LR())',
    ),
    ("LR KBins", "bin", 'both(make_pipeline(SimpleImputer(), KBinsDiscretizer(5, encode="onehot-dense")), OHE, LR())'),
    (
        "LR KBins ordinal",
        "bin",
        'both(make_pipeline(SimpleImputer(), KBinsDiscretizer(5, encode="ordinal")), OHE, make_pipeline(StandardScaler(), LR()))',
    ),
    (
        "LR Poly",
        "bin",
        "both(make_pipeline(SimpleImputer(), StandardScaler(), PolynomialFeatures(2)), OHE, LogisticRegression(max_iter=500))",
    ),
    ("LR Spline", "bin", "both(make_pipeline(SimpleImputer(), SplineTransformer()), OHE, LR())"),
    ("LR MinMax", "bin", "both(make_pipeline(SimpleImputer(), MinMaxScaler()), OHE, LR())"),
    ("LR MinMax clip", "bin", "both(make_pipeline(SimpleImputer(), MinMaxScaler(clip=True)), OHE, LR())"),
    ("LR Robust", "bin", "both(make_pipeline(SimpleImputer(), RobustScaler()), OHE, LR())"),
    ("LR MaxAbs clip", "bin", "both(make_pipeline(SimpleImputer(), MaxAbsScaler()), OHE, LR())"),
    ("LR Normalizer", "bin", "both(SCALED, OHE, make_pipeline(Normalizer(), LR()))"),
    ("LR Binarizer", "bin", "both(make_pipeline(SimpleImputer(), Binarizer(threshold=0.3)), OHE, LR())"),
    (
        "LR FunctionTransformer log1p",
        "bin",
        "both(make_pipeline(SimpleImputer(), FunctionTransformer(np.log1p)), OHE, LR())",
    ),
    ("LR FunctionTransformer None", "bin", "both(make_pipeline(FunctionTransformer(), SCALED), OHE, LR())"),
    ("LR SelectKBest", "bin", "both(SCALED, OHE, make_pipeline(SelectKBest(k=5), LR()))"),
    ("LR PCA", "bin", "both(SCALED, OHE, make_pipeline(PCA(5), LR()))"),
    ("LR VarianceThreshold", "bin", "both(SCALED, OHE, make_pipeline(VarianceThreshold(), LR()))"),
    ("HGB VarianceThreshold", "bin", 'both("passthrough", ORD, make_pipeline(VarianceThreshold(), HGC))'),
    ("set_output pandas", "bin", 'both(SCALED, OHE, LR()).set_output(transform="pandas")'),
    ("set_output pandas HGB", "bin", 'both("passthrough", ORD, HGC).set_output(transform="pandas")'),
    (
        "remainder passthrough",
        "bin",
        'Pipeline([("e", ColumnTransformer([("c", ORD, CAT)], remainder="passthrough")), ("m", HGC)])',
    ),
    ("remainder drop", "bin", 'Pipeline([("e", ColumnTransformer([("n", "passthrough", ["b","a"])])), ("m", HGC)])'),
    (
        "column twice",
        "bin",
        'Pipeline([("e", ColumnTransformer([("n", "passthrough", ["b","a","t"]), ("s", SCALED, ["a","b"]), ("c", ORD, ["d"])])), ("m", HGC)])',
    ),
    (
        "reversed columns",
        "bin",
        'Pipeline([("e", ColumnTransformer([("n", "passthrough", NUM[::-1]), ("c", ORD, CAT[::-1])])), ("m", HGC)])',
    ),
    (
        "scalar column",
        "bin",
        'Pipeline([("e", ColumnTransformer([("n", "passthrough", [1, 0]), ("c", ORD, [5, 6])])), ("m", HGC)])',
    ),
    (
        "make_column_selector",
        "bin",
        'Pipeline([("e", make_column_transformer((OHE, make_column_selector(dtype_include=object)), ("passthrough", make_column_selector(dtype_include="number")))), ("m", HGC)])',
    ),
    (
        "FeatureUnion top",
        "bin-num",
        'Pipeline([("u", FeatureUnion([("a", SCALED), ("b", SimpleImputer())])), ("m", HGC)])',
    ),
    ("plain HGB numbers", "bin-num", "HGC"),
    ("plain RF numbers NaN", "bin-num", "RFC"),
    ("plain DT numbers NaN", "bin-num", "DTC"),
    ("plain LR numbers", "bin-num", "imp(StandardScaler(), LR())"),
    ("plain cats", "bin-cat", "make_pipeline(OHE, LR())"),
    ("plain cats ORD HGB", "bin-cat", "make_pipeline(ORD, HGC)"),
    ("plain Voting", "bin-num", 'VotingClassifier([("a", imp(LR())), ("b", imp(RFC))], voting="soft")'),
    ("TunedThreshold", "bin", 'both(SCALED, OHE, TunedThresholdClassifierCV(LR(), scoring="balanced_accuracy"))'),
    ("TunedThreshold near .5", "balanced", 'both(SCALED, OHE, TunedThresholdClassifierCV(LR(), scoring="accuracy"))'),
    ("TunedThreshold outer", "bin", 'TunedThresholdClassifierCV(both(SCALED, OHE, LR()), scoring="f1")'),
    ("FixedThreshold", "bin", "both(SCALED, OHE, FixedThresholdClassifier(LR(), threshold=0.2))"),
    ("FixedThreshold .5", "bin", "both(SCALED, OHE, FixedThresholdClassifier(LR(), threshold=0.501))"),
    ("GridSearch outer", "bin", "GridSearchCV(both(SCALED, OHE, LR()), dict(model__C=[.1, 1]))"),
    ("GridSearch inner", "bin", "both(SCALED, OHE, GridSearchCV(LR(), dict(C=[.1, 1])))"),
    ("SVC", "bin", "both(SCALED, OHE, SVC())"),
    ("SVC multi", "multi", "both(SCALED, OHE, SVC())"),
    ("SVC probability", "bin", "both(SCALED, OHE, SVC(probability=True, random_state=0))"),
    ("LinearSVC", "bin", "both(SCALED, OHE, LinearSVC(random_state=0))"),
    ("LinearSVC multi", "multi", "both(SCALED, OHE, LinearSVC(random_state=0))"),
    ("Calibrated LinearSVC sigmoid", "bin", "both(SCALED, OHE, CalibratedClassifierCV(LinearSVC(random_state=0)))"),
    (
        "Calibrated HGB isotonic",
        "bin",
        'both("passthrough", ORD, CalibratedClassifierCV(HGC, method="isotonic", cv=3))',
    ),
    ("Calibrated HGB sigmoid", "bin", 'both("passthrough", ORD, CalibratedClassifierCV(HGC, method="sigmoid", cv=3))'),
    ("Calibrated RF isotonic", "bin", 'both(imp(), ORD, CalibratedClassifierCV(RFC, method="isotonic", cv=3))'),
    (
        "Calibrated RF sigmoid NaN",
        "bin",
        'both("passthrough", ORD, CalibratedClassifierCV(RFC, method="sigmoid", cv=3))',
    ),
    (
        "Calibrated LR isotonic multi",
        "multi",
        'both(SCALED, OHE, CalibratedClassifierCV(LR(), method="isotonic", cv=3))',
    ),
    ("Voting soft", "bin", 'both(SCALED, OHE, VotingClassifier([("a", LR()), ("b", RFC)], voting="soft"))'),
    ("Voting hard", "bin", 'both(SCALED, OHE, VotingClassifier([("a", LR()), ("b", RFC), ("c", DTC)], voting="hard"))'),
    (
        "Voting weights",
        "bin",
        'both(SCALED, OHE, VotingClassifier([("a", LR()), ("b", HGC)], voting="soft", weights=[1, 3]))',
    ),
    ("Voting NaN trees", "bin", 'both("passthrough", ORD, VotingClassifier([("a", HGC), ("b", RFC)], voting="soft"))'),
    ("Stacking", "bin", 'both(SCALED, OHE, StackingClassifier([("a", LR()), ("b", RFC)], cv=3))'),
    (
        "Stacking passthrough",
        "bin",
        'both(SCALED, OHE, StackingClassifier([("a", LR()), ("b", RFC)], cv=3, passthrough=True))',
    ),
    ("Stacking multi", "multi", 'both(SCALED, OHE, StackingClassifier([("a", LR()), ("b", RFC)], cv=3))'),
    ("Bagging DT NaN", "bin", 'both("passthrough", ORD, BaggingClassifier(DTC, n_estimators=8, random_state=0))'),
    (
        "Bagging HGB",
        "bin",
        'both("passthrough", ORD, BaggingClassifier(HGC, n_estimators=3, random_state=0, max_features=0.7))',
    ),
    ("AdaBoost", "bin", "both(imp(), ORD, AdaBoostClassifier(n_estimators=20, random_state=0))"),
    (
        "AdaBoost NaN",
        "bin",
        'both("passthrough", ORD, AdaBoostClassifier(DecisionTreeClassifier(max_depth=3), n_estimators=20, random_state=0))',
    ),
    ("KNN", "bin", "both(SCALED, OHE, KNeighborsClassifier())"),
    ("KNN distance", "bin", 'both(SCALED, OHE, KNeighborsClassifier(weights="distance"))'),
    ("GaussianNB", "bin", "both(SCALED, OHE, GaussianNB())"),
    ("BernoulliNB", "bin", "both(SCALED, OHE, BernoulliNB())"),
    ("LDA", "bin", "both(SCALED, OHE, LinearDiscriminantAnalysis())"),
    ("QDA", "bin", "nums(SimpleImputer(), StandardScaler(), QuadraticDiscriminantAnalysis())"),
    ("MLP", "bin", "both(SCALED, OHE, MLPClassifier((8,), max_iter=60, random_state=0))"),
    ("MLP multi", "multi", "both(SCALED, OHE, MLPClassifier((8,), max_iter=60, random_state=0))"),
    ("SGD log", "bin", 'both(SCALED, OHE, SGDClassifier(loss="log_loss", random_state=0))'),
    ("SGD modified_huber", "bin", 'both(SCALED, OHE, SGDClassifier(loss="modified_huber", random_state=0))'),
    ("SGD hinge", "bin", "both(SCALED, OHE, SGDClassifier(random_state=0))"),
    ("RidgeClassifier", "bin", "both(SCALED, OHE, RidgeClassifier())"),
    ("Perceptron", "bin", "both(SCALED, OHE, Perceptron())"),
    ("PassiveAggressive", "bin", "both(SCALED, OHE, PassiveAggressiveClassifier(random_state=0))"),
    ("HGR", "reg", 'both("passthrough", ORD, HGR)'),
    (
        "HGR poisson",
        "reg-pos",
        'both("passthrough", ORD, HistGradientBoostingRegressor(loss="poisson", max_iter=40, random_state=0))',
    ),
    (
        "HGR gamma",
        "reg-pos",
        'both("passthrough", ORD, HistGradientBoostingRegressor(loss="gamma", max_iter=40, random_state=0))',
    ),
    (
        "HGR quantile",
        "reg",
        'both("passthrough", ORD, HistGradientBoostingRegressor(loss="quantile", quantile=0.5, max_iter=40, random_state=0))',
    ),
    (
        "HGR categorical",
        "reg",
        'both("passthrough", ORD, HistGradientBoostingRegressor(max_iter=40, random_state=0, categorical_features=[5,6]))',
    ),
    ("RFR NaN", "reg", 'both("passthrough", ORD, RFR)'),
    ("RFR few NaN", "reg-fewnan", 'both("passthrough", ORD, RFR)'),
    (
        "RFR poisson",
        "reg-pos",
        'both(imp(), ORD, RandomForestRegressor(n_estimators=25, random_state=0, min_samples_leaf=5, criterion="poisson"))',
    ),
    ("ETR NaN", "reg", 'both("passthrough", ORD, ETR)'),
    ("DTR NaN", "reg", 'both("passthrough", ORD, DTR)'),
    ("GBR", "reg", "both(imp(), ORD, GradientBoostingRegressor(n_estimators=30, random_state=0))"),
    ("GBR huber", "reg", 'both(imp(), ORD, GradientBoostingRegressor(n_estimators=30, random_state=0, loss="huber"))'),
    ("Linear", "reg", "both(SCALED, OHE, LinearRegression())"),
    ("Ridge", "reg", "both(SCALED, OHE, Ridge())"),
    ("Lasso", "reg", "both(SCALED, OHE, Lasso(0.01))"),
    ("Linear unscaled epoch", "reg", "both(imp(), OHE, LinearRegression())"),
    (
        "TTR log",
        "reg-pos",
        "both(SCALED, OHE, TransformedTargetRegressor(LinearRegression(), func=np.log, inverse_func=np.exp))",
    ),
    (
        "TTR scaler",
        "reg",
        "both(SCALED, OHE, TransformedTargetRegressor(LinearRegression(), transformer=StandardScaler()))",
    ),
    (
        "TTR outer log1p",
        "reg-pos",
        "TransformedTargetRegressor(both(SCALED, OHE, LinearRegression()), func=np.log1p, inverse_func=np.expm1)",
    ),
    ("Poisson", "reg-pos", "both(SCALED, OHE, PoissonRegressor())"),
    ("Gamma", "reg-pos", "both(SCALED, OHE, GammaRegressor())"),
    ("Tweedie 1.5", "reg-pos", "both(SCALED, OHE, TweedieRegressor(power=1.5))"),
    ("Tweedie 0", "reg", "both(SCALED, OHE, TweedieRegressor(power=0, alpha=0.01))"),
    ("Huber", "reg", "both(SCALED, OHE, HuberRegressor(max_iter=1000))"),
    ("SVR", "reg", "both(SCALED, OHE, SVR())"),
    ("LinearSVR", "reg", "both(SCALED, OHE, LinearSVR(random_state=0))"),
    ("KNR", "reg", "both(SCALED, OHE, KNeighborsRegressor())"),
    ("KNR distance", "reg", 'both(SCALED, OHE, KNeighborsRegressor(weights="distance"))'),
    ("MLPR", "reg", "both(SCALED, OHE, MLPRegressor(hidden_layer_sizes=(8,), max_iter=300, random_state=0))"),
    ("VotingR", "reg", 'both(SCALED, OHE, VotingRegressor([("a", LinearRegression()), ("b", RFR)]))'),
    ("StackingR", "reg", 'both(SCALED, OHE, StackingRegressor([("a", LinearRegression()), ("b", RFR)], cv=3))'),
    ("AdaBoostR", "reg", "both(imp(), ORD, AdaBoostRegressor(n_estimators=20, random_state=0))"),
    ("BaggingR NaN", "reg", 'both("passthrough", ORD, BaggingRegressor(DTR, n_estimators=8, random_state=0))'),
    ("Quantile reg", "reg", "both(SCALED, OHE, QuantileRegressor(alpha=0))"),
    ("GPR", "reg", "both(SCALED, OHE, GaussianProcessRegressor(alpha=1.0))"),
    ("Bayesian", "reg", "both(SCALED, OHE, BayesianRidge())"),
    ("RANSAC", "reg", "both(SCALED, OHE, RANSACRegressor(random_state=0))"),
    (
        "HGB names categories itself",
        "bin",
        'HistGradientBoostingClassifier(max_iter=40, random_state=0, categorical_features=["c", "d", "n"])',
    ),
    (
        "HGB names categories multi",
        "multi",
        'HistGradientBoostingClassifier(max_iter=20, random_state=0, categorical_features=["c", "d"])',
    ),
    (
        "HGB from_dtype, none",
        "bin-num",
        'HistGradientBoostingClassifier(max_iter=20, random_state=0, categorical_features="from_dtype")',
    ),
    (
        "HGR poisson in a vote",
        "reg-pos",
        'both("passthrough", ORD, VotingRegressor([("a", HistGradientBoostingRegressor(loss="poisson", max_iter=20)), ("b", HGR)]))',
    ),
    (
        "HGR gamma in a bag",
        "reg-pos",
        'both("passthrough", ORD, BaggingRegressor(HistGradientBoostingRegressor(loss="gamma", max_iter=20), n_estimators=3, max_features=0.7, random_state=0))',
    ),
    (
        "HGR poisson in a stack",
        "reg-pos",
        'both("passthrough", ORD, StackingRegressor([("a", HistGradientBoostingRegressor(loss="poisson", max_iter=20)), ("b", RFR)], cv=3))',
    ),
    (
        "TTR poisson HGR",
        "reg-pos",
        'both("passthrough", ORD, TransformedTargetRegressor(HistGradientBoostingRegressor(loss="poisson", max_iter=20), func=np.sqrt, inverse_func=np.square))',
    ),
    (
        "TTR quantile normal",
        "reg",
        'both(SCALED, OHE, TransformedTargetRegressor(Ridge(), transformer=QuantileTransformer(n_quantiles=300, output_distribution="normal")))',
    ),
    ("TTR power", "reg-pos", "both(imp(), ORD, TransformedTargetRegressor(RFR, transformer=PowerTransformer()))"),
    (
        "TTR lambda",
        "reg-pos",
        "both(SCALED, OHE, TransformedTargetRegressor(Ridge(), func=lambda y: y / 2, inverse_func=lambda y: y * 2))",
    ),
    ("TunedThreshold forest", "bin", 'both(imp(), ORD, TunedThresholdClassifierCV(RFC, scoring="f1"))'),
    ("TunedThreshold SVC", "bin", 'both(SCALED, OHE, TunedThresholdClassifierCV(SVC(), scoring="f1"))'),
    (
        "FixedThreshold decision",
        "bin",
        'both("passthrough", ORD, FixedThresholdClassifier(HGC, threshold=0.4, response_method="decision_function"))',
    ),
    (
        "FixedThreshold forest tie",
        "bin",
        "both(imp(), ORD, FixedThresholdClassifier(RandomForestClassifier(n_estimators=10, random_state=0), threshold=0.3))",
    ),
    ("Calibrated SVC isotonic", "bin", 'both(SCALED, OHE, CalibratedClassifierCV(SVC(), method="isotonic", cv=3))'),
    (
        "Calibrated HGB isotonic multi",
        "multi",
        'both("passthrough", ORD, CalibratedClassifierCV(HGC, method="isotonic", cv=3))',
    ),
    (
        "Calibrated RF isotonic one",
        "multi",
        'both(imp(), ORD, CalibratedClassifierCV(RFC, method="isotonic", cv=3, ensemble=False))',
    ),
    ("Calibrated temperature", "multi", 'both(SCALED, OHE, CalibratedClassifierCV(LR(), method="temperature", cv=3))'),
    ("Calibrated outer", "bin", 'CalibratedClassifierCV(both(imp(), ORD, RFC), method="isotonic", cv=3)'),
    ("SVC poly", "multi", 'both(SCALED, OHE, SVC(kernel="poly", coef0=0.5))'),
    ("SVC break_ties", "multi", "both(SCALED, OHE, SVC(break_ties=True))"),
    ("SVC probability multi", "multi", "both(SCALED, OHE, SVC(probability=True, random_state=0))"),
    ("NuSVC", "bin", "both(SCALED, OHE, NuSVC(nu=0.2))"),
    ("NuSVR", "reg", "both(SCALED, OHE, NuSVR())"),
    ("OvR trees", "multi", "both(imp(), ORD, OneVsRestClassifier(DTC))"),
    ("OvO SVC", "multi", "both(SCALED, OHE, OneVsOneClassifier(SVC()))"),
    ("OutputCode LR", "multi", "both(SCALED, OHE, OutputCodeClassifier(LR(), random_state=0))"),
    ("OutputCode trees", "multi", "both(imp(), ORD, OutputCodeClassifier(DTC, random_state=0))"),
    ("AdaBoost multi", "multi", "both(imp(), ORD, AdaBoostClassifier(DTC, n_estimators=20, random_state=0))"),
    ("AdaBoost LR", "bin", "both(SCALED, OHE, AdaBoostClassifier(LR(), n_estimators=10, random_state=0))"),
    ("LDA multi", "multi", "both(SCALED, OHE, LinearDiscriminantAnalysis())"),
    ("QDA multi", "multi", "nums(SimpleImputer(), StandardScaler(), QuadraticDiscriminantAnalysis())"),
    ("MultinomialNB", "multi", "both(make_pipeline(SimpleImputer(), MinMaxScaler(clip=True)), OHE, MultinomialNB())"),
    ("ComplementNB", "multi", "both(make_pipeline(SimpleImputer(), MinMaxScaler(clip=True)), OHE, ComplementNB())"),
    ("NearestCentroid", "multi", "both(SCALED, OHE, NearestCentroid())"),
    (
        "Voting hard forests",
        "multi",
        'both("passthrough", ORD, VotingClassifier([("a", RFC), ("b", DTC), ("c", HGC)]))',
    ),
    (
        "Voting drop",
        "bin",
        'both(SCALED, OHE, VotingClassifier([("a", LR()), ("b", "drop"), ("c", RFC)], voting="soft", weights=[1, 5, 2]))',
    ),
    (
        "Stacking scores",
        "bin",
        'both(SCALED, OHE, StackingClassifier([("a", LinearSVC(random_state=0)), ("b", RFC)], cv=3))',
    ),
    (
        "Bagging SVC",
        "bin",
        "both(SCALED, OHE, BaggingClassifier(LinearSVC(random_state=0), n_estimators=4, random_state=0))",
    ),
    (
        "RandomizedSearch forest",
        "bin",
        "RandomizedSearchCV(both(imp(), ORD, RFC), dict(model__max_depth=[3, 6]), n_iter=2, cv=3, random_state=0)",
    ),
    (
        "GridSearch numbers",
        "bin-num",
        "GridSearchCV(nums(SimpleImputer(), DTC), dict(decisiontreeclassifier__max_depth=[2, 4]))",
    ),
)


def table(task: str, rows: int, seed: int) -> tuple[pd.DataFrame, NDArray[Any]]:
    """Return a small table of every kind of column, and its target."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=rows).round(3), rng.lognormal(size=rows).round(2)
    t = 1_400_000_000 + rng.integers(0, 3000, rows) * 40  # float32 tells only every 128th second apart
    flag, n = rng.random(rows) < 0.4, rng.integers(0, 6, rows)
    c = np.array(["red", "green", "blue", "Grün", "", "a b"], dtype=object)[rng.integers(0, 6, rows)]
    if task == "rare":
        rare = rng.random(rows) < 0.01
        c[rare] = np.array(["zz1", "zz2", "zz3"], dtype=object)[rng.integers(0, 3, rows)][rare]
    d = np.array(["x", "y"], dtype=object)[rng.integers(0, 2, rows)]
    z = 1.5 * a + (b > 1) - 1.2 * flag + (c == "red") * 1.5 - (c == "") + (t - 1.4e9) / 60000 + 0.4 * n - 1.5
    frame = pd.DataFrame({"a": a, "b": b, "t": t, "flag": flag, "n": n, "c": c, "d": d})
    gap = 0.0 if task.endswith("nonan") else 0.005 if task.endswith("fewnan") else 0.15
    frame.loc[rng.random(rows) < gap, "a"] = np.nan
    frame.loc[rng.random(rows) < gap / 3, "b"] = np.nan
    noise = rng.normal(size=rows)
    if task == "reg-pos":
        return frame, np.exp(z / 2).clip(0.01) + 0.1
    if task.startswith("reg"):
        return frame, z * 10 + noise
    if task == "multi":
        return frame, np.array(["low", "mid value", "高"], dtype=object)[np.digitize(z + noise / 2, [-0.5, 1])]
    return frame, (z + noise / 2 > (np.median(z) if task == "balanced" else 1)).astype(int)


def write_project(folder: Path, task: str, expression: str, dtype: str) -> Project:
    """Write a project whose pipeline is `expression`, with gates that only parity can fail."""
    frame, y = table(task, 2000, 0)
    wide = {"num": lambda kind: kind != "category", "cat": lambda kind: kind == "category"}.get(task.rpartition("-")[2])
    frame.assign(y=y).to_csv(folder / "data.csv", index=False)
    kind = "regression" if task.startswith("reg") else "classification"
    parity = "parity = { absolute = 1e-4, relative = 1e-4 }\n" if kind == "regression" else ""
    features = [f'[features.{name}]\nkind = "{kind}"\n' for name, kind in KINDS.items() if wide is None or wide(kind)]
    (folder / "hakobu.toml").write_text(
        f'[model]\nname = "sweep"\nversion = "1.0.0"\ntask = "{kind}"\ndtype = "{dtype}"\n[data]\npath = "data.csv"\ntarget = "y"\n'
        f"[gates]\noverfit_gap = 100\ndummy_margin = -100\n{parity}{''.join(features)}"
    )
    (folder / "pipeline.py").write_text(PIPELINE.replace("EXPRESSION", expression))
    return read_project(folder)


def fresh_rows(task: str, rows: int = 5000) -> pd.DataFrame:
    """Return rows that training never saw, many of them made to be hard."""
    frame, rng = table(task, rows, 99)[0].astype(object), np.random.default_rng(5)
    seen = table(task, 2000, 0)[0]

    def put(column: str, share: float, pool: Any) -> None:
        pick = rng.random(rows) < share
        frame.loc[pick, column] = rng.choice(np.array(pool, dtype=object), int(pick.sum()))

    for column in ("a", "b"):
        known = np.unique(seen[column].dropna())
        put(column, 0.3, (known[1:] + known[:-1]) / 2)
        put(column, 0.05, [-1e6, 1e6, -50, 50, 0, 1e-30, -7.3, 12.25])
        put(column, 0.15, [None])
    put("t", 0.4, 1.4e9 + np.arange(1, 1200) * 64)
    put("t", 0.05, [0, 1e9, 2e9, -5])
    for column in ("t", "n", "flag", "d"):
        put(column, 0.05, [None])
    put("c", 0.08, ["never seen"])
    put("d", 0.05, ["X"])
    return frame


def source_frame(frame: pd.DataFrame, names: list[str], dtype: str) -> pd.DataFrame:
    """Return what training would have made of these rows, written a second time on purpose."""
    columns: dict[str, pd.Series[Any]] = {}
    for name in names:
        if KINDS[name] == "category":
            columns[name] = pd.Series([cell if isinstance(cell, str) else "" for cell in frame[name]], dtype=object)
        else:
            columns[name] = pd.Series(pd.to_numeric(frame[name]).to_numpy(np.float64).astype(dtype))
    return pd.DataFrame(columns)


def verdict(task: str, expression: str, dtype: str) -> tuple[str, str]:
    """Return what became of one estimator, and the numbers or the reason."""
    with TemporaryDirectory() as folder:
        project = write_project(Path(folder), task, expression, dtype)
        try:
            built = build(project, KEY)
        except HakobuError as error:
            return "refused", " ".join(str(error).split())
        if built.path is None:
            return "refused", "; ".join(
                f"{gate.name} = {gate.value}: {gate.remedy}" for gate in built.gates if gate.remedy
            )
        bundle = open_bundle(built.path, Keyring((Pin(KEY.public),)))
        rows = read_table(project)
        estimator = train(rows, split_rows(rows, project), project).estimator
        frame = fresh_rows(task)
        names = [wish.name for wish in project.inputs]
        scores = Scorer(bundle.manifest, bundle.model).score({name: frame[name].tolist() for name in names})
        keep = np.array([word != "rejected" for word in scores.verdicts])
        wrong, most = compare(bundle, scores, estimator, source_frame(frame, names, dtype)[keep], keep)
    word = "SILENTLY WRONG" if wrong else "match"
    return word, f"{wrong} of {keep.sum()} rows differ, at most by {most:.3g}"


def compare(
    bundle: Bundle, scores: Scores, estimator: Any, frame: pd.DataFrame, keep: NDArray[np.bool_]
) -> tuple[int, float]:
    """Return how many rows differ, and the largest difference."""
    expected, tolerance = estimator.predict(frame), bundle.golden.tolerance
    given = [prediction for prediction, kept in zip(scores.predictions, keep, strict=True) if kept]
    if bundle.manifest.tensors.value is not None:
        found, wanted = np.array(given, dtype=np.float64), np.asarray(expected, dtype=np.float64)
        differs = np.zeros(len(found), dtype=np.bool_)
    else:
        differs = np.array([str(one) != str(other) for one, other in zip(given, expected, strict=True)])
        if scores.probabilities is None:
            return int(differs.sum()), 0.0
        found, wanted = scores.probabilities[keep].astype(np.float64), estimator.predict_proba(frame)
    difference = np.abs(found - wanted)
    beyond = ~(difference <= tolerance.absolute + tolerance.relative * np.abs(wanted))
    return int((differs | beyond.reshape(len(differs), -1).any(axis=1)).sum()), float(difference.max())


def chosen(names: list[str]) -> Iterator[tuple[str, str, str]]:
    """Yield the cases named, or all."""
    return (case for case in CASES if not names or case[0] in names)


def main() -> None:
    """Print a line for each case; exit 1 when one is silently wrong."""
    warnings.simplefilter("ignore")
    words = []
    names = [name for name in sys.argv[1:] if name != "--doubles"]
    dtype = "float64" if "--doubles" in sys.argv else "float32"
    for name, task, expression in chosen(names):
        word, why = verdict(task, expression, dtype)
        words.append(word)
        print(f"{word:<14} | {name:<30} | {why[:200]}", flush=True)
    print(", ".join(f"{words.count(word)} {word}" for word in sorted(set(words))))
    sys.exit("SILENTLY WRONG" in words)


if __name__ == "__main__":
    main()
