"""What to do about the rarer models that stay refused, or that predict no number for some rows."""

from collections.abc import Callable
from typing import Any

from sklearn import decomposition, feature_extraction, impute, isotonic, kernel_approximation, manifold, neighbors
from sklearn.semi_supervised import LabelPropagation, LabelSpreading

_SEARCHES = (
    neighbors.KNeighborsClassifier,
    neighbors.KNeighborsRegressor,
    neighbors.KNeighborsTransformer,
    manifold.Isomap,
    manifold.LocallyLinearEmbedding,
)
_SOLVED = (
    decomposition.DictionaryLearning,
    decomposition.LatentDirichletAllocation,
    decomposition.MiniBatchDictionaryLearning,
    decomposition.MiniBatchNMF,
    decomposition.NMF,
    decomposition.SparseCoder,
)


def _always(found: Any) -> bool:
    return True


ADVICE: tuple[tuple[tuple[type, ...], Callable[[Any], bool], str], ...] = (
    (
        _SEARCHES,
        _always,
        "of training rows that lie equally far it takes some, in the order of its search: use trees, a linear model, "
        "KernelRidge or RadiusNeighborsClassifier, which take all or none",
    ),
    (
        (impute.KNNImputer,),
        _always,
        "of training rows that lie equally far it takes some, in no fixed order: use IterativeImputer or SimpleImputer",
    ),
    (
        (isotonic.IsotonicRegression,),
        lambda found: found.out_of_bounds != "clip",
        'beyond its points it predicts no number: set out_of_bounds="clip"',
    ),
    (
        (neighbors.RadiusNeighborsClassifier,),
        lambda found: found.outlier_label is None,
        'rows far from all others get no class: set outlier_label="most_frequent"',
    ),
    (
        (neighbors.RadiusNeighborsRegressor,),
        _always,
        "rows far from all others get no number: use KernelRidge, trees or a linear model",
    ),
    (
        (LabelPropagation, LabelSpreading),
        _always,
        "rows far from all others get no probability: let it fill in the labels, and fit another classifier on them",
    ),
    (_SOLVED, _always, "it solves an equation anew for each row: use PCA, TruncatedSVD, FastICA or SparsePCA"),
    (
        (kernel_approximation.PolynomialCountSketch,),
        _always,
        "its sums cancel out for large values: use Nystroem or PolynomialFeatures",
    ),
    (
        (feature_extraction.FeatureHasher,),
        _always,
        "hashes of texts are not carried over: use OneHotEncoder with min_frequency",
    ),
    (
        (neighbors.LocalOutlierFactor,),
        lambda found: not found.novelty,
        "it judges only the rows that it was fitted on: set novelty=True",
    ),
)
"""Kinds, whether one of them is in question, and the words."""
