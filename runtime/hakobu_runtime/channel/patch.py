"""Patches between two releases: zstd with the earlier bundle as its prefix, so that only what changed is carried."""

from typing import TYPE_CHECKING, Final

from hakobu_runtime.errors import TransferError, UsageError

if TYPE_CHECKING:  # scoring does without it
    from backports.zstd import ZstdDict

LARGEST: Final = 1 << 30
"""Bytes of the earlier and the later bundle together; a larger release comes as a whole."""
_LEVEL = 19
_SHORTEST_PREFIX = 8
"""Bytes; zstd takes no shorter one."""
_SMALLEST_WINDOW = 10
"""As a logarithm, by zstd's format."""
_WHOLE = "the whole bundle is to be fetched instead"


def make_patch(base: bytes, content: bytes) -> bytes:
    """Return what makes `content` of `base`; equal input, equal bytes.

    Raises UsageError when both together are larger than `LARGEST`.
    """
    from backports import zstd

    if len(base) + len(content) > LARGEST:
        raise UsageError(
            f"a patch between bundles of {len(base)} and {len(content)} bytes is not made: "
            f"{LARGEST} bytes is the most that devices can join"
        )
    options: dict[int, int] = {
        zstd.CompressionParameter.compression_level: _LEVEL,
        zstd.CompressionParameter.window_log: _window(base, len(content)),
        zstd.CompressionParameter.enable_long_distance_matching: 1,
        zstd.CompressionParameter.checksum_flag: 1,
        zstd.CompressionParameter.dict_id_flag: 0,
    }
    return zstd.compress(content, options=options, zstd_dict=_prefix(base))


def apply_patch(base: bytes, patch: bytes, size: int) -> bytes:
    """Return the `size` bytes that `patch` makes of `base`; the caller checks their digest.

    No more memory than a few times `size` and `base` is taken, whatever the patch asks for. Raises TransferError when
    it is damaged, or was made for other bytes.
    """
    from backports import zstd

    if not 0 <= size <= LARGEST - len(base):
        raise TransferError(f"a patch to {size} bytes from {len(base)} is more than this device joins; {_WHOLE}")
    options: dict[int, int] = {zstd.DecompressionParameter.window_log_max: _window(base, size)}
    try:
        joiner = zstd.ZstdDecompressor(zstd_dict=_prefix(base), options=options)
        content = joiner.decompress(patch, max_length=size + 1)
    except zstd.ZstdError as error:
        raise TransferError(f"the patch is damaged or for another bundle ({error}); {_WHOLE}") from error
    if len(content) != size or not joiner.eof or joiner.unused_data:
        raise TransferError(f"the patch does not make the {size} bytes that were promised; {_WHOLE}")
    return content


def _window(base: bytes, size: int) -> int:
    """Return the logarithm of the smallest window that reaches back over `size` bytes and all of `base`."""
    return max(_SMALLEST_WINDOW, (len(base) + size).bit_length())


def _prefix(base: bytes) -> "tuple[ZstdDict, int] | None":
    from backports import zstd

    return zstd.ZstdDict(base, is_raw=True).as_prefix if len(base) >= _SHORTEST_PREFIX else None
