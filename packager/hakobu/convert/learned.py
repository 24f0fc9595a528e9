"""What a sample says of a model's inputs, by the very rules of a build."""

from typing import Any

import msgspec
import numpy as np
import pandas as pd

from hakobu.baseline import learn_features
from hakobu.convert.sample import Sample
from hakobu.project import Project
from hakobu.settings import DataTable, FeatureTable, ModelTable, ProjectFile, Task
from hakobu.train import Split, Trained
from hakobu_runtime.format.feature import Feature
from hakobu_runtime.format.manifest import ClassLabel


def learned(source: Any, sample: Sample, frame: pd.DataFrame, classes: tuple[ClassLabel, ...]) -> tuple[Feature, ...]:
    """Return the features of `source`, as if a project had trained it on `frame`, the rows of `sample`."""
    task = Task.CLASSIFICATION if classes else Task.REGRESSION
    features = {wish.name: msgspec.convert({"kind": wish.kind.value}, FeatureTable) for wish in sample.inputs}
    project = Project(
        sample.path.parent,
        ProjectFile(
            model=ModelTable(name="model", version="1.0.0", task=task),
            data=DataTable(path=sample.path.name, target=""),
            features=features,
        ),
        b"",
    )
    nothing, every = np.empty(len(frame)), np.arange(len(frame))
    trained = Trained(source, frame, nothing, frame, nothing, Split(every, every, "the sample"))
    return learn_features(trained, None, project)
