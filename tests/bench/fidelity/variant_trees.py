"""Trees, forests and boosting, as people use them."""

from functools import partial

from sklearn import tree
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fidelity.case import Variants
from fidelity.tables import plain

GAPS, GAPS_BINARY, GAPS_VALUE = (partial(plain, task, gaps=True) for task in ("multi", "binary", "value"))
BINARY, WORDS, VALUE = partial(plain, "binary"), partial(plain, "words"), partial(plain, "value")
EPOCH, EPOCH_VALUE = partial(plain, epoch=True), partial(plain, "value", epoch=True)

FOREST = partial(RandomForestClassifier, 10, random_state=0)
FOREST_OF_VALUES = partial(RandomForestRegressor, 10, random_state=0)
BOOSTED = partial(HistGradientBoostingClassifier, max_iter=30, random_state=0)
BOOSTED_VALUES = partial(HistGradientBoostingRegressor, max_iter=30, random_state=0)
STEPPED = partial(GradientBoostingClassifier, n_estimators=20, random_state=0)

TREES: Variants = (
    ("DecisionTreeClassifier, gaps", partial(tree.DecisionTreeClassifier, random_state=0), GAPS),
    ("DecisionTreeRegressor, gaps", partial(tree.DecisionTreeRegressor, random_state=0), GAPS_VALUE),
    ("RandomForestClassifier, gaps", FOREST, GAPS),
    ("RandomForestClassifier, words", FOREST, WORDS),
    ("RandomForestClassifier, epoch", FOREST, EPOCH),
    ("RandomForestClassifier behind a scaler, epoch", lambda: make_pipeline(StandardScaler(), FOREST()), EPOCH),
    ("RandomForestRegressor, gaps", FOREST_OF_VALUES, GAPS_VALUE),
    ("RandomForestRegressor, poisson", partial(FOREST_OF_VALUES, criterion="poisson"), VALUE),
    ("ExtraTreesClassifier, gaps", partial(ExtraTreesClassifier, 10, random_state=0), GAPS),
    ("ExtraTreesRegressor, gaps", partial(ExtraTreesRegressor, 10, random_state=0), GAPS_VALUE),
    ("BaggingClassifier, gaps", partial(BaggingClassifier, random_state=0), GAPS),
    ("AdaBoostClassifier, binary", partial(AdaBoostClassifier, n_estimators=10, random_state=0), BINARY),
    ("IsolationForest, contamination", partial(IsolationForest, contamination=0.2, random_state=0), VALUE),
    ("GradientBoostingClassifier, binary", STEPPED, BINARY),
    ("GradientBoostingClassifier, exponential", partial(STEPPED, loss="exponential"), BINARY),
    ("GradientBoostingRegressor, huber", partial(GradientBoostingRegressor, loss="huber", random_state=0), VALUE),
    ("HistGradientBoostingClassifier, gaps", BOOSTED, GAPS),
    ("HistGradientBoostingClassifier, binary", BOOSTED, GAPS_BINARY),
    ("HistGradientBoostingClassifier, epoch", BOOSTED, EPOCH),
    ("HistGradientBoostingClassifier, categorical", partial(BOOSTED, categorical_features=[2]), GAPS),
    ("HistGradientBoostingClassifier behind a scaler", lambda: make_pipeline(StandardScaler(), BOOSTED()), EPOCH),
    ("HistGradientBoostingRegressor, epoch", BOOSTED_VALUES, EPOCH_VALUE),
    ("HistGradientBoostingRegressor, poisson", partial(BOOSTED_VALUES, loss="poisson"), GAPS_VALUE),
    ("HistGradientBoostingRegressor, gamma", partial(BOOSTED_VALUES, loss="gamma"), GAPS_VALUE),
    ("HistGradientBoostingRegressor, quantile", partial(BOOSTED_VALUES, loss="quantile", quantile=0.8), GAPS_VALUE),
    ("HistGradientBoostingRegressor, absolute", partial(BOOSTED_VALUES, loss="absolute_error"), GAPS_VALUE),
)
