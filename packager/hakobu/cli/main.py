"""The group of all commands; each is imported only when it is asked for, since scikit-learn takes its time to load."""

from importlib import import_module

import click

from hakobu import __version__
from hakobu_runtime.console.shell import Group

_COMMANDS = {
    "build": "hakobu.cli.build",
    "ci": "hakobu.cli.ci",
    "container": "hakobu.cli.container",
    "convert": "hakobu.cli.convert",
    "demo": "hakobu.cli.demo",
    "depot": "hakobu.cli.depot",
    "drift": "hakobu.cli.drift",
    "fleet": "hakobu.cli.fleet",
    "freeze": "hakobu.cli.freeze",
    "hub": "hakobu.cli.hub",
    "inspect": "hakobu.cli.inspect",
    "keys": "hakobu.cli.keys",
    "kit": "hakobu.cli.kit",
    "mlflow-model": "hakobu.cli.mlflow_model",
    "new": "hakobu.cli.new",
    "publish": "hakobu.cli.publish",
    "stick": "hakobu.cli.stick",
    "rebuild": "hakobu.cli.rebuild",
    "runs": "hakobu.cli.runs",
}


class LazyGroup(Group):
    """A group that imports a command's module when the command is looked up."""

    def list_commands(self, context: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted(_COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Return the command `name`; None when there is no such."""
        module = _COMMANDS.get(name)
        if module is None:
            return None
        command: click.Command = import_module(module).command
        return command


@click.group(cls=LazyGroup, name="hakobu", context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hakobu")
def main() -> None:
    """Pack a model into one signed box and carry it to PCs that are often disconnected."""
