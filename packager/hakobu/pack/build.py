"""`hakobu build`: load, gate, split, fit, gate, export, prove, pack, sign. Nothing is written unless all gates pass."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hakobu.export.advice import advice
from hakobu.export.confined import Confines, confined
from hakobu.export.convert import Exported, export
from hakobu.gates.budget import budget_gates, latencies
from hakobu.gates.data import data_gates
from hakobu.gates.evidence import Evidence, Rival
from hakobu.gates.fairness import group_metrics
from hakobu.gates.folds import cross_validate
from hakobu.gates.importance import dependences
from hakobu.gates.leak import leak_gates
from hakobu.gates.metrics import main_metric, measure
from hakobu.gates.model import measured, model_gates
from hakobu.gates.ratchet import answers_of, compared, other_classes, range_changes, ratchet_gates
from hakobu.gates.repeats import repeat_gates
from hakobu.gates.seen import seen
from hakobu.gates.shift import shift_gates
from hakobu.gates.split import split_gates
from hakobu.pack.background import background_of
from hakobu.pack.bring import bring, estimator_of
from hakobu.pack.champion import champion_predicts
from hakobu.pack.prove import Proof
from hakobu.pack.seal import Contents, files_of, manifest_of, provenance_of, signed
from hakobu.project import Project
from hakobu.settings import Task
from hakobu.table import Table, matrices_of, read_table
from hakobu.train import Trained, split_rows, train
from hakobu_runtime.bundle import Bundle
from hakobu_runtime.disk import write_whole
from hakobu_runtime.errors import BundleError, ProjectError
from hakobu_runtime.format import validation as validation_format
from hakobu_runtime.format.manifest import Manifest, Metric, Regression
from hakobu_runtime.format.onnx import check_model
from hakobu_runtime.format.validation import Gate, Validation
from hakobu_runtime.model import Model, Predicted
from hakobu_runtime.trust import PrivateKey

STAGES = ("read", "check data", "fit", "judge", "export", "prove", "pack")

_DRAWN = 9
"""For how many features, the most important first, the report shows what the model makes of each value."""

Progress = Callable[[str], None]
"""Hears the name of each stage as it begins."""


@dataclass(frozen=True, slots=True)
class Built:
    """The outcome of a build."""

    project: Project
    gates: tuple[Gate, ...]
    metrics: dict[str, Metric]
    split: str
    path: Path | None
    """The bundle; None when a gate failed, and then nothing was written."""
    evidence: Evidence = field(default_factory=Evidence)
    data: str = ""
    """The sha256 of the data file, in hex."""
    parameters: dict[str, str] = field(default_factory=dict)
    """The settings of the fitted pipeline, by name, as text."""

    @property
    def passed(self) -> bool:
        """Whether every gate let the model through."""
        return self.path is not None


def build(
    project: Project, key: PrivateKey, progress: Progress = lambda stage: None, champion: Bundle | None = None
) -> Built:
    """Build the project's bundle and sign it with `key`; it must stand its ground against a `champion`."""
    building = _Building(project, progress, champion)
    files = building.files()
    path = None if files is None else project.bundle_path
    if files is not None:
        _write(project.bundle_path, signed(files, project.bundle_path, key))
    return Built(
        project=project,
        gates=tuple(building.gates),
        metrics=building.metrics,
        split=building.split,
        path=path,
        evidence=building.evidence,
        data=building.data,
        parameters=building.parameters,
    )


def build_files(project: Project, progress: Progress, champion: Bundle | None) -> dict[str, bytes] | None:
    """Return every file of the project's bundle but the signature, and write nothing; None when a gate failed."""
    return _Building(project, progress, champion).files()


