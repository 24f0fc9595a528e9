import io
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hakobu_runtime.device.stop import Stop
from hakobu_runtime.device.stream import answer, stream
from hakobu_runtime.format.manifest import Manifest
from hakobu_runtime.scorer.scorer import Scorer

CELLS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=5,
)
ROWS = st.fixed_dictionaries({"temp": CELLS, "load": CELLS}, optional={"": CELLS, "error": CELLS})
OBJECTS = st.dictionaries(st.sampled_from(["temp", "load", "x"]), CELLS)
SENT = ROWS.map(json.dumps).map(str.encode) | OBJECTS.map(json.dumps).map(str.encode) | st.binary(max_size=20)


@pytest.fixture(scope="module")
def scorer(tiny_manifest: Manifest, tiny_files: Mapping[str, bytes]) -> Scorer:
    return Scorer(tiny_manifest, tiny_files["model.onnx"])


def no_constant(name: str) -> Any:
    raise AssertionError(f"{name} is no JSON")


@given(st.lists(SENT.map(lambda line: line.replace(b"\n", b" ")), max_size=5))
def test_every_line_that_is_not_blank_has_exactly_one_answer(scorer: Scorer, lines: list[bytes]) -> None:
    outlet = io.BytesIO()
    stream(scorer, io.BytesIO(b"".join(line + b"\n" for line in lines)), outlet, Stop())
    found = [json.loads(line, parse_constant=no_constant) for line in outlet.getvalue().decode("utf-8").splitlines()]
    assert len(found) == sum(not line.isspace() and line != b"" for line in lines)
    for reply in found:
        assert ("error" in reply) != ("verdict" in reply)


@given(st.floats(0, 4, width=32), st.floats(0, 4, width=32))
def test_a_probability_is_written_with_the_digits_of_its_own_width(scorer: Scorer, temp: float, load: float) -> None:
    reply = answer(scorer, json.dumps({"temp": temp, "load": load}).encode(), 1)
    for label, value in scorer.score_one({"temp": temp, "load": load}).probabilities.items():
        written = reply[f"p_{label}"]
        assert isinstance(written, float)
        assert np.float32(written) == np.float32(value)
        assert len(Decimal(repr(written)).as_tuple().digits) <= 9


def test_the_end_that_is_asked_for_meanwhile_is_heeded_before_the_next_line(scorer: Scorer) -> None:
    stop, outlet = Stop(), io.BytesIO()

    class Inlet(io.BytesIO):
        def readline(self, size: int | None = -1, /) -> bytes:
            if self.tell():
                stop.asked = True  # as a signal would say while a row is scored
            return super().readline(size)

    stream(scorer, Inlet(b'{"temp": 1, "load": 1}\n' * 9), outlet, stop)
    assert len(outlet.getvalue().splitlines()) == 2
