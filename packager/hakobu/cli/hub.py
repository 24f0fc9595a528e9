"""`hakobu hub`: the service that takes the counts of a fleet and shows what comes of them, and all that it needs."""

from importlib import import_module
from types import ModuleType

import click

from hakobu.cli.lazy import LazyGroup
from hakobu_runtime.errors import ToolError


def hub_module(name: str) -> ModuleType:
    """Return the module `name` of `hakobu.cli`; raise ToolError without the libraries of the hub."""
    try:
        return import_module(f"hakobu.cli.{name}")
    except ModuleNotFoundError as error:
        raise ToolError(f"the hub needs {error.name}, which is not installed: pip install 'hakobu[hub]'") from error


class HubGroup(LazyGroup):
    """The commands of the hub, each of which raises ToolError without the libraries of the hub."""

    places = {
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

    def load(self, module: str) -> ModuleType:
        """Return a module of `hakobu.cli`; raise ToolError without the libraries of the hub."""
        return hub_module(module)


@click.group(cls=HubGroup)
def command() -> None:
    """The service that takes the counts of a fleet, and shows who runs what, what drifts, and what came of it."""
