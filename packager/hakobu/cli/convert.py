"""`hakobu convert`: will a fitted model travel?"""

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import click

from hakobu.settings import Task
from hakobu_runtime.console.progress import Progress
from hakobu_runtime.console.shell import show_json
from hakobu_runtime.errors import FINDING, UsageError
from hakobu_runtime.format.golden import Tolerance
from hakobu_runtime.rows.source import Layout


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--sample",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE",
    help="Rows like those the model was trained on: CSV, JSON lines or Parquet.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Where the ONNX model goes.")
@click.option("--expected", metavar="COLUMN", help="Column of the sample with the right outputs, for a bare .onnx.")
@click.option(
    "--text", "texts", metavar="COLUMN", multiple=True, help="Holds categories, though they look like numbers."
)
@click.option("--task", type=click.Choice([task.value for task in Task]), help="For a model that does not say.")
@click.option(
    "--classes", metavar="A,B,...", help="The classes in the order of its outputs, for a model without names."
)
@click.option(
    "--absolute",
    type=float,
    default=Tolerance().absolute,
    show_default=True,
    help="Tolerance, in the unit of the output.",
)
@click.option(
    "--relative", type=float, default=Tolerance().relative, show_default=True, help="Tolerance, times the value."
)
@click.option(
    "--time-limit",
    type=click.FloatRange(min=1),
    default=300,
    show_default=True,
    metavar="SECONDS",
    help="For the conversion.",
)
@click.option(
    "--memory-limit",
    type=click.FloatRange(min=0.1),
    default=8,
    show_default=True,
    metavar="GB",
    help="For the conversion.",
)
@click.option("--delimiter", metavar="SIGN", help="Of the sample, where it is not found by itself.")
@click.option("--encoding", metavar="NAME", help="Of the sample, like latin-1; UTF-8 needs none.")
@click.option("--trust-pickle", is_flag=True, help="Load a pickle, which may run any program on this PC.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def command(model: Path, output: Path | None, *, as_json: bool, trust_pickle: bool, **told: Any) -> int:
    """Export the fitted MODEL to ONNX, and prove on the sample and on hard rows made from it that nothing changed.

    Exit code 3 when the model is refused; then nothing is written.
    """
    # Only now: scikit-learn takes its time to load.
    from hakobu.convert.convert import convert
    from hakobu.convert.destination import check_destination, write_model
    from hakobu.convert.sample import read_sample
    from hakobu.convert.stated import stated
    from hakobu.convert.words import fields, summary
    from hakobu.export.confined import Confines
    from hakobu.sources.read import read_model

    try:
        tolerance = Tolerance(told["absolute"], told["relative"])
        confines = Confines(told["time_limit"], told["memory_limit"])
    except ValueError as error:
        raise UsageError(str(error)) from error
    said = stated(told["task"], told["classes"], told["expected"])
    if output is not None:
        check_destination(output, model, told["sample"])
    with Progress("converting", 3) as progress, redirect_stdout(sys.stderr):
        progress.reach(0, "read")
        estimator = read_model(model, trust_pickle=trust_pickle, task=said.task, classes=said.classes)
        said.check_source(model, estimator)
        layout = Layout(delimiter=told["delimiter"], encoding=told["encoding"])
        sample = read_sample(told["sample"], estimator, layout=layout, texts=told["texts"], expected=told["expected"])
        progress.reach(1, "convert and prove")
        outcome = convert(estimator, sample, tolerance, confines, said)
        progress.reach(3)
    path = None
    if outcome.exported is not None and output is not None:
        write_model(output, outcome.exported.model)
        path = output
    if as_json:
        show_json("hakobu.convert/1", path=None if path is None else str(path), **fields(outcome, tolerance))
    else:
        click.echo(summary(outcome, model, path))
    return 0 if outcome.exported is not None else FINDING
