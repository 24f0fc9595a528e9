"""`hakobu-run stream`: a JSON object in, a JSON object out, for a program that keeps the process open."""

import json
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import BinaryIO

import numpy as np

from hakobu_runtime.bundle import open_bundle
from hakobu_runtime.device.buffer import Buffer
from hakobu_runtime.device.output import class_text
from hakobu_runtime.device.slots import open_active
from hakobu_runtime.device.state import open_state, read_keyring
from hakobu_runtime.device.stop import Stop, StopAsked
from hakobu_runtime.errors import InputError
from hakobu_runtime.format.manifest import Classification, Manifest
from hakobu_runtime.rows.cells import plain_text
from hakobu_runtime.rows.jsonl import row_of
from hakobu_runtime.scorer.scorer import Scorer
from hakobu_runtime.scorer.scores import Score

LONGEST = 1 << 20
"""How many bytes a line may have: a row is small, and what never ends a line must not fill the memory."""


def open_scorer(folder: Path | None, bundle: Path | None, model: str | None) -> Scorer:
    """Return the scorer of `bundle`, or of the installed `model`, which counts into the state folder's journal."""
    state = open_state(folder)
    opened = open_bundle(bundle, read_keyring(state)) if bundle else open_active(state, model)
    return Scorer(opened.manifest, opened.model, Buffer(state, opened))


def stream(scorer: Scorer, inlet: BinaryIO, outlet: BinaryIO, stop: Stop) -> None:
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
                reply = json.dumps(answer(scorer, line, number), ensure_ascii=False, allow_nan=False)
                outlet.write(reply.encode("utf-8", "replace") + b"\n")
                outlet.flush()
    except StopAsked:
        pass
    finally:
        scorer.flush()


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
    return {**names, **_plain(scorer.manifest, score)}


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
