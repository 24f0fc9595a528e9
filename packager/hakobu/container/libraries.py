"""The shared libraries that a folder build needs of the system: asked of the system's own loader, as ldd does."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from hakobu.container.elf import Program, is_elf
from hakobu_runtime.errors import ToolError

INTERNAL = "_internal"
"""The folder beside the program where PyInstaller puts all the rest, and looks for libraries first."""

_LINE = re.compile(r"\s+(?P<name>\S+) => (?P<place>.+) \(0x[0-9a-f]+\)")
_COMPLAINT = "error while loading shared libraries: "
_C_LIBRARY = "libc.so.6"
_VARIANTS = "glibc-hwcaps"
_PATIENCE = 60


def check_system() -> str:
    """Return the name and version of the C library here, as `glibc 2.36`.

    Raises ToolError where what is frozen here would not run in a container.
    """
    if sys.platform != "linux":
        raise ToolError(
            f"on this system ({sys.platform}) no image can be made, since what is frozen here does not run in a "
            "container; run this on a Linux machine ('hakobu kit BUNDLE --target linux-x86_64' makes what freezes "
            "there)"
        )
    try:
        found = os.confstr("CS_GNU_LIBC_VERSION")
    except (OSError, ValueError):
        found = None
    if not found:
        raise ToolError(
            "the C library of this system is not glibc, for which onnxruntime is made; run this on a Linux that has "
            "it, such as Debian"
        )
    return found


def system_libraries(program: Program) -> Mapping[Path, Path]:
    """Return the files of the system that `program` and all beside it need: where they go, and where they are here.

    They go where the C library lies, since that is where the loader looks without being told; the loader itself goes
    where the program looks for it. Raises ToolError when one is missing.
    """
    folder = program.path.parent / INTERNAL
    # The program itself starts before anything has named the folder of its own libraries.
    found = dict(_needed(program.loader, program.path))
    for path in sorted(folder.rglob("*.so*")):
        if path.is_file() and is_elf(path):
            needed = _needed(program.loader, path, "--library-path", str(folder))
            found |= {name: place for name, place in needed if folder not in place.parents}
    if _C_LIBRARY not in found:
        raise ToolError(f"{program.path}: does not need {_C_LIBRARY}, as programs for glibc do")
    home = found[_C_LIBRARY].parent
    places = {home / name: place.resolve() for name, place in found.items() if name != program.loader.name}
    return {program.loader: program.loader.resolve(), **places}


def _needed(loader: Path, path: Path, *options: str) -> Iterator[tuple[str, Path]]:
    """Yield each library that `path` needs, and that these need in turn: its name, and where the loader finds it."""
    try:
        done = subprocess.run(
            [str(loader), *options, "--list", str(path)],
            env={"LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolError(
            f"{loader}: the loader of this system cannot be asked what {path.name} needs: {error}"
        ) from error
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split()).rpartition(_COMPLAINT)[2]
        raise ToolError(f"{path}: cannot be loaded on this system: {said}; install what it lacks, and try again")
    for line in filter(None, map(_LINE.fullmatch, done.stdout.splitlines())):
        yield line["name"], _for_every_processor(Path(line["place"]))


def _for_every_processor(place: Path) -> Path:
    """Return the library itself where the loader takes a variant for the processor here, which others may not run."""
    parts = place.parts
    if _VARIANTS not in parts:
        return place
    plain = Path(*parts[: parts.index(_VARIANTS)], place.name)
    return plain if plain.exists() else place
