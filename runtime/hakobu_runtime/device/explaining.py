"""Explaining one row, named on a command line, with an installed bundle or a file's."""

import json
from pathlib import Path

from hakobu_runtime.bundle import open_bundle
from hakobu_runtime.device.slots import open_active
from hakobu_runtime.device.state import open_state, read_keyring
from hakobu_runtime.errors import InputError
from hakobu_runtime.explain import Explainer, Explanation, Scale
from hakobu_runtime.format.block import Block
from hakobu_runtime.rows.source import open_rows


def explain_command(
    folder: Path | None, asked: str, number: int, scale: Scale, file: Path | None, model: str | None
) -> Explanation:
    """Explain the row that `asked` is, as JSON, or row `number` (from 1) of the file that it names.

    Raises InputError when there is no such row, or it has no score.
    """
    state = open_state(folder)
    bundle = open_bundle(file, read_keyring(state)) if file else open_active(state, model)
    explainer = Explainer(bundle.manifest, bundle.model, bundle.background)
    if not asked.lstrip().startswith("{"):
        return explainer.explain_block(_row(explainer, Path(asked), number), scale)
    try:
        row = json.loads(asked)
    except (ValueError, RecursionError) as error:
        raise InputError(f"the row is no JSON object: {error}; write it like '{{\"column\": 1.5}}'") from error
    return explainer.explain(row, scale)


def _row(explainer: Explainer, path: Path, number: int) -> Block:
    rows = 0
    with open_rows(path, explainer.wanted) as opened:
        for block in opened:
            rows = block.first + block.size
            if number <= rows:
                return _alone(block, number - 1 - block.first)
    raise InputError(f"{path}: has {rows:,} rows, so there is no row {number:,}; name another one with --row")


def _alone(block: Block, place: int) -> Block:
    """Return one row of a block as a block."""
    return Block(
        first=block.first + place,
        size=1,
        numbers={name: values[place : place + 1] for name, values in block.numbers.items()},
        texts={name: values[place : place + 1] for name, values in block.texts.items()},
        wrong={name: {0: cells[place]} for name, cells in block.wrong.items() if place in cells},
        broken={0: block.broken[place]} if place in block.broken else {},
    )
