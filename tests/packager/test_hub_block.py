"""The counts of a window as one row of whole numbers, and back."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hakobu.hub.block import Layout, counts_of, pack_row, row_of, unpack_row
from hakobu_runtime.errors import DamageError, FormatError
from hakobu_runtime.format.feature import Baseline
from hakobu_runtime.format.histogram import NumberBins
from hakobu_runtime.format.manifest import Manifest, Regression, Tensors
from hub_material import manifest

ROWS = st.lists(st.one_of(st.integers(0, 300), st.integers(0, 2**63 - 1)), min_size=1, max_size=40)


@given(ROWS)
def test_a_row_comes_out_of_its_block_as_it_went_in(numbers: list[int]) -> None:
    row = np.array(numbers, dtype=np.int64)
    block = pack_row(row)
    assert np.array_equal(unpack_row(block, row.size), row)
    assert len(block) <= 8 * row.size + 1


def test_small_counts_take_few_bytes() -> None:
    row = np.zeros(Layout.of(manifest()).size, dtype=np.int64)
    row[:40] = 200
    assert len(pack_row(row)) == 41


def test_counts_come_out_as_they_went_in(tiny_manifest: Manifest) -> None:
    layout = Layout.of(tiny_manifest)
    features = {"temp": (0, 1, 2, 3, 4, 5), "load": (0, 0, 0, 0, 0, 15)}
    breaches, latency = {"load": {"missing": 15}, "": {"unreadable row": 2}}, (0, 15, *(0,) * 10)
    row = row_of(layout, 15, {"ok": 0, "warned": 15}, features, {"labels": (9, 6, 0, 0)}, breaches, latency)
    found = counts_of(layout, unpack_row(pack_row(row), layout.size))
    assert (found.rows, found.breaches) == (15, breaches)
    assert found.verdicts == {"ok": 0, "warned": 15, "clipped": 0, "rejected": 0}
    assert {name: tuple(part.tolist()) for name, part in found.features.items()} == features
    assert found.outputs["labels"].tolist() == [9, 6, 0, 0]
    assert tuple(found.latency.tolist()) == latency


def test_every_number_of_a_layout_has_a_name() -> None:
    layout = Layout.of(manifest())
    parts = [layout.verdicts, *layout.features.values(), *layout.outputs.values(), layout.latency]
    places = sorted([*parts, *layout.breaches.values()], key=lambda place: int(place.start))
    assert [place.start for place in places] == [1, *(place.stop for place in places[:-1])]
    assert places[-1].stop == layout.size
    assert set(layout.breaches) == {"", *manifest().columns}


def test_what_is_left_out_counts_nothing(tiny_manifest: Manifest) -> None:
    layout = Layout.of(tiny_manifest)
    row = row_of(layout, 3, {"ok": 3}, {}, {}, {}, ())
    assert row.sum() == 6
    assert counts_of(layout, row).features["temp"].tolist() == [0] * 6


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"features": {"temp": (1, 2)}}, "'temp' is counted over 2 slots, the bundle has 6"),
        ({"features": {"colour": (1,)}}, "'colour' is counted, which the bundle does not have"),
        ({"outputs": {"scores": (1,)}}, "'scores' is counted, which the bundle does not have"),
        ({"outputs": {"labels": (0,) * 5}}, "'labels' is counted over 5 slots"),
        ({"verdicts": {"fine": 1}}, "verdicts: 'fine' is not known here"),
        ({"breaches": {"colour": {"missing": 1}}}, "breaches of 'colour' are counted"),
        ({"breaches": {"temp": {"ugly": 1}}}, "breaches of 'temp': 'ugly' is not known here"),
        ({"latency": (1, 2)}, "over 2 slots, there are 12"),
    ],
)
def test_counts_of_something_else_are_refused(tiny_manifest: Manifest, changed: dict[str, object], words: str) -> None:
    parts = {"verdicts": {}, "features": {}, "outputs": {}, "breaches": {}, "latency": (), **changed}
    with pytest.raises(FormatError, match=words.replace("(", r"\(")):
        row_of(Layout.of(tiny_manifest), 0, **parts)  # type: ignore[arg-type]


@pytest.mark.parametrize("block", [b"", b"\xff123", b"\x04", b"\x00\x01\x02\x03", b"\x03" + b"1" * 17])
def test_a_damaged_block_is_refused(block: bytes) -> None:
    with pytest.raises(DamageError, match="damaged"):
        unpack_row(block, 2)


def test_of_a_regression_the_values_are_counted(tiny_manifest: Manifest) -> None:
    outputs = Regression(Baseline(NumberBins((0.0, 1.0)), (1, 1, 1, 0, 0)))
    numbers = msgspec.structs.replace(tiny_manifest, outputs=outputs, tensors=Tensors("numbers", None, value="value"))
    assert {name: place.stop - place.start for name, place in Layout.of(numbers).outputs.items()} == {"scores": 5}
