"""Laying out the box that a program carries inside: the bundle, its label, the pinned keys, and what it follows."""

from hashlib import sha256
from pathlib import Path

from hakobu_runtime.bundle import Bundle
from hakobu_runtime.device.inside import BUNDLE, FOLLOW, KEYS, LABEL, SCHEMA, Label
from hakobu_runtime.errors import ToolError
from hakobu_runtime.format.codec import encode
from hakobu_runtime.format.follow import Follow
from hakobu_runtime.trust import Keyring, Pin


def write_inside(bundle: Bundle, keyring: Keyring, folder: Path, follow: Follow | None = None) -> None:
    """Make `folder` of `bundle`, the keys of `keyring`, each pinned for this model alone, and what it is to `follow`.

    Raises ToolError when the file of the bundle is no longer what was verified.
    """
    manifest, content = bundle.manifest, bundle.path.read_bytes()
    if sha256(content).hexdigest() != bundle.digest:
        raise ToolError(f"{bundle.path}: was changed meanwhile; run the command again")
    keys = Keyring(tuple(Pin(pin.key, (manifest.name,)) for pin in keyring.pins)).to_json()
    followed = encode(follow) if follow else b""
    label = Label(
        SCHEMA,
        manifest.name,
        manifest.version,
        manifest.description,
        bundle.digest,
        sha256(keys).hexdigest(),
        len(content),
        sha256(followed).hexdigest() if follow else "",
    )
    folder.mkdir()
    for file, words in ((BUNDLE, content), (KEYS, keys), (FOLLOW, followed), (LABEL, encode(label))):
        if words:
            (folder / file).write_bytes(words)
