"""Where the benchmark of scoring keeps what it works on."""

from dataclasses import dataclass
from pathlib import Path

MIXED = "mixed"
"""The model of 20 numbers and 5 texts, which is measured a row at a time only."""


@dataclass(frozen=True, slots=True)
class Place:
    """The files of one model."""

    folder: Path
    name: str

    @property
    def root(self) -> Path:
        """The project's folder."""
        return self.folder / self.name

    @property
    def bundle(self) -> Path:
        """The signed bundle."""
        return self.root / "bench.hako"

    @property
    def key(self) -> Path:
        """The public key that it is signed with."""
        return self.root / "release.pub"

    @property
    def state(self) -> Path:
        """The device that the bundle is installed on."""
        return self.root / "state"

    @property
    def onnx(self) -> Path:
        """The bundle's model alone."""
        return self.root / "model.onnx"

    @property
    def joblib(self) -> Path:
        """The fitted scikit-learn pipeline."""
        return self.root / "model.joblib"

    @property
    def mlflow(self) -> Path:
        """The pipeline as MLflow keeps it; there only where MLflow is installed."""
        return self.root / "mlflow"

    @property
    def rows(self) -> Path:
        """Some rows as JSON, every cell as promised."""
        return self.root / "rows.json"

    def output(self, engine: str) -> Path:
        """Return where `engine` writes what it scored."""
        return self.root / f"scored-{engine}.csv"


def table_path(folder: Path, rows: int) -> Path:
    """Return where the table of `rows` rows stands."""
    return folder / f"rows-{rows}.csv"