class _Building:
    """One build on its way: what has been judged and measured so far."""

    def __init__(self, project: Project, progress: Progress, champion: Bundle | None) -> None:
        self.project = project
        self.gates: list[Gate] = []
        self.metrics: dict[str, Metric] = {}
        self.split = ""
        self.evidence = Evidence()
        self.data = ""
        self.parameters: dict[str, str] = {}
        self._progress = progress
        self._champion = champion

    def files(self) -> dict[str, bytes] | None:
        """Return the files of the bundle; None when a gate failed."""
        self._progress("read")
        table = read_table(self.project)
        self.data = table.digest
        self._progress("check data")
        if not self._passes(data_gates(table, self.project)) or not self._passes(repeat_gates(table, self.project)):
            return None
        trained = self._fitted(table)
        if not self._passes(split_gates(trained, self.project)):
            return None
        self._progress("judge")
        if not self._judged(table, trained):
            return None
        self._progress("export")
        exported = self._exported(trained)
        self._progress("prove")
        return self._proven(table, trained, exported)

    def _passes(self, gates: Iterable[Gate]) -> bool:
        """Keep `gates`, and say whether none of them failed."""
        more = tuple(gates)
        self.gates += more
        return not Validation(validation_format.SCHEMA, more).failed

    def _fitted(self, table: Table) -> Trained:
        split = split_rows(table, self.project)
        self.split = split.how
        self._progress("fit")
        trained = (train if self.project.file.model.brought is None else bring)(table, split, self.project)
        self.parameters = _parameters(estimator_of(trained))
        return trained

    def _judged(self, table: Table, trained: Trained) -> bool:
        """Measure the model and judge it, and whether the data gave it an honest chance."""
        project, classes = self.project, len(table.classes)
        main = main_metric(trained, project, classes)
        self.metrics = measure(trained, project, classes)
        folds = cross_validate(table, project, list(dict.fromkeys([main, *project.file.gates.metrics])))
        found = measured(trained, project, main, self.metrics, folds)
        told = [one.feature for one in found.importances[:_DRAWN] if one.drop > 0]
        self.evidence = Evidence(
            target=trained.y_holdout,
            metric=main,
            intervals=found.intervals,
            folds=folds,
            importances=found.importances,
            dependences=dependences(trained, told, project.file.model.seed),
            groups=group_metrics(trained.fairness_groups, found.answers, trained.y_holdout, main),
            times=trained.holdout_times,
            answers=found.answers,
            classes=table.classes,
            seen=seen(trained, project),
            provenance=provenance_of(project, table, trained),
        )
        sound = self._passes(leak_gates(trained, project)) & self._passes(shift_gates(trained, project))
        return self._passes(model_gates(trained, project, found)) and sound

    def _exported(self, trained: Trained) -> Exported:
        classifier = self.project.file.model.task is Task.CLASSIFICATION
        estimator, project = estimator_of(trained), self.project
        return confined(lambda: export(estimator, project.inputs, classifier, project.dtype), Confines())

    def _proven(self, table: Table, trained: Trained, exported: Exported) -> dict[str, bytes] | None:
        """Prove that the exported model is the trained one, and return the files; None when a gate failed."""
        project, model = self.project, exported.model
        predicted = self._predicted(table, trained, exported)
        self.evidence = replace(self.evidence, predicted=predicted)
        proof = Proof(table, trained, project.file.gates.parity, advice(estimator_of(trained)))
        if not self._passes(proof.holdout_gates(predicted)):
            return None
        manifest = manifest_of(project, table, trained, self.metrics, exported.tensors, predicted)
        if self._champion is not None and not self._stands(self._champion, table, trained, predicted, manifest):
            return None
        if not self._passes(proof.hard_gates(manifest, exported)):
            return None
        golden, gate = proof.golden(manifest, model)
        if not self._passes([gate]):
            return None
        taken = latencies(manifest, model, golden)
        self.evidence = replace(self.evidence, latency=taken)
        if not self._passes(budget_gates(model, taken, project.file.gates)):
            return None
        self._progress("pack")
        validation = Validation(validation_format.SCHEMA, tuple(self.gates))
        background = background_of(trained, project)
        return files_of(Contents(manifest, model, golden, background, validation), trained.split)

    def _stands(
        self, champion: Bundle, table: Table, trained: Trained, predicted: Predicted, manifest: Manifest
    ) -> bool:
        """Compare with the champion on the same rows, in the same runtime."""
        y, metric, seed = trained.y_holdout, self.evidence.metric, self.project.file.model.seed
        its = champion_predicts(champion, self.project, table.rows[trained.split.holdout])
        outputs = champion.manifest.outputs
        classes = () if isinstance(outputs, Regression) else outputs.classes
        if (different := other_classes(champion.manifest, classes, table.classes)) is not None:
            return self._passes([different])
        mine = answers_of(predicted, table.classes, y)
        found = compared(mine, answers_of(its, classes, y), y, metric, trained.holdout_groups, seed)
        changes = range_changes(champion.manifest, manifest)
        rival = Rival(champion.manifest, champion.digest, its, metric, *found, changes)
        self.evidence = replace(self.evidence, rival=rival)
        return self._passes(ratchet_gates(rival, self.project.file.gates.ratchet))

    def _predicted(self, table: Table, trained: Trained, exported: Exported) -> Predicted:
        """Return what the exported model gives for the hold-out; raise ProjectError when it cannot run."""
        numbers, strings = matrices_of(trained.X_holdout, self.project.inputs, self.project.dtype)
        try:
            check_model(exported.model)
            return Model(exported.model, exported.tensors, table.classes).predict(numbers, strings)
        except BundleError as error:
            estimator = estimator_of(trained)
            remedy = advice(estimator) or "use another estimator for the last step"
            raise ProjectError(
                f"the exported {type(estimator).__name__} cannot run: {error}\nremedy: {remedy}"
            ) from error


def _parameters(estimator: Any) -> dict[str, str]:
    """Return the settings of an estimator and its parts that are plain values, by name."""
    asked = getattr(estimator, "get_params", None)
    found = asked(deep=True) if asked is not None else {}
    plain = {name: value for name, value in found.items() if isinstance(value, bool | int | float | str)}
    return {"estimator": type(estimator).__name__} | {name: str(plain[name]) for name in sorted(plain)}


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
    except OSError as error:
        raise ProjectError(f"{path}: the bundle cannot be written: {error.strerror}") from error
