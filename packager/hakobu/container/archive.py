"""An image as one file: an OCI layout in a tar, with the note in it that `docker load` looked for before version 25."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from hakobu.container import oci
from hakobu.container.blob import Blob, Layer, write_blob
from hakobu.container.contents import COMMANDS, DATA, STATE, USER
from hakobu.container.tag import Tag
from hakobu.container.tree import File, write_tar
from hakobu_runtime.format.codec import encode
from hakobu_runtime.format.manifest import Manifest
from hakobu_runtime.version import __version__

_BLOBS = "blobs/sha256"
_TITLES = "org.opencontainers.image"


@dataclass(frozen=True, slots=True)
class Subject:
    """What an image is of."""

    manifest: Manifest
    """Of the bundle."""
    digest: str
    """The sha256 of the bundle, in hex."""
    processor: str
    """As images have it: `amd64` or `arm64`."""
    tag: Tag
    moment: int
    """When all of it was made, in seconds since 1970."""

    @property
    def platform(self) -> oci.Platform:
        """What it runs on."""
        return oci.Platform(self.processor, "linux")

    @property
    def created(self) -> str:
        """The moment as images write it."""
        return f"{datetime.fromtimestamp(self.moment, UTC):%Y-%m-%dT%H:%M:%SZ}"


def write_archive(subject: Subject, layers: Sequence[Layer], blobs: Path, target: Path) -> Blob:
    """Write the image of `layers`, whose blobs lie in the folder `blobs`, to `target`; return its manifest."""
    config = write_blob(encode(_config(subject, layers)), blobs)
    packed = tuple(_descriptor(oci.LAYER, layer.blob) for layer in layers)
    manifest = write_blob(
        encode(oci.Manifest(2, oci.MANIFEST, _descriptor(oci.CONFIG, config), packed)),
        blobs,
    )
    files = [
        File("index.json", encode(_index(subject, manifest))),
        File("manifest.json", encode((_saved(subject, config, layers),))),
        File("oci-layout", encode(oci.Layout("1.0.0"))),
        *(File(_place(blob), blob.path) for blob in (config, manifest, *(layer.blob for layer in layers))),
    ]
    with target.open("wb") as file:
        write_tar(files, subject.moment, file)
    return manifest


def _place(blob: Blob) -> str:
    return f"{_BLOBS}/{blob.path.name}"


def _descriptor(kind: str, blob: Blob) -> oci.Descriptor:
    return oci.Descriptor(kind, blob.digest, blob.size)


def _index(subject: Subject, manifest: Blob) -> oci.Index:
    names = {"io.containerd.image.name": subject.tag.full, f"{_TITLES}.ref.name": subject.tag.text}
    named = oci.Descriptor(oci.MANIFEST, manifest.digest, manifest.size, subject.platform, names)
    return oci.Index(2, oci.INDEX, (named,))


def _saved(subject: Subject, config: Blob, layers: Sequence[Layer]) -> oci.Saved:
    return oci.Saved(_place(config), (subject.tag.text,), tuple(_place(layer.blob) for layer in layers))


def _config(subject: Subject, layers: Sequence[Layer]) -> oci.Config:
    model = subject.manifest
    run = oci.Execution(
        user=f"{USER}:{USER}",
        env=(f"PATH=/{COMMANDS}", f"HAKOBU_STATE=/{STATE}", "ORT_DISABLE_TELEMETRY=1"),
        entrypoint=(f"/{COMMANDS}/{model.name}",),
        working_dir=f"/{DATA}",
        volumes={f"/{STATE}": oci.Nothing()},
        labels=_labels(subject),
    )
    history = tuple(oci.History(subject.created, f"hakobu container {__version__}") for _ in layers)
    root = oci.RootFilesystem("layers", tuple(layer.unpacked for layer in layers))
    return oci.Config(subject.created, subject.processor, "linux", run, root, history)


def _labels(subject: Subject) -> dict[str, str]:
    model = subject.manifest
    return {
        f"{_TITLES}.title": model.name,
        f"{_TITLES}.version": model.version,
        f"{_TITLES}.created": subject.created,
        **({f"{_TITLES}.description": model.description} if model.description else {}),
        "hakobu.bundle": f"sha256:{subject.digest}",
        "hakobu.runtime": __version__,
    }
