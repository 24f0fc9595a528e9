"""What is in the boxes that a depot published: enough to judge what devices counted with them."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

from tuf.api.metadata import TargetFile

from hakobu.depot.depot import Depot
from hakobu.depot.history import Published, read_history
from hakobu_runtime.errors import BundleError, DamageError
from hakobu_runtime.format.archive import read_archive
from hakobu_runtime.format.channel import bundle_target
from hakobu_runtime.format.codec import decode
from hakobu_runtime.format.manifest import Manifest, read_manifest
from hakobu_runtime.format.validation import Validation
from hakobu_runtime.version import __version__


@dataclass(frozen=True, slots=True)
class Box:
    """One published bundle."""

    digest: str
    manifest: Manifest
    validation: Validation
    card: str
    """In Markdown."""


def read_boxes(depot: Depot, model: str, wanted: frozenset[str]) -> Iterator[Box]:
    """Yield the boxes of a model with the digests that are `wanted`, as far as they still lie in the depot.

    Raises StateError when a file of the depot is damaged.
    """
    signed = depot.model(model)
    for version, entry in read_history(signed).items():
        target = signed.targets.get(bundle_target(model, version))
        if entry.digest in wanted and target is not None:
            yield read_box(depot, target, entry)


def read_box(depot: Depot, target: TargetFile, entry: Published) -> Box:
    """Return what a published bundle says of itself; its model is left alone.

    It is believed since the depot's metadata, whose signatures hold, name its digest. Raises StateError when the file
    is damaged.
    """
    content = depot.read(target)
    if sha256(content).hexdigest() != entry.digest:
        raise DamageError(f"{depot.place(target)}: is not the bundle that was published; take it from a copy")
    try:
        files = read_archive(content)
        manifest = read_manifest(files["manifest.json"], __version__)
        validation = decode(files["validation.json"], Validation, "validation.json")
        return Box(entry.digest, manifest, validation, files["MODEL_CARD.md"].decode())
    except (BundleError, KeyError, UnicodeDecodeError) as error:
        raise DamageError(f"{depot.place(target)}: cannot be read ({error}): is it of a newer hakobu?") from error
