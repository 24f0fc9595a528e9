"""What every command line of hakobu shares: errors in one line, progress on a terminal, tables, JSON."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import msgspec

from hakobu_runtime.errors import INTERRUPTED, HakobuError, InputError, StateError


class Group(click.Group):
    """A click group that ends a refused command with one line on stderr and the error's own exit code."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command and exit."""
        kwargs["standalone_mode"] = False
        name = self.name or "hakobu"
        try:
            # Commands end with a number when that is their finding.
            code = super().main(*args, **kwargs)
            sys.stdout.flush()
            sys.exit(code if isinstance(code, int) else 0)
        except HakobuError as error:
            fail(name, str(error), error.exit_code)
        except click.ClickException as error:
            error.show()
            sys.exit(error.exit_code)
        except (KeyboardInterrupt, click.Abort):
            fail(name, "interrupted", INTERRUPTED)
        except BrokenPipeError:
            # The reader of our output went away; nothing is wrong, and nothing more can be written.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(0)
        except MemoryError:
            fail(name, "the memory of this machine is used up; close other programs or bring less data", 8)
        except OSError as error:
            place = f"{error.filename}: " if error.filename else ""
            fail(name, f"{place}{error.strerror or error}", StateError.exit_code)


def fail(name: str, words: str, code: int) -> None:
    """End the process with one line on stderr."""
    click.echo(f"{name}: error: {words}", err=True)
    sys.exit(code)


def show_json(schema: str, **fields: object) -> None:
    """Print one versioned JSON object on stdout."""
    plain = msgspec.to_builtins({"schema": schema, **fields}, str_keys=True, enc_hook=str)
    click.echo(msgspec.json.format(msgspec.json.encode(plain), indent=2).decode())


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what the system says about reading `path` into an InputError."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
