"""What the commands share that tell of alarms: whom they tell."""

import os
import shlex
from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from hakobu.hub.hooks import SECRET, Hooks
from hakobu_runtime.errors import UsageError


def with_hooks(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the flags that say who is told of new alarms, and pass what they say as `hooks`."""

    @click.option(
        "--webhook", "webhooks", multiple=True, metavar="URL", help="Post new alarms there. May be given again."
    )
    @click.option("--on-alarm", default="", metavar="COMMAND", help="Run for each new alarm, which it reads as JSON.")
    @wraps(command)
    def told(*args: Any, webhooks: tuple[str, ...], on_alarm: str, **kwargs: Any) -> Any:
        hooks = Hooks(webhooks, _words(on_alarm), os.environ.get(SECRET, "").encode())
        return command(*args, hooks=hooks, **kwargs)

    return told


def _words(command: str) -> tuple[str, ...]:
    """Return a program with its arguments; quotes keep words together, and nothing else is special."""
    try:
        return tuple(shlex.split(command))
    except ValueError as error:
        raise UsageError(f"--on-alarm {command!r} is no command: a quote is not closed") from error
