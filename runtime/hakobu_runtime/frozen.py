"""An executable with a model inside: every command of `hakobu-run` under the model's own name, and a file alone.

`late-flights in.csv`, which is also what dropping a file on it does, scores the file beside itself; started with
nothing, as by a double click, it says what it is.
"""

import os
import sys
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from hakobu_runtime import cli
from hakobu_runtime.console.shell import Group, fail, warn
from hakobu_runtime.console.window import owns_terminal, wait_for_enter
from hakobu_runtime.device.inside import Inside, box_inside, own_program
from hakobu_runtime.errors import HakobuError, InputError, StateError, UsageError
from hakobu_runtime.version import __version__

_DROPPED = "dropped"
_BUNDLE_OPTIONS = {"score": "bundle", "stream": "bundle", "about": "file", "explain": "file"}
"""The commands that can be told which bundle to use, and the option that does."""
_MARKS = ("portable", "portable.txt")
"""The names of the empty file beside the executable that says that the state belongs there; Windows hides endings."""


class Executable(Group):
    """The commands, where what is no command's name is a file to score."""

    alone = False
    """Whether it was started with files alone, or with nothing: by a person who may have no other window."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Take words that are files, or look like one, for files."""
        first = args[0] if args else ""
        if self.get_command(ctx, first) is None and (Path(first).suffix or Path(first).exists()):
            self.alone = True
            return _DROPPED, dropped, args
        return super().resolve_command(ctx, args)


def program(box: Inside) -> Executable:
    """Return the command line of the executable with `box` inside."""
    label = box.label
    models = {
        name: {"model": label.model}
        for name, command in cli.main.commands.items()
        if any(option.name == "model" for option in command.params)
    }

    @click.group(
        cls=Executable,
        name=label.model,
        invoke_without_command=True,
        context_settings={"help_option_names": ["-h", "--help"], "default_map": models},
        help=f"{label.model} {label.version}. {label.description}\n\n"
        f"'{label.model} FILE' alone scores FILE (CSV, JSON lines, Parquet) into a new file beside it.",
    )
    @click.version_option(label.version, prog_name=label.model, message=f"%(prog)s %(version)s, hakobu {__version__}")
    @click.option("--state", type=cli.PLACE, envvar="HAKOBU_STATE", help="Folder of keys, bundles and counts.")
    @click.option("--portable", is_flag=True, help="Keep that folder beside this program, as on a stick.")
    @click.pass_context
    def main(context: click.Context, state: Path | None, *, portable: bool) -> None:
        if any(word in ("-h", "--help") for word in sys.argv[1:]):
            return
        try:
            context.obj = _place(context, label.model, state, portable=portable)
        except StateError as error:
            _bear(context, error)
        if context.invoked_subcommand is None:
            main.alone = True
            click.echo(_greeting(box, context.obj))
        elif context.obj is not None:
            _settle(context, box)

    for command in cli.main.commands.values():
        main.add_command(command)
    return main


def _place(context: click.Context, model: str, state: Path | None, *, portable: bool) -> Path:
    """Return the state folder: the named one, or beside the program where that is asked for, or the user's own."""
    from hakobu_runtime.device.state import default_folder

    beside = (own_program() or Path(sys.executable)).parent
    named = context.get_parameter_source("state") is ParameterSource.COMMANDLINE
    if portable and named:
        raise UsageError("--portable and --state name two folders: choose one")
    marked = state is None and any((beside / mark).exists() for mark in _MARKS)
    if portable or marked:
        return beside / f"{model}-state"
    return state or default_folder(f"hakobu-{model}")


def _settle(context: click.Context, box: Inside) -> None:
    """Take the box in."""
    from hakobu_runtime.device.floor import settle, too_new
    from hakobu_runtime.device.state import open_state

    now = datetime.now(UTC)
    _doubt_clock(context, now)
    try:
        state = open_state(context.obj)
        settle(state, box, now)
        words = too_new(state, box)
    except HakobuError as error:
        _bear(context, error)
        return
    if words:
        warn(f"{words}; until then the bundle inside is used, {box.label.model} {box.label.version}")
        own = {name: {option: box.bundle} for name, option in _BUNDLE_OPTIONS.items()}
        context.default_map = {
            name: {**known, **own.get(name, {})} for name, known in (context.default_map or {}).items()
        }


def _doubt_clock(context: click.Context, now: datetime) -> None:
    """Say that the clock is wrong, as one is whose battery is empty: the counts would lie under a day of long ago."""
    from hakobu_runtime.device.clock import is_possible

    if is_possible(now) or context.invoked_subcommand == "doctor":
        return
    from hakobu_runtime.device.machine import clock

    found = clock(now, ())
    warn(f"{found.words}; {found.remedy}")


