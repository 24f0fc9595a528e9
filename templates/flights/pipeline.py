"""The model of late flights: ordinary scikit-learn."""

from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder


def build() -> Pipeline:
    """Return the unfitted pipeline; it is fitted on a frame with a column for each feature of hakobu.toml.

    Numbers come as float32 with NaN where missing, which the trees route by themselves; categories as text with ""
    where missing.
    """
    encode = ColumnTransformer(
        [
            ("categories", OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
             make_column_selector(dtype_include=object)),
        ],
        remainder="passthrough",
        verbose_feature_names_out=False,
    )
    trees = HistGradientBoostingClassifier(
        learning_rate=0.05, max_iter=150, max_leaf_nodes=15, min_samples_leaf=40, l2_regularization=1.0, random_state=0
    )
    return Pipeline([("encode", encode), ("trees", trees)])
