"""Gaps, categories, edges and texts before a model, and mixed columns."""

from functools import partial
from typing import Any

import numpy as np
from sklearn import decomposition, impute, preprocessing
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import TunedThresholdClassifierCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    OneHotEncoder,
    OrdinalEncoder,
    PowerTransformer,
    QuantileTransformer,
    SplineTransformer,
    StandardScaler,
    TargetEncoder,
)

from fidelity.case import Variants
from fidelity.tables import NUMBERS, TEXTS, Table, identities, mixed, plain, sentences, with_empty_column, words
from fidelity.variant_trees import BOOSTED, EPOCH, FOREST, GAPS, VALUE

MIXED, MIXED_GAPS = partial(mixed, "binary"), partial(mixed, "binary", gaps=True)
LOGISTIC = partial(LogisticRegression, max_iter=500)
RANKS = partial(OrdinalEncoder, handle_unknown="use_encoded_value", unknown_value=-1)
COLUMNS_OF = partial(OneHotEncoder, handle_unknown="ignore", sparse_output=False)
IMPUTED = partial(make_pipeline, impute.SimpleImputer(strategy="median"), StandardScaler())


def both(numbers: Any, texts: Any, *last: Any) -> Any:
    """Return a pipeline that treats numbers and texts apart."""
    return make_pipeline(ColumnTransformer([("n", numbers, list(NUMBERS)), ("t", texts, list(TEXTS))]), *last)


def above_nothing() -> Table:
    """Return numbers that all have a logarithm."""
    table = plain(positive=True)
    return Table(table.X + 0.5, table.y, table.task)


def text_reader(reader: Any) -> Any:
    """Return a pipeline that reads the only column as text."""
    return make_pipeline(ColumnTransformer([("t", reader, 0)]), LOGISTIC())


COLUMNS: Variants = (
    ("SimpleImputer, indicator", partial(impute.SimpleImputer, add_indicator=True), GAPS),
    ("SimpleImputer, empty column", impute.SimpleImputer, with_empty_column),
    ("SimpleImputer, empty column kept", partial(impute.SimpleImputer, keep_empty_features=True), with_empty_column),
    ("SimpleImputer, most frequent", partial(impute.SimpleImputer, strategy="most_frequent"), GAPS),
    (
        "SimpleImputer, texts",
        lambda: make_pipeline(impute.SimpleImputer(missing_values="", strategy="most_frequent"), COLUMNS_OF()),
        words,
    ),
    ("KNNImputer, distance", partial(impute.KNNImputer, weights="distance"), GAPS),
    ("PowerTransformer, gaps", PowerTransformer, GAPS),
    ("PowerTransformer, box-cox", partial(PowerTransformer, method="box-cox"), above_nothing),
    ("StandardScaler, epoch", StandardScaler, EPOCH),
    ("KBinsDiscretizer, uniform", partial(KBinsDiscretizer, encode="ordinal", strategy="uniform"), EPOCH),
    ("KBinsDiscretizer, onehot-dense", partial(KBinsDiscretizer, encode="onehot-dense", strategy="kmeans"), plain),
    ("QuantileTransformer, normal", partial(QuantileTransformer, n_quantiles=50, output_distribution="normal"), plain),
    ("QuantileTransformer, gaps", partial(QuantileTransformer, n_quantiles=50), GAPS),
    ("SplineTransformer, constant", partial(SplineTransformer, extrapolation="constant"), plain),
    ("SplineTransformer, linear", partial(SplineTransformer, extrapolation="linear", knots="quantile"), plain),
    ("SplineTransformer, continue", partial(SplineTransformer, extrapolation="continue"), plain),
    ("SplineTransformer, periodic", partial(SplineTransformer, extrapolation="periodic"), plain),
    ("FunctionTransformer, log1p", partial(FunctionTransformer, np.log1p), partial(plain, positive=True)),
    ("FunctionTransformer, sqrt", partial(FunctionTransformer, np.sqrt), partial(plain, positive=True)),
    ("OneHotEncoder, ids", partial(COLUMNS_OF, dtype=np.float32), identities),
    ("OneHotEncoder, infrequent", partial(COLUMNS_OF, handle_unknown="infrequent_if_exist", min_frequency=15), words),
    ("OneHotEncoder, drop", partial(COLUMNS_OF, drop="first"), words),
    ("OrdinalEncoder, unknown", RANKS, words),
    ("OrdinalEncoder, infrequent", partial(RANKS, min_frequency=15), words),
    ("OrdinalEncoder, ids", RANKS, identities),
    ("TargetEncoder, binary", partial(TargetEncoder, random_state=0), partial(words, "binary")),
    ("TargetEncoder, value", partial(TargetEncoder, random_state=0), partial(words, "value")),
    ("PCA, whiten", partial(decomposition.PCA, 3, whiten=True), EPOCH),
    ("mixed, LogisticRegression", lambda: both(IMPUTED(), COLUMNS_OF(), LOGISTIC()), MIXED_GAPS),
    ("mixed, MLPClassifier", lambda: both(IMPUTED(), COLUMNS_OF(), MLPClassifier((8,), max_iter=200)), MIXED_GAPS),
    ("mixed, Ridge", lambda: both(IMPUTED(), COLUMNS_OF(), Ridge()), partial(mixed, "value")),
    ("mixed, RandomForestClassifier", lambda: both("passthrough", RANKS(), FOREST()), MIXED_GAPS),
    ("mixed, HistGradientBoostingClassifier", lambda: both("passthrough", RANKS(), BOOSTED()), MIXED_GAPS),
    (
        "mixed, HistGradientBoostingClassifier, categorical",
        lambda: both("passthrough", RANKS(), BOOSTED(categorical_features=[5, 6])),
        MIXED_GAPS,
    ),
    ("mixed, TargetEncoder", lambda: both(IMPUTED(), TargetEncoder(random_state=0), LOGISTIC()), MIXED_GAPS),
    (
        "mixed, threshold outside",
        lambda: TunedThresholdClassifierCV(both(IMPUTED(), COLUMNS_OF(), LOGISTIC()), scoring="f1"),
        MIXED_GAPS,
    ),
    ("mixed, no gaps, scaler", lambda: both(StandardScaler(), COLUMNS_OF(), LOGISTIC()), MIXED),
    ("CountVectorizer before a model", lambda: text_reader(CountVectorizer(lowercase=False)), sentences),
    (
        "TfidfVectorizer, words of letters",
        lambda: text_reader(TfidfVectorizer(lowercase=False, token_pattern="[a-zA-Z]+")),
        sentences,
    ),
    ("TfidfVectorizer, characters", lambda: text_reader(TfidfVectorizer(analyzer="char")), sentences),
    (
        "StandardScaler, then bins, then Ridge",
        lambda: make_pipeline(StandardScaler(), preprocessing.KBinsDiscretizer(), Ridge()),
        VALUE,
    ),
)
