"""`hakobu-run stream`: a JSON object in, a JSON object out, for a program that keeps the process open."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from typing import BinaryIO

import numpy as np

from hakobu_runtime.device.age import heed
from hakobu_runtime.device.answering import Answering
from hakobu_runtime.device.buffer import Buffer
from hakobu_runtime.device.output import class_text
from hakobu_runtime.device.probation import Warn
from hakobu_runtime.device.slots import open_allowed
from hakobu_runtime.device.state import open_state
from hakobu_runtime.device.stop import Stop, StopAsked
from hakobu_runtime.errors import BundleError, InputError
from hakobu_runtime.format.best_before import STALE
from hakobu_runtime.format.manifest import Classification, Manifest
from hakobu_runtime.rows.cells import plain_text
from hakobu_runtime.rows.jsonl import row_of
from hakobu_runtime.scorer.scorer import Scorer
from hakobu_runtime.scorer.scores import Score

LONGEST = 1 << 20
"""How many bytes a line may have: a row is small, and what never ends a line must not fill the memory."""


Successor = Callable[[BundleError | None], Scorer | None]
"""Gives the scorer to go on with once the present one was given up, as for an error; None while that goes on."""


@dataclass(frozen=True, slots=True)
class Pipes:
    """Where the rows come from, where the answers go, and what ends it."""

    inlet: BinaryIO
    outlet: BinaryIO
    stop: Stop


def stream_command(folder: Path | None, bundle: Path | None, model: str | None, pipes: Pipes, warn: Warn) -> None:
    """Answer with the scorer of `bundle`, or of the installed `model`, which counts into the state folder's journal."""
    state = open_state(folder)
    if bundle is None:
        with Answering(state, model, warn) as answering:
            stream(answering.scorer, pipes.inlet, pipes.outlet, pipes.stop, answering.successor)
        return
    opened = open_allowed(state, bundle)
    stale = heed(state, opened.manifest, datetime.now(UTC), warn)
    scorer = Scorer(opened.manifest, opened.model, Buffer(state, opened), stale)
    stream(scorer, pipes.inlet, pipes.outlet, pipes.stop)


def stream(
    scorer: Scorer, inlet: BinaryIO, outlet: BinaryIO, stop: Stop, successor: Successor = lambda error: None
) -> None:
    """Answer each line of `inlet` that is not blank with one line on `outlet`, until the end is reached or asked for.

    A bad line is answered with its error. All counts are in the journal when this returns. Raises StateError when they
    cannot be, and BrokenPipeError when nobody reads the answers any more.
    """
    number = 0
    try:
        while True:
            with stop.at_once():
                line = _take_line(inlet)
            if not line:
                break
            if not line.isspace():
                number += 1
                scorer, found = _answer(successor(None) or scorer, line, number, successor)
                reply = json.dumps(found, ensure_ascii=False, allow_nan=False)
                outlet.write(reply.encode("utf-8", "replace") + b"\n")
                outlet.flush()
    except StopAsked:
        pass
    finally:
        scorer.flush()


def _answer(scorer: Scorer, line: bytes, number: int, successor: Successor) -> tuple[Scorer, dict[str, object]]:
    """Return the answer, and who gave it: the successor where the bundle of `scorer` fails, and there is one."""
    try:
        return scorer, answer(scorer, line, number)
    except BundleError as error:
        other = successor(error)
        if other is None:
            raise
        return other, answer(other, line, number)


def answer(scorer: Scorer, line: bytes, number: int) -> dict[str, object]:
    """Return what to answer to `line`, the one with this `number`, from 1."""
    row = _read(line)
    if isinstance(row, str):
        return {"row": number, "error": row}
    names = _names(scorer.manifest, row, number)
    try:
        score = scorer.score_one(row)
    except InputError as error:
        return {**names, "error": str(error)}
    return {**names, **_plain(scorer.manifest, score), **({STALE: scorer.stale} if scorer.stale else {})}


def _take_line(inlet: BinaryIO) -> bytes:
    """Return the next line; only the beginning of one that is too long; b"" at the end."""
    line = inlet.readline(LONGEST + 1)
    if _is_too_long(line):
        while (rest := inlet.readline(LONGEST)) and not rest.endswith(b"\n"):
            pass
    return line


def _is_too_long(line: bytes) -> bool:
    return len(line) > LONGEST and not line.endswith(b"\n")


def _read(line: bytes) -> dict[str, object] | str:
    """Return the object on a line, or why there is none, in words."""
    if _is_too_long(line):
        return "line is longer than 1 MB; a line holds one row"
    try:
        return row_of(line.decode("utf-8-sig").rstrip())
    except UnicodeDecodeError as error:
        return f"line is not in UTF-8: byte {error.start + 1} is 0x{line[error.start]:02x}"


def _names(manifest: Manifest, row: Mapping[str, object], number: int) -> dict[str, object]:
    """Return what tells this row from others: its id columns, as they were given; without any, its number."""
    found = {name: _as_given(row[name]) for name in manifest.id_columns if name in row}
    return found or {"row": number}


def _as_given(cell: object) -> object:
    if isinstance(cell, float) and not isfinite(cell):  # Python reads these, but they are no JSON
        return plain_text(cell)
    return plain_text(cell) if isinstance(cell, (list, dict)) else cell


def _plain(manifest: Manifest, score: Score) -> dict[str, object]:
    """Return a score under the names that `score` writes, with null for what a rejected row has not."""
    odds = _odds(manifest, score)
    return {"prediction": score.prediction, **odds, "verdict": score.verdict, "reasons": score.reasons}


def _odds(manifest: Manifest, score: Score) -> dict[str, float | None]:
    outputs = manifest.outputs
    if not isinstance(outputs, Classification) or manifest.tensors.probabilities is None:
        return {}
    found = {label: _shortest(value) for label, value in score.probabilities.items()}
    return {f"p_{class_text(label)}": found.get(label) for label in outputs.classes}


def _shortest(value: float) -> float:
    """Return a float32 with the fewest digits that read back as the same."""
    return float(str(np.float32(value)))
