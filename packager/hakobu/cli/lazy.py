"""Groups whose commands are imported when they are looked up: scikit-learn and the hub's libraries take their time."""

from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import ClassVar

import click

from hakobu_runtime.console.shell import Group


class LazyGroup(Group):
    """A group that imports a command's module when the command is looked up."""

    places: ClassVar[Mapping[str, tuple[str, str]]]
    """Where each command is: the module in `hakobu.cli`, and its name there."""

    def list_commands(self, context: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted(self.places)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Return the command `name`; None when there is no such."""
        if name not in self.places:
            return None
        module, attribute = self.places[name]
        command: click.Command = getattr(self.load(module), attribute)
        return command

    def load(self, module: str) -> ModuleType:
        """Return a module of `hakobu.cli`."""
        return import_module(f"hakobu.cli.{module}")
