"""`hakobu mlflow-model`: a bundle as a model folder that MLflow loads."""

from pathlib import Path

import click

from hakobu.cli.trusted import trusted

_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("file", type=_PATH, metavar="BUNDLE")
@click.option("-o", "--output", "folder", type=_PATH, help="The folder to make (NAME-VERSION-mlflow).")
@click.option("--key", "keys", type=_PATH, multiple=True, help="Public key that must have signed BUNDLE.")
def command(file: Path, folder: Path | None, keys: tuple[Path, ...]) -> None:
    """Write BUNDLE as a folder that `mlflow.pyfunc.load_model` loads; it scores as a device does."""
    from hakobu.runs.pyfunc import write_mlflow_model
    from hakobu_runtime.bundle import open_bundle

    keyring = trusted(file, keys)
    bundle = open_bundle(file, keyring)
    target = folder or Path(f"{bundle.manifest.name}-{bundle.manifest.version}-mlflow")
    write_mlflow_model(bundle, keyring, target)
    click.echo(f"written: {target}; score with it: mlflow.pyfunc.load_model({str(target)!r}).predict(frame)")
