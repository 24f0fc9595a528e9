"""What every command line of hakobu shares: errors in one line, any text on any terminal, JSON."""

import atexit
import csv
import gc
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

import click
import msgspec

from hakobu_runtime.console.encoding import take_any_text, writable
from hakobu_runtime.errors import INTERRUPTED, HakobuError, InputError, StateError

_RUN = "hakobu-run"


class Group(click.Group):
    """A click group that ends a refused command with one line on stderr and the error's own exit code."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command and exit."""
        # What is left goes with the process: to search it for garbage first takes a tenth of a short command.
        atexit.unregister(gc.freeze)  # of a command before, in a program that runs several
        atexit.register(gc.freeze)
        kwargs["standalone_mode"] = False
        name = self.name or "hakobu"
        take_any_text()
        code: object = 0
        try:
            # Commands end with a number when that is their finding.
            code = super().main(*args, **kwargs)
            if sys.stdout is not None:
                sys.stdout.flush()
        except HakobuError as error:
            fail(name, str(error), error.exit_code)
        except click.ClickException as error:
            with suppress(OSError):
                error.show()
            _let_go_of(sys.stderr)
            sys.exit(error.exit_code)
        except (KeyboardInterrupt, click.Abort):
            fail(name, "interrupted", INTERRUPTED)
        except (BrokenPipeError, SystemExit):
            # The reader of our output went away (click ends by itself only then): nothing is wrong, nor left to write.
            _let_go_of(sys.stdout)
            sys.exit(0)
        except MemoryError:
            fail(name, "the memory of this machine is used up; close other programs or bring less data", 8)
        except OSError as error:
            place = f"{error.filename}: " if error.filename else ""
            fail(name, f"{place}{error.strerror or error}", StateError.exit_code)
        sys.exit(code if isinstance(code, int) else 0)


def _let_go_of(stream: TextIO | None) -> None:
    """Write what still can be written, so that Python does not fail at it once more when it ends."""
    if stream is None:
        return
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def fail(name: str, words: str, code: int) -> None:
    """End the process with one line on stderr."""
    with suppress(OSError):  # a closed or full stderr changes nothing of the exit code
        click.echo(f"{name}: error: {_renamed(words, name)}", err=True)
    for stream in (sys.stdout, sys.stderr):
        _let_go_of(stream)
    sys.exit(code)


def warn(words: str) -> None:
    """Print one line on stderr, for a person."""
    with suppress(OSError):
        click.echo(f"{click.get_current_context().find_root().command.name}: {own_name(words)}", err=True)


def own_name(words: str) -> str:
    """Return `words` with what they say of `hakobu-run` said of the program that runs, which may be a model's own."""
    return _renamed(words, click.get_current_context().find_root().command.name or "")


def _renamed(words: str, name: str) -> str:
    return words if name in ("", "hakobu", _RUN) else words.replace(f"{_RUN} ", f"{name} ")


def show_json(schema: str, **fields: object) -> None:
    """Print one versioned JSON object on stdout."""
    click.echo(json_text(schema, fields))


def json_text(schema: str, fields: Mapping[str, object]) -> str:
    """Return one versioned JSON object, to be printed."""
    return msgspec.json.format(_json(schema, fields), indent=2).decode()


def show_json_line(schema: str, **fields: object) -> None:
    """Print one versioned JSON object on stdout, on one line, for commands that print several."""
    click.echo(_json(schema, fields).decode())


def _json(schema: str, fields: Mapping[str, object]) -> bytes:
    plain = msgspec.to_builtins({"schema": schema, **fields}, str_keys=True, enc_hook=str)
    return msgspec.json.encode(writable(plain))


def names(context: click.Context, option: click.Parameter, value: str | None) -> tuple[str, ...]:
    """Return the names in a list like A,B; one that holds a comma stands in quotes."""
    try:
        found = next(csv.reader([value or ""], skipinitialspace=True, strict=True), [])
    except csv.Error as error:
        raise click.BadParameter(f"{value!r} is no list of names: {error}") from error
    if value is not None and not (found and all(found)):
        raise click.BadParameter(f"{value!r} holds an empty name; write A,B")
    return tuple(dict.fromkeys(found))


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what the system says about reading `path` into an InputError."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}; check the name and its permissions") from error
