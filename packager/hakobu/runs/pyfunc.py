"""A bundle as a model of MLflow's: `mlflow.pyfunc.load_model` scores with the very runtime that devices use.

Needs hakobu[mlflow].
"""

import shutil
import tempfile
from pathlib import Path
from typing import Any

from hakobu.runs.tracking import library
from hakobu_runtime.bundle import Bundle
from hakobu_runtime.errors import ToolError, UsageError
from hakobu_runtime.format.manifest import Classification, Manifest
from hakobu_runtime.trust import Keyring
from hakobu_runtime.version import __version__

_LOADER = "hakobu_runtime.pyfunc"


def write_mlflow_model(bundle: Bundle, keyring: Keyring, folder: Path) -> None:
    """Write the MLflow model of `bundle` into the new `folder`, with the keys of `keyring` that it is verified by.

    Raises UsageError when the folder is there already, ToolError without MLflow or where it cannot be written.
    """
    library()
    from mlflow.models import Model

    if folder.exists():
        raise UsageError(f"{folder}: is there already; name a folder that is not")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".mlflow-") as work:
            draft = Path(work) / folder.name
            data = draft / "data"
            data.mkdir(parents=True)
            (data / "model.hako").write_bytes(bundle.path.read_bytes())
            (data / "trust.json").write_bytes(keyring.to_json())
            (draft / "requirements.txt").write_text(f"hakobu-runtime=={__version__}\npandas\n")
            model = Model(signature=_signature(bundle.manifest), metadata=_metadata(bundle))
            model.add_flavor(
                "python_function", loader_module=_LOADER, data="data", env={"virtualenv": "python_env.yaml"}
            )
            (draft / "python_env.yaml").write_text(
                f'python: "{bundle.manifest.provenance.python}"\ndependencies:\n- -r requirements.txt\n'
            )
            model.save(str(draft / "MLmodel"))
            shutil.move(draft, folder)
    except OSError as error:
        raise ToolError(f"{error.filename or folder}: cannot be written: {error.strerror}") from error


def _signature(manifest: Manifest) -> Any:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema
    from mlflow.types.schema import AnyType

    outputs = [ColSpec("string" if isinstance(manifest.outputs, Classification) else "double", "prediction")]
    if isinstance(manifest.outputs, Classification) and manifest.tensors.probabilities is not None:
        outputs += [ColSpec("double", f"p_{label}") for label in manifest.outputs.classes]
    outputs += [ColSpec("string", "verdict"), ColSpec("string", "reasons")]
    # What a cell may hold, the runtime checks, and more kindly: MLflow takes no whole numbers where it expects others.
    inputs = [ColSpec(AnyType(), name, required=False) for name in manifest.columns]
    return ModelSignature(inputs=Schema(inputs), outputs=Schema(outputs))


def _metadata(bundle: Bundle) -> dict[str, str]:
    manifest = bundle.manifest
    return {"hakobu.name": manifest.name, "hakobu.version": manifest.version, "hakobu.digest": bundle.digest}
