"""The passphrase of a key, from the environment or from a person."""

import os
import sys

import click

from hakobu.keys import PASSPHRASE


def passphrase(prompt: str, *, confirm: bool = False) -> bytes | None:
    """Return HAKOBU_KEY_PASSPHRASE, or what the user types; None when it is not set and nobody sits at a terminal."""
    given = os.environ.get(PASSPHRASE)
    if not given and sys.stdin is not None and sys.stdin.isatty():
        given = click.prompt(prompt, hide_input=True, confirmation_prompt=confirm, err=True)
    return given.encode("utf-8", "surrogateescape") if given else None
