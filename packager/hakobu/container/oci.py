"""The documents of an image: what the OCI Image Format Specification 1.0 has, as far as we write it."""

from typing import Final, Literal

import msgspec

MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
CONFIG: Final = "application/vnd.oci.image.config.v1+json"
LAYER: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
INDEX: Final = "application/vnd.oci.image.index.v1+json"


class Document(msgspec.Struct, frozen=True, omit_defaults=True):
    """A part of an image that is written as JSON."""


class Platform(Document, frozen=True):
    """What an image runs on."""

    architecture: str
    os: str


class Descriptor(Document, frozen=True, rename="camel"):
    """Names a blob by its digest."""

    media_type: str
    digest: str
    size: int
    platform: Platform | None = None
    annotations: dict[str, str] | None = None


class Manifest(Document, frozen=True, rename="camel"):
    """An image: its config and its layers, the lowest one first."""

    schema_version: Literal[2]
    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]


class Index(Document, frozen=True, rename="camel"):
    """The images of a layout."""

    schema_version: Literal[2]
    media_type: str
    manifests: tuple[Descriptor, ...]


class Nothing(Document, frozen=True):
    """An empty object: what makes a set of a JSON object's names."""


class Execution(Document, frozen=True, rename="pascal"):
    """How a container of the image is run."""

    user: str
    env: tuple[str, ...]
    entrypoint: tuple[str, ...]
    working_dir: str
    volumes: dict[str, Nothing]
    labels: dict[str, str]


class RootFilesystem(Document, frozen=True):
    """The layers by the digests of their tars."""

    type: str
    diff_ids: tuple[str, ...]


class History(Document, frozen=True):
    """What made a layer."""

    created: str
    created_by: str


class Config(Document, frozen=True):
    """What a manifest's config says; its digest is the identity of the image."""

    created: str
    architecture: str
    os: str
    config: Execution
    rootfs: RootFilesystem
    history: tuple[History, ...]


class Layout(Document, frozen=True, rename="camel"):
    """The mark of a folder, or of a tar of one, that holds images."""

    image_layout_version: str


class Saved(Document, frozen=True, rename="pascal"):
    """An image as `docker load` looks for it before version 25, in the file manifest.json."""

    config: str
    repo_tags: tuple[str, ...]
    layers: tuple[str, ...]
