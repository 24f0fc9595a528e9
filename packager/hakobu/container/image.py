"""Making the image of a bundle."""

from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from hakobu.container.archive import Subject, write_archive
from hakobu.container.blob import Layer, write_layer
from hakobu.container.contents import own, shared
from hakobu.container.elf import read_program
from hakobu.container.libraries import check_system, system_libraries
from hakobu.container.moment import moment
from hakobu.container.tag import Tag
from hakobu.freeze import executable
from hakobu.freeze.executable import Shape, freeze, room_for
from hakobu.freeze.place import check_free, check_room, workshop
from hakobu.freeze.tool import Tell
from hakobu.freeze.trial import Tried
from hakobu_runtime.bundle import Bundle
from hakobu_runtime.format.follow import Follow
from hakobu_runtime.trust import Keyring

STAGES = (*executable.STAGES, "packing")
"""What is told while it is done, each with more words after a colon."""

_PACKED = 300_000_000
"""How many bytes the layers and the file take for a while, beside the model."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image that was made."""

    path: Path
    model: str
    tag: str
    digest: str
    """Of its manifest, as registries name it."""
    platform: str
    """Like `linux/amd64`."""
    layers: tuple[Layer, ...]
    """What models share, and what is this model's own."""
    size: int
    """Bytes of the file."""
    seconds: float
    tried: Tried
    """What the program did before it was packed."""

    def plain(self) -> dict[str, object]:
        """Return it for JSON."""
        return {
            "path": str(self.path.absolute()),
            "tag": self.tag,
            "digest": self.digest,
            "platform": self.platform,
            "layers": [{"digest": layer.blob.digest, "bytes": layer.blob.size} for layer in self.layers],
            "bytes": self.size,
            "seconds": round(self.seconds, 1),
            "tried": self.tried.plain(),
        }

    def words(self) -> str:
        """Return it in a few lines."""
        base, model = (layer.blob.size / 1e6 for layer in self.layers)
        return (
            f"image:  {self.path} ({self.size / 1e6:,.0f} MB, {self.platform}, in {self.seconds:.0f} s)\n"
            f"tried:  {self.tried.words()}\n"
            f"layers: {base:,.2f} MB that models share, {model:,.2f} MB of this model\n"
            f"load:   podman load -i {self.path}\n"
            f'run:    podman run --rm -v "$PWD:/data" -v {self.model}:/state {self.tag} score in.csv -o out.csv'
        )


def make_image(
    bundle: Bundle, keyring: Keyring, target: Path, tag: Tag, tell: Tell, follow: Follow | None = None
) -> Image:
    """Make the image of `bundle` as the file `target`, loaded as `tag`; nothing is left there when it fails.

    `keyring` and `follow` are as in `freeze`. Raises ToolError where no image can be made, and like `freeze`.
    """
    started = perf_counter()
    check_system()
    created = moment()
    check_free(target)
    check_room(target.parent, room_for(bundle) + _PACKED, "making an image")
    with workshop(target.parent) as work:
        frozen = freeze(bundle, keyring, Shape.FOLDER, work, tell, follow)
        program = read_program(frozen.program)
        subject = Subject(bundle.manifest, bundle.digest, program.processor, tag, created)
        tell("packing")
        blobs, draft = work / "blobs", work / "image.tar"
        blobs.mkdir()
        entries = (
            shared(frozen.path, frozen.program, system_libraries(program)),
            own(frozen.path, bundle.manifest.name),
        )
        layers = tuple(write_layer(each, created, blobs) for each in entries)
        manifest = write_archive(subject, layers, blobs, draft)
        check_free(target)
        draft.rename(target)
    platform = f"linux/{program.processor}"
    size, seconds = target.stat().st_size, perf_counter() - started
    return Image(target, bundle.manifest.name, tag.text, manifest.digest, platform, layers, size, seconds, frozen.tried)
