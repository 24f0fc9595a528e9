"""Losses, thresholds, kernels, votes and links."""

from functools import partial

import numpy as np
from sklearn import cluster, kernel_ridge, mixture, neighbors, svm
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, Matern, WhiteKernel
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    RANSACRegressor,
    Ridge,
    SGDClassifier,
    SGDOneClassSVM,
    TweedieRegressor,
)
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV
from sklearn.multioutput import MultiOutputRegressor
from sklearn.naive_bayes import BernoulliNB, GaussianNB
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fidelity.case import Variants
from fidelity.tables import one_column, plain
from fidelity.variant_trees import BINARY, BOOSTED, EPOCH_VALUE, FOREST, GAPS, VALUE, WORDS

MULTI = plain
LOGISTIC = partial(LogisticRegression, max_iter=500)
SGD = partial(SGDClassifier, random_state=0)
PERCEPTRONS = partial(MLPClassifier, (8,), max_iter=200, random_state=0)
PERCEPTRONS_OF_VALUES = partial(MLPRegressor, hidden_layer_sizes=(8,), max_iter=200, random_state=0)
GAUSSIAN = partial(GaussianProcessRegressor, alpha=1e-2, normalize_y=True)
SCALED = partial(make_pipeline, StandardScaler())
KERNEL = ConstantKernel(2.0) * Matern(nu=1.5) + WhiteKernel(0.1)


def _vote(voting: str) -> VotingClassifier:
    parts = [("a", LOGISTIC()), ("b", FOREST()), ("c", GaussianNB())]
    return VotingClassifier(parts, voting=voting, weights=[1, 2, 1])


MODELS: Variants = (
    ("LogisticRegression, binary", LOGISTIC, BINARY),
    ("LogisticRegression, words", LOGISTIC, WORDS),
    ("LinearRegression, epoch", LinearRegression, EPOCH_VALUE),
    ("SGDClassifier, log_loss", partial(SGD, loss="log_loss"), MULTI),
    ("SGDClassifier, modified_huber", partial(SGD, loss="modified_huber"), MULTI),
    ("SGDOneClassSVM, scaled", lambda: SCALED(SGDOneClassSVM(random_state=0)), VALUE),
    ("TweedieRegressor, power 0", partial(TweedieRegressor, power=0), VALUE),
    ("TweedieRegressor, power 1.5", partial(TweedieRegressor, power=1.5), VALUE),
    ("TweedieRegressor, identity link", partial(TweedieRegressor, power=1.5, link="identity", alpha=2), VALUE),
    ("RANSACRegressor, ridge", lambda: RANSACRegressor(Ridge(), min_samples=50, random_state=0), VALUE),
    ("SVC, binary", svm.SVC, BINARY),
    ("SVC, words", svm.SVC, WORDS),
    ("SVC, linear", partial(svm.SVC, kernel="linear"), BINARY),
    ("NuSVC, binary", partial(svm.NuSVC, nu=0.3), BINARY),
    ("LinearSVC, binary", partial(svm.LinearSVC, random_state=0), BINARY),
    ("SVR, poly", lambda: SCALED(svm.SVR(kernel="poly")), VALUE),
    ("OneClassSVM, scaled", lambda: SCALED(svm.OneClassSVM(nu=0.2)), VALUE),
    ("BernoulliNB, binarize", partial(BernoulliNB, binarize=0.5), MULTI),
    ("QuadraticDiscriminantAnalysis, binary", QuadraticDiscriminantAnalysis, BINARY),
    ("MLPClassifier, tanh", partial(PERCEPTRONS, activation="tanh"), MULTI),
    ("MLPClassifier, logistic, binary", partial(PERCEPTRONS, activation="logistic"), BINARY),
    ("MLPClassifier, identity, words", partial(PERCEPTRONS, activation="identity"), WORDS),
    ("MLPRegressor, tanh", partial(PERCEPTRONS_OF_VALUES, activation="tanh"), VALUE),
    ("KNeighborsClassifier, distance", partial(neighbors.KNeighborsClassifier, weights="distance"), MULTI),
    ("KNeighborsClassifier, manhattan", partial(neighbors.KNeighborsClassifier, metric="manhattan"), WORDS),
    ("KNeighborsClassifier, even", partial(neighbors.KNeighborsClassifier, 4), BINARY),
    ("KNeighborsClassifier, brute", partial(neighbors.KNeighborsClassifier, algorithm="brute"), MULTI),
    ("KNeighborsRegressor, distance", partial(neighbors.KNeighborsRegressor, weights="distance"), VALUE),
    ("KNeighborsRegressor, epoch", neighbors.KNeighborsRegressor, EPOCH_VALUE),
    ("NearestCentroid, manhattan", partial(neighbors.NearestCentroid, metric="manhattan"), MULTI),
    ("KernelRidge, rbf", partial(kernel_ridge.KernelRidge, kernel="rbf", alpha=0.1), VALUE),
    ("KernelRidge, poly", partial(kernel_ridge.KernelRidge, kernel="poly", degree=2), VALUE),
    ("GaussianProcessRegressor, kernels", partial(GAUSSIAN, KERNEL), VALUE),
    ("GaussianProcessRegressor, rbf, scaled", lambda: SCALED(GAUSSIAN(RBF(1.5))), VALUE),
    ("GaussianMixture, tied", partial(mixture.GaussianMixture, 3, covariance_type="tied", random_state=0), MULTI),
    ("GaussianMixture, diag", partial(mixture.GaussianMixture, 3, covariance_type="diag", random_state=0), MULTI),
    ("GaussianMixture, spherical", partial(mixture.GaussianMixture, 3, covariance_type="spherical"), MULTI),
    ("KMeans behind a scaler", lambda: SCALED(cluster.KMeans(4, random_state=0)), MULTI),
    ("IsotonicRegression, clip", partial(IsotonicRegression, out_of_bounds="clip"), one_column),
    ("IsotonicRegression, decreasing", partial(IsotonicRegression, increasing=False), one_column),
    ("VotingClassifier, soft, weights", partial(_vote, "soft"), MULTI),
    ("VotingClassifier, hard, weights", partial(_vote, "hard"), MULTI),
    ("StackingClassifier, passthrough", lambda: StackingClassifier(_vote("soft").estimators, passthrough=True), MULTI),
    ("CalibratedClassifierCV, isotonic", partial(CalibratedClassifierCV, FOREST(), method="isotonic", cv=3), BINARY),
    ("CalibratedClassifierCV, isotonic, gaps", partial(CalibratedClassifierCV, BOOSTED(), method="isotonic"), GAPS),
    ("CalibratedClassifierCV, sigmoid, gaps", partial(CalibratedClassifierCV, FOREST(), cv=3), GAPS),
    ("CalibratedClassifierCV, LinearSVC", partial(CalibratedClassifierCV, svm.LinearSVC(random_state=0)), BINARY),
    ("TunedThresholdClassifierCV, forest", partial(TunedThresholdClassifierCV, FOREST(), scoring="f1"), BINARY),
    ("FixedThresholdClassifier, decision", lambda: FixedThresholdClassifier(svm.LinearSVC(), threshold=0.3), BINARY),
    (
        "TransformedTargetRegressor, logarithm",
        lambda: TransformedTargetRegressor(LinearRegression(), func=np.log1p, inverse_func=np.expm1),
        VALUE,
    ),
    (
        "TransformedTargetRegressor, scaler",
        lambda: TransformedTargetRegressor(Ridge(), transformer=StandardScaler()),
        VALUE,
    ),
    ("MultiOutputRegressor, two targets", lambda: MultiOutputRegressor(Ridge()), partial(plain, "two values")),
)
