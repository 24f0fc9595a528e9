"""Building a bundle again, to see whether the same inputs give the same bytes, and if not, what differs first."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from hakobu.pack.build import build_files
from hakobu.project import Project
from hakobu_runtime.bundle import Bundle
from hakobu_runtime.errors import ProjectError
from hakobu_runtime.format.archive import read_archive
from hakobu_runtime.format.codec import decode
from hakobu_runtime.format.manifest import Manifest, Provenance
from hakobu_runtime.format.oms import SIGNATURE_FILE

_CAUSES = (
    ("data", "the data file is another one"),
    ("sources", "files of the project are others"),
    ("seed", "the seed is another one"),
    ("python", "Python is another one"),
    ("packages", "packages are others"),
    ("git", "the commit is another one, or files differ from it"),
    ("dvc", "DVC's record of the data is another one"),
)
"""What a difference may come from, in the order in which one thing explains the next."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """How a bundle built again compares with the one there was."""

    bundle: str
    differs: str
    """The first thing that differs, in words; "" when all files are the same to the bit."""

    @property
    def identical(self) -> bool:
        """Whether every file of the bundle is the same, to the bit."""
        return not self.differs


def rebuild(
    bundle: Bundle, content: bytes, project: Project, champion: Bundle | None, progress: Callable[[str], None]
) -> Rebuilt:
    """Build the project again, and hold every file against those of `bundle`, whose bytes are `content`.

    The signature is not compared: it is made from the files alone, by whoever holds the key.
    Raises ProjectError when the project is of another model, or does not pass its gates any more.
    """
    manifest = bundle.manifest
    if manifest.name != project.file.model.name:
        raise ProjectError(
            f"{bundle.path}: is a bundle of '{manifest.name}', and this project builds '{project.file.model.name}'; "
            "name the folder of its own project"
        )
    name = f"{manifest.name} {manifest.version}"
    files = build_files(project, progress, champion)
    if files is None:
        return Rebuilt(name, "the project does not pass its gates any more; 'hakobu build' shows which")
    before = {entry: found for entry, found in read_archive(content).items() if entry != SIGNATURE_FILE}
    return Rebuilt(name, next(_differences(before, files), ""))


def _differences(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> Iterator[str]:
    """Yield what differs, causes before effects."""
    if before == after:
        return
    old, new = (decode(files["manifest.json"], Manifest, "manifest.json") for files in (before, after))
    yield from _causes(old.provenance, new.provenance)
    if old.version != new.version:
        yield f"the version: {old.version} there, {new.version} in hakobu.toml"
    for entry in sorted(after, key=lambda entry: entry != "model.onnx"):
        if before[entry] != after[entry]:
            yield f"{entry}: {_place(before[entry], after[entry])}; nothing that was recorded explains it"


def _causes(old: Provenance, new: Provenance) -> Iterator[str]:
    for field, words in _CAUSES:
        one, other = getattr(old, field), getattr(new, field)
        if one == other:
            continue
        if isinstance(one, dict) and isinstance(other, dict):
            changed = [name for name in sorted(one.keys() | other.keys()) if one.get(name) != other.get(name)]
            shown = [
                f"{name} {one.get(name, 'none'):.16} there, {other.get(name, 'none'):.16} here" for name in changed[:4]
            ]
            more = f" and {len(changed) - 4} more" if len(changed) > 4 else ""
            yield f"{words}: {'; '.join(shown)}{more}"
        else:
            yield f"{words}: {_shown(one)} there, {_shown(other)} here"


def _shown(value: object) -> str:
    plain: Any = msgspec.to_builtins(value)
    if isinstance(plain, dict):
        return ", ".join(f"{name} {part}" for name, part in plain.items())
    return "none" if plain is None else f"{plain:.16}" if isinstance(plain, str) else str(plain)


def _place(one: bytes, other: bytes) -> str:
    """Say where two files begin to differ."""
    at = next((place for place, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), None)
    at = min(len(one), len(other)) if at is None else at
    try:
        line = one[:at].count(b"\n") + 1
        found = other.splitlines()[line - 1].decode().strip()[:80]
    except (IndexError, UnicodeDecodeError):
        return f"differs from byte {at:,} on"
    return f"differs from line {line} on, which is now {found!r}"
