"""Patches: made only where they spare a device most of a download."""

from collections.abc import Sequence

from hakobu.depot.edition import Edition
from hakobu_runtime.channel.patch import LARGEST, make_patch
from hakobu_runtime.format.channel import Patch, Release

BASES = 3
"""From how many of the last releases of a channel there are patches."""
_WORTH = 0.6
"""The largest share of the bundle that a patch may be: a bundle is stored without compression, and so sent as it is."""
_LEAST_SAVED = 16 * 1024
"""Bytes; for less, a second request is not worth its while."""


def add_patches(
    edition: Edition, model: str, version: str, content: bytes, former: Sequence[Release]
) -> tuple[Patch, ...]:
    """Publish patches to the bundle `content` from the last of the `former` releases, those that pay."""
    made = []
    for release in former[:BASES]:
        if release.size + len(content) > LARGEST:
            continue
        patch = make_patch(edition.read_bundle(model, release), content)
        if len(patch) > _WORTH * len(content) or len(content) - len(patch) < _LEAST_SAVED:
            continue
        target = f"{model}/{version}/from-{release.digest[:16]}.patch"
        edition.put(model, target, patch)
        made.append(Patch(release.digest, target, len(patch)))
    return tuple(made)
