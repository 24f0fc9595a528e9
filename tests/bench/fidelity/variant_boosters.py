"""LightGBM and XGBoost, by their scikit-learn faces, where they are installed."""

from functools import partial
from importlib.util import find_spec

from fidelity.case import Variants
from fidelity.variant_trees import BINARY, EPOCH, GAPS, GAPS_BINARY, GAPS_VALUE, VALUE


def _light() -> Variants:
    if find_spec("lightgbm") is None:
        return ()
    from lightgbm import LGBMClassifier, LGBMRegressor

    classes = partial(LGBMClassifier, n_estimators=15, min_child_samples=5, verbose=-1, random_state=0, n_jobs=1)
    values = partial(LGBMRegressor, n_estimators=15, min_child_samples=5, verbose=-1, random_state=0, n_jobs=1)
    losses = ("regression_l1", "huber", "fair", "poisson", "quantile", "mape", "gamma", "tweedie")
    forest = partial(classes, boosting_type="rf", bagging_freq=1, bagging_fraction=0.7)
    return (
        ("LGBMClassifier", classes, GAPS),
        ("LGBMClassifier, binary", classes, GAPS_BINARY),
        ("LGBMClassifier, epoch", classes, EPOCH),
        ("LGBMClassifier, multiclassova", partial(classes, objective="multiclassova"), GAPS),
        ("LGBMClassifier, rf", forest, BINARY),
        ("LGBMClassifier, dart", partial(classes, boosting_type="dart"), BINARY),
        ("LGBMRegressor", values, GAPS_VALUE),
        *((f"LGBMRegressor, {loss}", partial(values, objective=loss), VALUE) for loss in losses),
    )


def _extreme() -> Variants:
    if find_spec("xgboost") is None:
        return ()
    from xgboost import XGBClassifier, XGBRegressor, XGBRFClassifier

    classes = partial(XGBClassifier, n_estimators=15, max_depth=4, random_state=0, n_jobs=1)
    values = partial(XGBRegressor, n_estimators=15, max_depth=4, random_state=0, n_jobs=1)
    losses = ("count:poisson", "reg:gamma", "reg:tweedie", "reg:absoluteerror", "reg:pseudohubererror")
    return (
        ("XGBClassifier", classes, GAPS),
        ("XGBClassifier, binary", classes, GAPS_BINARY),
        ("XGBClassifier, epoch", classes, EPOCH),
        ("XGBClassifier, dart", partial(classes, booster="dart", rate_drop=0.2), BINARY),
        ("XGBClassifier, gblinear", partial(classes, booster="gblinear"), BINARY),
        ("XGBRFClassifier", partial(XGBRFClassifier, n_estimators=15, random_state=0, n_jobs=1), BINARY),
        ("XGBRegressor", values, GAPS_VALUE),
        *((f"XGBRegressor, {loss}", partial(values, objective=loss), VALUE) for loss in losses),
    )


BOOSTERS: Variants = (*_light(), *_extreme())
