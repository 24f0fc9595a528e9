"""What lies in an image: a layer that all models of one hakobu share, and a small one with the model."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from hakobu.container.tree import Entry, File, Folder, Link
from hakobu_runtime.device.inside import FOLDER

HOME = "opt/hakobu"
PROGRAM = f"{HOME}/program"
"""Not the model's name, so that models share it; the model's layer has a link that is named after the model."""
COMMANDS = "bin"
STATE = "state"
DATA = "data"
USER = 65532
"""The number that images without a shell use for a user who is not root."""

_FOR_ALL = 0o1777
"""Of folders to write into: whoever the container is run as, with `--user` or by a cluster, can."""
_PASSWD = f"root:x:0:0:root:/:/none\nhakobu:x:{USER}:{USER}:hakobu:/{STATE}:/none\n"
_GROUP = f"root:x:0:\nhakobu:x:{USER}:\n"


def shared(folder: Path, program: Path, libraries: Mapping[Path, Path]) -> Iterator[Entry]:
    """Yield the system and the runtime: all of the folder build but the box, and the libraries of the system."""
    yield File("etc/passwd", _PASSWD.encode())
    yield File("etc/group", _GROUP.encode())
    for name in (DATA, STATE, "tmp"):
        yield Folder(name, _FOR_ALL)
    for place, source in libraries.items():
        yield File(str(place).lstrip("/"), source, program=True)
    for path, inner in _parts(folder, in_box=False):
        target = PROGRAM if path == program else f"{HOME}/{inner}"
        if path.is_symlink():
            yield Link(target, str(path.readlink()))
        elif path.is_file():
            yield File(target, path, program=bool(path.stat().st_mode & 0o100))


def own(folder: Path, model: str) -> Iterator[Entry]:
    """Yield the box, and the command that is named after the model."""
    yield Link(f"{COMMANDS}/{model}", f"/{PROGRAM}")
    for path, inner in _parts(folder, in_box=True):
        if path.is_file():
            yield File(f"{HOME}/{inner}", path)


def _parts(folder: Path, *, in_box: bool) -> Iterator[tuple[Path, str]]:
    """Yield what belongs to the box, or what does not, and its place in the folder build."""
    for path in folder.rglob("*"):
        inner = path.relative_to(folder)
        if (FOLDER in inner.parts) == in_box:
            yield path, inner.as_posix()
