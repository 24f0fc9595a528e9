"""The tables of `hakobu.toml`: what a builder can set, with the rules of each."""

from enum import StrEnum
from typing import Literal

import msgspec

from hakobu_runtime.format.background import MOST_ROWS
from hakobu_runtime.format.best_before import BestBefore
from hakobu_runtime.format.feature import Part, Policy
from hakobu_runtime.format.golden import Tolerance
from hakobu_runtime.format.manifest import NAME, VERSION, Dtype, WindowBy
from hakobu_runtime.format.window import Span


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of `hakobu.toml`."""


class Task(StrEnum):
    """What the model predicts."""

    CLASSIFICATION = "classification"
    REGRESSION = "regression"


class ModelTable(Table, frozen=True):
    """`[model]`: the model's name and how it is trained."""

    name: str
    version: str
    task: Task
    pipeline: str = "pipeline:build"
    """The function that makes the pipeline, to be fitted here."""
    brought: str | None = msgspec.field(default=None, name="from")
    """The file of a model that was fitted elsewhere, in place of a pipeline."""
    trust_pickle: bool = False
    """Whether that file may be a pickle, which can run any program."""
    description: str = ""
    seed: int = 0
    dtype: Dtype = Dtype.FLOAT32
    """What the model reads its numbers as, in training and on the device: float64 tells more of them apart."""

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise ValueError(f"name {self.name!r} must be 1 to 64 of a-z, 0-9 and inner hyphens")
        if not VERSION.fullmatch(self.version):
            raise ValueError(f"version {self.version!r} must be written like 1.2.3 or 1.2.3-rc.1")
        module, colon, function = self.pipeline.partition(":")
        if not colon or not module.replace(".", "_").isidentifier() or not function.isidentifier():
            raise ValueError(f"pipeline {self.pipeline!r} must be written like 'module:function'")
        if self.brought is not None and self.pipeline != "pipeline:build":
            raise ValueError("a model comes from a pipeline or from a file: keep one of [model] pipeline and from")
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed {self.seed} must lie between 0 and 2^32 - 1")


class DataTable(Table, frozen=True):
    """`[data]`: the table to learn from."""

    path: str
    target: str
    time: str | None = None
    time_format: str | None = None
    group: str | None = None
    id: tuple[str, ...] = ()
    holdout: float = 0.2
    missing: tuple[str, ...] = ()
    delimiter: str | None = None
    encoding: str | None = None

    def __post_init__(self) -> None:
        if not 0.05 <= self.holdout <= 0.5:
            raise ValueError(f"holdout {self.holdout} must lie between 0.05 and 0.5")


class FeatureTable(Table, frozen=True):
    """`[features.NAME]`: one column that the model learns from."""

    kind: Literal["number", "integer", "boolean", "category", "text", "date"]
    policy: Policy = Policy.WARN
    range: tuple[float, float] | None = None
    parts: tuple[Part, ...] = ()
    format: str | None = None
    unit: str = ""
    description: str = ""

    def __post_init__(self) -> None:
        if (self.kind == "date") != bool(self.parts):
            raise ValueError("a date needs parts, like ['month', 'day_of_week'], and nothing else has them")
        if self.kind == "category" and (self.range is not None or self.policy is Policy.CLIP):
            raise ValueError("a category has no range and cannot be clipped; use policy reject, warn or missing")
        if self.kind == "text" and (self.unit or self.policy is Policy.CLIP):
            raise ValueError(
                "a text has no unit and cannot be clipped; use policy reject, warn or missing; "
                "its range is how many characters it may have"
            )
        if self.range is not None and not self.range[0] <= self.range[1]:
            raise ValueError(f"range {list(self.range)} is empty: the first number must not exceed the second")


class FairnessTable(Table, frozen=True):
    """`[gates.fairness]`: between which groups of rows the model must not differ, and by how much it may."""

    groups: tuple[str, ...] = ()
    """Columns of the data that name the groups, whether the model reads them or not."""
    demographic_parity: float = 0.2
    """The largest difference between the shares of the groups that are given a class."""
    equalized_odds: float = 0.2
    """The largest difference between the groups' rates of right and of false alarms."""
    worst_group: float = 0.1
    """How much worse the main metric may be in the worst group than on all rows."""

    def __post_init__(self) -> None:
        if len(set(self.groups)) != len(self.groups):
            raise ValueError("groups names a column twice")


