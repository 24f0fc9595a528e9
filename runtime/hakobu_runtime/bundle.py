"""The signed box: packing it, and opening it with distrust.

Even a box with a good signature is hostile ground. The order of opening is: size, zip, entries, signature, manifest,
and the model last; nothing is parsed before the signature holds, except the zip and the signature themselves.
"""

import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hakobu_runtime.digest import sha256_hex
from hakobu_runtime.errors import BundleError, FormatError, TrustError
from hakobu_runtime.format.archive import check_canonical, read_archive, write_archive
from hakobu_runtime.format.background import Background, check_background
from hakobu_runtime.format.codec import decode
from hakobu_runtime.format.fit import check_fit
from hakobu_runtime.format.golden import Golden
from hakobu_runtime.format.manifest import Manifest, read_manifest
from hakobu_runtime.format.oms import SIGNATURE_FILE
from hakobu_runtime.format.onnx import check_model
from hakobu_runtime.format.validation import Validation
from hakobu_runtime.trust import Keyring, Pin, is_settled, verify
from hakobu_runtime.version import __version__

_MB = 1024 * 1024

MAX_SIZES: Mapping[str, int] = {
    "MODEL_CARD.md": 4 * _MB,
    "background.json": 4 * _MB,
    "golden.json": 16 * _MB,
    "manifest.json": 16 * _MB,
    "model.onnx": 512 * _MB,
    SIGNATURE_FILE: 1 * _MB,
    "sbom.cdx.json": 32 * _MB,
    "validation.json": 4 * _MB,
}
"""Every entry of a bundle, with the largest size in bytes that is read.

The model is held in memory once here and once in onnxruntime, so 512 MB is what a PC with 2 GB can bear. The others are
a hundred times what large projects come to; JSON takes up to ten times its size in memory while it is read.
"""

MAX_BUNDLE_SIZE = sum(MAX_SIZES.values()) + 64 * 1024
"""All entries at their largest, and the zip around them; checked before a byte is read."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A box whose signature held and whose content is sound; only `open_bundle` and `read_bundle` make one."""

    path: Path
    digest: str
    """The sha256 of the whole file, in hex."""
    manifest: Manifest
    model: bytes = field(repr=False)
    golden: Golden = field(repr=False)
    background: Background = field(repr=False)
    validation: Validation = field(repr=False)
    card: str = field(repr=False)
    sbom: bytes = field(repr=False)
    pin: Pin
    """The trusted key that signed it."""


def pack_files(files: Mapping[str, bytes]) -> bytes:
    """Return the bundle of exactly the files that a bundle has: equal files, equal bytes."""
    _check_entries(files)
    return write_archive(files)


def open_bundle(path: Path, keyring: Keyring) -> Bundle:
    """Return the bundle in the file at `path`; raise BundleError or TrustError, naming it, when it may not be used."""
    return read_bundle(_read(path), str(path), keyring)


def read_bundle(content: bytes, where: str, keyring: Keyring) -> Bundle:
    """Return the bundle in `content`, which came from `where`; raise BundleError or TrustError naming that."""
    with _naming(where):
        _check_size(len(content))
        files = read_archive(content)
        _check_entries(files)
        check_canonical(files, content)
        signature = files.pop(SIGNATURE_FILE)
        pin = verify(signature, files, keyring)
        if not is_settled(signature, pin.key):
            raise TrustError(f"{SIGNATURE_FILE} was written anew after signing: get the bundle again from its builder")
        manifest = read_manifest(files["manifest.json"], __version__)
        _check_pin(pin, manifest)
        golden = decode(files["golden.json"], Golden, "golden.json")
        _check_golden(golden, manifest)
        background = decode(files["background.json"], Background, "background.json")
        check_background(background, manifest)
        validation = decode(files["validation.json"], Validation, "validation.json")
        check_fit(check_model(files["model.onnx"]), manifest)
        return Bundle(
            path=Path(where),
            digest=sha256_hex(content),
            manifest=manifest,
            model=files["model.onnx"],
            golden=golden,
            background=background,
            validation=validation,
            card=_text(files, "MODEL_CARD.md"),
            sbom=files["sbom.cdx.json"],
            pin=pin,
        )


@contextmanager
def _naming(where: str) -> Iterator[None]:
    """Put `where` before the message of a refusal."""
    try:
        yield
    except (BundleError, TrustError) as error:
        raise type(error)(f"{where}: {error}") from error


def _read(path: Path) -> bytes:
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise BundleError(f"{path}: this is a folder or a device, not a file: name a .hako file")
        with _naming(str(path)):
            _check_size(found.st_size)
        with path.open("rb") as file:
            return file.read(found.st_size + 1)
    except FileNotFoundError as error:
        raise BundleError(f"{path}: there is no such file: check the name, or whether the stick is in place") from error
    except OSError as error:
        raise BundleError(
            f"{path}: it cannot be read ({error.strerror}): check its permissions and the disk"
        ) from error


def _check_size(size: int) -> None:
    if size > MAX_BUNDLE_SIZE:
        raise BundleError(
            f"it is {size:,} bytes long; a bundle has at most {MAX_BUNDLE_SIZE:,}: it is no bundle of ours"
        )


def _check_entries(files: Mapping[str, bytes]) -> None:
    missing, extra = sorted(MAX_SIZES.keys() - files.keys()), sorted(files.keys() - MAX_SIZES.keys())
    if missing:
        raise BundleError(f"it lacks {', '.join(missing)}: get the bundle again from its builder")
    if extra:
        raise BundleError(f"it holds {', '.join(extra)}, which no bundle has: get it again from its builder")
    for name, largest in MAX_SIZES.items():
        if len(files[name]) > largest:
            raise BundleError(f"{name} is {len(files[name]):,} bytes long; at most {largest:,} are read")


def _check_pin(pin: Pin, manifest: Manifest) -> None:
    if not pin.allows(manifest.name):
        raise TrustError(
            f"the key {pin.key.identity} may sign {', '.join(pin.models)}, but this is the model {manifest.name!r}; "
            "if its builder may sign that too, trust the key for it: hakobu-run trust add KEY.pub"
        )


def _check_golden(golden: Golden, manifest: Manifest) -> None:
    missing = [column for column in manifest.columns if column not in golden.columns]
    if missing:
        raise FormatError(f"golden.json lacks the column {missing[0]!r}, which manifest.json asks for")


def _text(files: Mapping[str, bytes], name: str) -> str:
    try:
        return files[name].decode()
    except UnicodeDecodeError as error:
        raise FormatError(f"{name} is not UTF-8 text: {error.reason} at byte {error.start}") from error
