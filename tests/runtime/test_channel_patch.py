"""Patches: any bundle from any other, and nothing worse than an error from a damaged or hostile one."""

import random
import tracemalloc
from contextlib import suppress

import pytest
from backports import zstd
from hypothesis import given, settings
from hypothesis import strategies as st

from hakobu_runtime.channel import patch as patches
from hakobu_runtime.channel.patch import apply_patch, make_patch
from hakobu_runtime.errors import TransferError, UsageError


@settings(deadline=None)
@given(st.binary(max_size=2000), st.binary(max_size=2000))
def test_a_patch_makes_any_content_of_any_base(base: bytes, content: bytes) -> None:
    assert apply_patch(base, make_patch(base, content), len(content)) == content


@settings(deadline=None)
@given(st.binary(max_size=300), st.binary(max_size=300), st.binary(max_size=600))
def test_what_is_no_patch_is_an_error_or_has_the_size(base: bytes, content: bytes, junk: bytes) -> None:
    with suppress(TransferError):
        assert len(apply_patch(base, junk, len(content))) == len(content)


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=1000), st.binary(min_size=1, max_size=1000), st.data())
def test_a_damaged_patch_never_makes_other_bytes(base: bytes, content: bytes, data: st.DataObject) -> None:
    patch = bytearray(make_patch(base, content))
    place = data.draw(st.integers(0, len(patch) - 1))
    patch[place] ^= data.draw(st.integers(1, 255))
    with suppress(TransferError):
        assert apply_patch(base, bytes(patch), len(content)) == content


@settings(deadline=None)
@given(st.binary(max_size=500), st.data())
def test_a_patch_cut_short_is_refused(content: bytes, data: st.DataObject) -> None:
    patch = make_patch(b"the former bundle", content)
    cut = data.draw(st.integers(0, len(patch) - 1))
    with pytest.raises(TransferError, match="whole bundle"):
        apply_patch(b"the former bundle", patch[:cut], len(content))


def test_a_patch_for_another_base_is_refused() -> None:
    base = random.Random(1).randbytes(50_000)
    patch = make_patch(base, base[:20_000] + b"new" + base[20_000:])
    with pytest.raises(TransferError, match="whole bundle"):
        apply_patch(base[::-1], patch, len(base) + 3)


@pytest.mark.parametrize("size", [0, 99, 101, 1 << 40])
def test_the_size_is_what_was_promised(size: int) -> None:
    patch = make_patch(b"x" * 100, b"y" * 100)
    with pytest.raises(TransferError):
        apply_patch(b"x" * 100, patch, size)


def test_bytes_after_a_patch_are_refused() -> None:
    with pytest.raises(TransferError):
        apply_patch(b"x" * 100, make_patch(b"x" * 100, b"y" * 100) + b"z", 100)


def test_a_small_edit_in_a_large_bundle_makes_a_small_patch_and_the_same_one_each_time() -> None:
    base = random.Random(2).randbytes(1_000_000)
    content = base[:500_000] + b"an edit" + base[500_000:]
    patch = make_patch(base, content)
    assert len(patch) < 1000
    assert patch == make_patch(base, content)


@pytest.mark.parametrize("window", [20, 27, 30])
def test_a_hostile_patch_takes_no_more_memory_than_the_bundle_it_promises(window: int) -> None:
    options: dict[int, int] = {zstd.CompressionParameter.window_log: window}
    squeezer = zstd.ZstdCompressor(options=options)
    bomb = b"".join(squeezer.compress(bytes(1 << 20)) for _ in range(64)) + squeezer.flush()
    tracemalloc.start()
    try:
        with pytest.raises(TransferError):
            apply_patch(b"base" * 100, bomb, 10_000)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_releases_too_large_to_join_are_not_patched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patches, "LARGEST", 100)
    with pytest.raises(UsageError, match="is not made"):
        make_patch(b"x" * 60, b"y" * 60)
    with pytest.raises(TransferError, match="more than this device joins"):
        apply_patch(b"x" * 60, b"", 60)