def _bear(context: click.Context, error: HakobuError) -> None:
    """Go on without a state where it is asked what is wrong, or nothing at all; raise elsewhere."""
    if context.invoked_subcommand not in (None, "doctor"):
        raise error
    warn(str(error))


def _greeting(box: Inside, folder: Path | None) -> str:
    name, label = box.label.model, box.label
    return "\n".join(
        [
            f"{name} {label.version}",
            *([label.description] if label.description else []),
            "",
            f"To score a table, drop its file on this program, or type: {name} FILE",
            "The scores are written into a new file beside it.",
            "",
            f"{name} about       what the model reads and predicts, and how well",
            f"{name} doctor      what is wrong with this PC, if anything is",
            f"{name} --help      everything else",
            "",
            f"Keys and counts are kept in {folder or 'the folder that --state names'}; nothing leaves this PC.",
        ]
    )


@click.command(_DROPPED)
@click.argument("files", type=cli.PATH, nargs=-1)
@click.pass_context
def dropped(context: click.Context, files: tuple[Path, ...]) -> None:
    """Score each of FILES beside itself, install those that are bundles, and follow what a follow file says."""
    failed = 0
    for file in files:
        if not file.is_file():
            error: HakobuError = InputError(f"{file}: there is no such file; check the name, or see --help")
        else:
            try:
                _handle(context, file)
                continue
            except HakobuError as found:
                error = found
        if len(files) == 1:
            raise error
        warn(str(error))
        failed += 1
    if failed:
        raise InputError(f"{failed} of {len(files)} files failed; the reasons stand above")


def _handle(context: click.Context, file: Path) -> None:
    from hakobu_runtime.format.follow import ENDING  # here, since it brings numpy along

    if file.suffix.lower() == ".hako":
        _run(context, "install", ["--", str(file)])
        return
    if file.suffix.lower() == ENDING:
        _run(context, "follow", ["--", str(file)])
        return
    if not os.access(file.parent, os.W_OK):  # as on a disc, or in a folder of the administrator's
        name = context.find_root().command.name
        raise InputError(
            f"{file.absolute().parent}: nothing can be written there, beside {file.name}; say where the scores shall "
            f'go: {name} score "{file}" -o SCORES.csv'
        )
    _run(context, "score", ["-o", str(beside(file)), "--", str(file)])


def _run(context: click.Context, name: str, words: list[str]) -> Any:
    """Run another command of the program."""
    root = context.find_root()
    command = cli.main.commands[name]
    with command.make_context(name, words, parent=root, obj=root.obj) as inner:
        return command.invoke(inner)


def beside(file: Path) -> Path:
    """Return where the scores of `file` go: a name beside it that is free; the same one again after a power cut."""
    plain = file.with_suffix("") if file.suffix.lower() == ".gz" else file
    ending = plain.suffix if plain.suffix.lower() in (".jsonl", ".ndjson", ".parquet") else ".csv"
    numbers = ("" if number == 1 else f"-{number}" for number in count(1))
    names = (file.with_name(f"{plain.stem}-scored{number}{ending}") for number in numbers)
    return next(name for name in names if not name.exists())


def main() -> None:
    """Run the executable."""
    if getattr(sys, "frozen", False):
        _forget_own_libraries()
    box, name = None, (own_program() or Path(sys.executable)).stem
    try:
        box = box_inside()
        if box is None:
            raise StateError(f"{sys.executable}: this program has no model inside; get it again")
    except HakobuError as error:
        fail(name, str(error), error.exit_code)
    if box is not None:
        _start(program(box), box.label.model)


def _forget_own_libraries() -> None:
    """Let the system's tools that we start find the system's libraries: the way to ours is known by now."""
    before = os.environ.pop("LD_LIBRARY_PATH_ORIG", None)
    os.environ.pop("LD_LIBRARY_PATH", None)
    if before is not None:
        os.environ["LD_LIBRARY_PATH"] = before


def _start(commands: Executable, name: str) -> None:
    try:
        commands(prog_name=name)
    finally:
        # A command that a task or a script runs in a window of its own must not wait there for ever.
        if commands.alone and owns_terminal():
            with suppress(EOFError, KeyboardInterrupt, OSError):
                wait_for_enter()


if __name__ == "__main__":  # as the launcher of an install kit starts it, by the Python of that PC
    main()
