"""`hakobu hub`: the service that takes the counts of a fleet and shows what comes of them, and all that it needs."""

from importlib import import_module
from types import ModuleType

import click

from hakobu_runtime.errors import ToolError

_COMMANDS = {
    "add": ("hub_bundles", "add"),
    "alarms": ("hub_alarms", "alarms"),
    "backup": ("hub_keep", "backup"),
    "block": ("hub_devices", "block"),
    "check": ("hub_tables", "check"),
    "close": ("hub_alarms", "close"),
    "devices": ("hub_devices", "devices"),
    "evaluate": ("hub_alarms", "evaluate"),
    "forget": ("hub_devices", "forget"),
    "group": ("hub_devices", "group"),
    "import": ("hub_import", "import_"),
    "invite": ("hub_devices", "invite"),
    "prune": ("hub_keep", "prune"),
    "restore": ("hub_keep", "restore"),
    "serve": ("hub_serve", "serve"),
    "snooze": ("hub_alarms", "snooze"),
    "unblock": ("hub_devices", "unblock"),
    "upgrade": ("hub_tables", "upgrade"),
    "user": ("hub_users", "user"),
}
"""Where each command is: the module in `hakobu.cli`, and its name there."""


def hub_module(name: str) -> ModuleType:
    """Return the module `name` of `hakobu.cli`; raise ToolError without the libraries of the hub."""
    try:
        return import_module(f"hakobu.cli.{name}")
    except ModuleNotFoundError as error:
        raise ToolError(f"the hub needs {error.name}, which is not installed: pip install 'hakobu[hub]'") from error


class HubGroup(click.Group):
    """Imports a command when it is looked up: none of the others loads what the hub takes."""

    def list_commands(self, context: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted(_COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Return the command `name`, None when there is no such; raise ToolError without the libraries of the hub."""
        place = _COMMANDS.get(name)
        if place is None:
            return None
        command: click.Command = getattr(hub_module(place[0]), place[1])
        return command


@click.group(cls=HubGroup)
def command() -> None:
    """The service that takes the counts of a fleet, and shows who runs what, what drifts, and what came of it."""
