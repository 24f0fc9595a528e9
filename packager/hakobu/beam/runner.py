"""Running a pipeline: on this machine, or on the runner that is named."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from hakobu_runtime.errors import HakobuError, ToolError, TransferError, UsageError

LOCAL = "DirectRunner"


@dataclass(frozen=True, slots=True)
class Runner:
    """Where a pipeline runs."""

    name: str = LOCAL
    options: tuple[str, ...] = ()
    """Its own, as Beam writes them: `--project=fleet`."""


def run(runner: Runner, build: Callable[[Any], None]) -> None:
    """Run the pipeline that `build` makes, and wait for its end.

    Raises ToolError where Beam is not installed, or fails; UsageError when it knows no such runner or option.
    """
    beam = beam_of()
    from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions

    options = PipelineOptions(["--runner", runner.name, *runner.options])
    _refuse_unknown(options, runner.options)
    try:
        pipeline = beam.Pipeline(runner=options.view_as(StandardOptions).runner, options=options)
    except (ValueError, ImportError) as error:
        raise UsageError(f"--runner {runner.name}: {_line(error)}") from error
    build(pipeline)
    logging.getLogger("apache_beam").setLevel(logging.ERROR)  # it warns of each file that it replaces
    try:
        state = pipeline.run().wait_until_finish()
    except HakobuError:
        raise
    except Exception as error:
        raise _worded(runner, error) from error
    if str(state) != "DONE":
        raise ToolError(f"the pipeline on {runner.name} ended as {state}; its own log says why")


def beam_of() -> Any:
    """Return the module `apache_beam`; raise ToolError where it is not installed."""
    if find_spec("apache_beam") is None:
        raise ToolError("this takes Apache Beam: pip install 'hakobu[beam]'")
    logging.disable(logging.WARNING)  # it complains of clouds whose libraries are not here
    try:
        import apache_beam
    finally:
        logging.disable(logging.NOTSET)
    return apache_beam


def _refuse_unknown(options: Any, given: Iterable[str]) -> None:
    """Raise UsageError for an option that Beam does not know; it would only be ignored."""
    known = options.get_all_options()
    for flag in given:
        if flag.removeprefix("--").partition("=")[0].replace("-", "_") not in known:
            raise UsageError(f"{flag}: Apache Beam has no such option")


def _worded(runner: Runner, error: Exception) -> HakobuError:
    """Return what went wrong in a line; an error of ours in a worker keeps its class where Beam tells it."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, HakobuError):
            return type(cause)(_line(cause))
        cause = cause.__cause__
    kind = TransferError if isinstance(error, OSError) else ToolError
    return kind(f"the pipeline on {runner.name} failed: {_line(error)}")


def _line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).partition("\n")[0][:500]