class RatchetTable(Table, frozen=True):
    """`[gates.ratchet]`: how a new model stands to the champion, the one that is in use."""

    champion: str | None = None
    """The champion's bundle: a file, or `channel:NAME` for what that channel of the depot offers to all."""
    min_gain: float | None = None
    """How much better the main metric must be, and surely better at all."""
    max_loss: float = 0.02
    """How much worse the main metric may be, and surely not more; where no gain is asked for."""
    outliers: float = 0.5
    """The largest share of training rows outside what the champion allows of a feature: more tells of another unit."""

    def __post_init__(self) -> None:
        if self.max_loss < 0 or not 0 <= self.outliers <= 1:
            raise ValueError("max_loss must be 0 or more, and outliers lie between 0 and 1")


class GatesTable(Table, frozen=True):
    """`[gates]`: what a build must pass."""

    metrics: dict[str, str] = {}
    """scikit-learn's scorer -> rule, like `roc_auc = ">= 0.65"`, judged on the hold-out."""
    overfit_gap: float = 0.1
    """How much better the main metric may be on the training rows, in its own unit."""
    dummy_margin: float = 0.02
    """How much better than a guess that ignores the inputs, in the main metric's own unit."""
    stump_margin: float = 0.0
    """How much better than the best small tree over one feature, in the main metric's own unit."""
    dominance: float = 0.95
    """The largest share of all importance that one feature may have."""
    by: Literal["interval", "value"] = "interval"
    """Whether a metric is judged by the worse end of its 95% interval, or by its value alone."""
    folds: int = 0
    """On how many folds of a cross-validation the metrics are judged too; 0 for none."""
    calibration: float | None = None
    """The largest expected calibration error of the probabilities, 0 to 1."""
    latency_ms: float = 100.0
    """How long one row may take in the device's runtime, in milliseconds, half of the rows being faster."""
    size_mb: float = 200.0
    """How large the ONNX model may be, in millions of bytes."""
    missing_rate: float = 0.95
    """The largest share of a feature's cells that may be missing."""
    duplicate_rows: float = 0.5
    """The largest share of rows that may repeat an earlier one in every column that is read."""
    leakage: float = 0.98
    """How well one feature alone may predict, from 0, a guess, to 1, perfect."""
    shift: float | None = None
    """The largest de-biased PSI between training and hold-out; 0.2 unless the hold-out comes later than training."""
    parity: Tolerance = Tolerance()
    fairness: FairnessTable = FairnessTable()
    ratchet: RatchetTable = RatchetTable()

    def __post_init__(self) -> None:
        if self.folds != 0 and not 2 <= self.folds <= 50:
            raise ValueError(f"folds {self.folds} must be 0, or lie between 2 and 50")
        shares = {
            "missing_rate": self.missing_rate,
            "duplicate_rows": self.duplicate_rows,
            "leakage": self.leakage,
            "dominance": self.dominance,
            "calibration": self.calibration or 0.0,
        }
        for name, share in shares.items():
            if not 0 <= share <= 1:
                raise ValueError(f"{name} {share} must lie between 0 and 1")
        if not (self.latency_ms > 0 and self.size_mb > 0):
            raise ValueError("latency_ms and size_mb must be greater than 0")


class ExplainTable(Table, frozen=True):
    """`[explain]`: explaining single rows on the device."""

    rows: int = 50
    """How many background rows go into the box, their columns shuffled apart; 0 for none, then nothing is explained."""

    def __post_init__(self) -> None:
        if not 0 <= self.rows <= MOST_ROWS:
            raise ValueError(f"rows {self.rows} must lie between 0 and {MOST_ROWS}")


class RunsTable(Table, frozen=True):
    """`[runs]`: where builds are remembered, beside the file that every project has."""

    tracking: str | None = None
    """The tracking URI of an MLflow, like `http://mlflow:5000` or `file:///srv/mlruns`."""
    experiment: str | None = None
    """The experiment there; the model's name by default."""


class KeysTable(Table, frozen=True):
    """`[keys]`: what the bundle is signed with."""

    release: str = "keys/release.pem"


class MonitorTable(Table, frozen=True):
    """`[monitor]`: how the device counts."""

    span: Span = Span.DAY
    window_by: WindowBy | None = None


class ProjectFile(Table, frozen=True):
    """All of `hakobu.toml`."""

    model: ModelTable
    data: DataTable
    features: dict[str, FeatureTable]
    gates: GatesTable = GatesTable()
    monitor: MonitorTable = MonitorTable()
    best_before: BestBefore = BestBefore()
    """From which day on devices warn, mark every output, and score no more; each may be left out."""
    explain: ExplainTable = ExplainTable()
    runs: RunsTable = RunsTable()
    keys: KeysTable = KeysTable()
