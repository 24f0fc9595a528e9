"""Making an install kit."""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from time import perf_counter

from packaging.requirements import Requirement

from hakobu.freeze.inside import write_inside
from hakobu.freeze.place import check_free, check_room, size_of, workshop
from hakobu.freeze.tool import Tell
from hakobu.kit.fetch import fetched, tools
from hakobu.kit.runtime import write_runtime
from hakobu.kit.scripts import launcher_name, write_scripts
from hakobu.kit.target import Target
from hakobu.kit.wheel import Wheel, closure
from hakobu_runtime.bundle import Bundle
from hakobu_runtime.device.inside import FOLDER
from hakobu_runtime.errors import ToolError
from hakobu_runtime.format.follow import Follow
from hakobu_runtime.trust import Keyring

STAGES = ("fetching", "packing")
"""What is told while it is done, each with more words after a colon."""

_ROOM = 200_000_000
"""How many bytes a kit takes, beside the model."""
_RUNTIME = Requirement("hakobu-runtime")


@dataclass(frozen=True, slots=True)
class Kit:
    """An install kit that was made."""

    path: Path
    launcher: Path
    """What is to be started on the other PC."""
    target: Target
    wheels: tuple[Wheel, ...]
    """Those that it has, by name."""
    size: int
    """Bytes in all."""
    seconds: float

    def plain(self) -> dict[str, object]:
        """Return it for JSON."""
        return {
            "path": str(self.path),
            "launcher": str(self.launcher),
            "target": self.target.system.name,
            "python": self.target.python,
            "wheels": {wheel.name: str(wheel.version) for wheel in self.wheels},
            "bytes": self.size,
            "seconds": round(self.seconds, 1),
        }

    def words(self) -> str:
        """Return it in a few lines."""
        return (
            f"kit:     {self.path} ({self.size / 1e6:,.0f} MB, in {self.seconds:.0f} s)\n"
            f"for:     {self.target.system.words}, with Python {self.target.python} and no network\n"
            f"checked: its {len(self.wheels)} wheels run there, and have all that they ask for\n"
            f"start:   {self.launcher.name} FILE"
        )


def make_kit(
    bundle: Bundle, keyring: Keyring, target: Target, folder: Path, tell: Tell, follow: Follow | None = None
) -> Kit:
    """Make the kit of `bundle` for `target` in `folder`; nothing is left there when it fails.

    It trusts the keys of `keyring`, for this model alone, and keeps itself current by what it is to `follow`. Raises
    ToolError when its wheels cannot be had.
    """
    started = perf_counter()
    manifest = bundle.manifest
    place = folder.absolute() / f"{manifest.name}-{manifest.version}-{target.system.name}"
    check_free(place)
    check_room(place.parent, _ROOM + 2 * len(bundle.model), "a kit")
    wheels = fetched(target, tell)
    with workshop(place.parent) as work:
        tell("packing")
        draft = work / place.name
        (draft / "kit" / "wheels").mkdir(parents=True)
        write_inside(bundle, keyring, draft / "kit" / FOLDER, follow)
        packed = _pack_wheels(draft / "kit", wheels, target)
        write_scripts(draft, manifest, target)
        _write_sums(draft)
        check_free(place)
        draft.rename(place)
    return Kit(place, place / launcher_name(manifest, target), target, packed, size_of(place), perf_counter() - started)


def _pack_wheels(kit: Path, wheels: Iterable[Wheel], target: Target) -> tuple[Wheel, ...]:
    """Put the wheels into the kit, the runtime's own among them, and write which of them each script installs."""
    for wheel in wheels:
        shutil.copyfile(wheel.path, kit / "wheels" / wheel.path.name)
    everything = (*wheels, write_runtime(kit / "wheels"))
    for lock, roots in (("run.txt", (_RUNTIME,)), ("freeze.txt", (_RUNTIME, *tools()))):
        found = closure(everything, roots, target)
        if found.missing:
            raise ToolError(f"{target}: there is no wheel for it of {', '.join(map(str, found.missing))}")
        (kit / lock).write_bytes("".join(map(_pinned, found.wheels)).encode())
    return tuple(sorted(everything, key=lambda wheel: wheel.name))


def _pinned(wheel: Wheel) -> str:
    """Return the line of a requirements file that takes this wheel and no other bytes."""
    return f"{wheel.name}=={wheel.version} --hash=sha256:{sha256(wheel.path.read_bytes()).hexdigest()}\n"


def _write_sums(draft: Path) -> None:
    """Write the sha256 of each file, as sha256sum reads it."""
    files = sorted(path for path in draft.rglob("*") if path.is_file())
    sums = (f"{sha256(path.read_bytes()).hexdigest()}  {path.relative_to(draft).as_posix()}\n" for path in files)
    (draft / "SHA256SUMS").write_bytes("".join(sums).encode())
