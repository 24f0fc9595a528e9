"""What it takes to put a program on a base image of one's own: a folder with a Containerfile."""

from dataclasses import dataclass
from pathlib import Path
from string import Template

from hakobu import resources
from hakobu.container.contents import DATA, STATE, USER
from hakobu.container.libraries import check_system
from hakobu.container.tag import Tag
from hakobu.freeze.executable import Frozen, Shape, freeze, room_for
from hakobu.freeze.place import check_free, check_room, workshop
from hakobu.freeze.tool import Tell
from hakobu_runtime.bundle import Bundle
from hakobu_runtime.format.follow import Follow
from hakobu_runtime.trust import Keyring

CONTAINERFILE = "Containerfile"
_BASES = {(2, 36): "debian:12-slim", (2, 41): "debian:13-slim"}
"""By the glibc that each has: what is frozen here runs on no older one."""
_LATEST = "debian:testing-slim"
_FILES = {CONTAINERFILE: "Containerfile.template", ".containerignore": "containerignore.template"}


@dataclass(frozen=True, slots=True)
class Context:
    """A folder that an image can be built from."""

    path: Path
    tag: str
    frozen: Frozen

    def plain(self) -> dict[str, object]:
        """Return it for JSON."""
        return {
            "path": str(self.path.absolute()),
            "containerfile": str(self.path.absolute() / CONTAINERFILE),
            "tag": self.tag,
            "bytes": self.frozen.size,
            "seconds": round(self.frozen.seconds, 1),
            "tried": self.frozen.tried.plain(),
        }

    def words(self) -> str:
        """Return it in a few lines."""
        return (
            f"context: {self.path} ({self.frozen.size / 1e6:,.0f} MB, in {self.frozen.seconds:.0f} s)\n"
            f"tried:   {self.frozen.tried.words()}\n"
            f"build:   podman build -t {self.tag} {self.path}\n"
            f"or:      docker build -t {self.tag} -f {self.path / CONTAINERFILE} {self.path}"
        )


def make_context(
    bundle: Bundle, keyring: Keyring, folder: Path, tag: Tag, tell: Tell, follow: Follow | None = None
) -> Context:
    """Make `folder` of the program of `bundle` and a Containerfile; nothing is left there when it fails.

    `keyring` and `follow` are as in `freeze`. Raises ToolError where no image can be made, and like `freeze`.
    """
    library = check_system()
    check_free(folder)
    check_room(folder.parent, room_for(bundle), "freezing")
    with workshop(folder.parent) as work:
        frozen = freeze(bundle, keyring, Shape.FOLDER, work / "context", tell, follow)
        _write(work / "context", bundle, frozen, library)
        check_free(folder)
        (work / "context").rename(folder)
    return Context(folder, tag.text, frozen)


def base_for(library: str) -> str:
    """Return the oldest Debian that has the C library `library`, like `glibc 2.36`, or a newer one."""
    here = tuple(map(int, library.split()[-1].split(".")[:2]))
    return next((base for version, base in _BASES.items() if version >= here), _LATEST)


def _write(folder: Path, bundle: Bundle, frozen: Frozen, library: str) -> None:
    """Write what stands beside the program."""
    words = {
        "model": bundle.manifest.name,
        "version": bundle.manifest.version,
        "digest": bundle.digest,
        "folder": frozen.path.name,
        "library": library,
        "base": base_for(library),
        "user": str(USER),
        "state": STATE,
        "data": DATA,
    }
    # An empty folder: a base without a shell cannot make one that the user may write into.
    (folder / STATE).mkdir()
    templates = resources.folder("templates") / "container"
    for name, template in _FILES.items():
        text = Template((templates / template).read_text(encoding="utf-8")).substitute(words)
        (folder / name).write_text(text, encoding="utf-8")
