"""The group of all commands; each is imported only when it is asked for, since scikit-learn takes its time to load."""

import click

from hakobu import __version__
from hakobu.cli.lazy import LazyGroup


class Commands(LazyGroup):
    """All commands."""

    places = {
        "build": ("build", "command"),
        "ci": ("ci", "command"),
        "container": ("container", "command"),
        "convert": ("convert", "command"),
        "demo": ("demo", "command"),
        "depot": ("depot", "command"),
        "drift": ("drift", "command"),
        "fleet": ("fleet", "command"),
        "freeze": ("freeze", "command"),
        "hub": ("hub", "command"),
        "inspect": ("inspect", "command"),
        "keys": ("keys", "command"),
        "kit": ("kit", "command"),
        "mlflow-model": ("mlflow_model", "command"),
        "new": ("new", "command"),
        "publish": ("publish", "command"),
        "rebuild": ("rebuild", "command"),
        "runs": ("runs", "command"),
        "stick": ("stick", "command"),
    }


@click.group(cls=Commands, name="hakobu", context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hakobu")
def main() -> None:
    """Pack a model into one signed box and carry it to PCs that are often disconnected."""
