"""A file that is taken out of a watched folder to be scored once, whatever happens in between.

What has been done shows in which files there are, so a crash or a power cut at any point leaves no doubt:

    claim and input        it is being scored; the journal knows how far
    claim, input, draft    it is scored and counted
    claim and draft        and the input is in done/
    claim alone            and the output is in its place
"""

import json
import os
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from hakobu_runtime.disk import sync_folder, write_whole
from hakobu_runtime.errors import StateError, UsageError

ERROR = ".error.txt"
_LONGEST = 200
"""How many bytes of a name are kept where it gets a number or an ending; most systems take 255."""


@dataclass(frozen=True, slots=True)
class Places:
    """A watched folder, and where its files go."""

    root: Path
    scored: Path

    def __post_init__(self) -> None:
        if self.scored.resolve() in {place.resolve() for place in (self.root, self.working, self.done, self.failed)}:
            raise UsageError(f"{self.scored}: the scored files would come back as input; name another folder with -o")

    @property
    def working(self) -> Path:
        """Where the file that is being scored stands."""
        return self.root / "working"

    @property
    def done(self) -> Path:
        """Where scored files go."""
        return self.root / "done"

    @property
    def failed(self) -> Path:
        """Where files go that cannot be scored, with the reason."""
        return self.root / "failed"


@dataclass(frozen=True, slots=True)
class Claim:
    """One file that is being scored."""

    places: Places
    name: str
    """As it stood in the watched folder."""
    mark: str
    """What tells its files from those of other claims."""

    @property
    def source(self) -> Path:
        """The file itself."""
        return self.places.working / self.mark / self.name

    @property
    def draft(self) -> Path:
        """Its output; on the disk under this name only when it is whole and counted."""
        return self.places.scored / f".{self.mark}.csv"

    def publish(self) -> tuple[Path, Path]:
        """Move the input to done/ and the output to its place, and return where they are; goes on after a crash.

        In this order: were the output gone first, a crash between would look as if nothing had been scored yet.
        """
        done = self.places.done / self.name
        if self.source.exists():
            done = move(self.source, self.places.done, self.name)
        scored = move(self.draft, self.places.scored, f"{_split(self.name)[0]}.csv")
        self.forget()
        return done, scored

    def refuse(self, reason: str) -> Path:
        """Move the input to failed/, with the reason in a text beside it, and return where it is."""
        for path in (self.draft, self.draft.with_name(self.draft.name + ".partial")):
            path.unlink(missing_ok=True)
        failed = move(self.source, self.places.failed, self.name, beside=ERROR)
        write_whole(failed.with_name(_cut(failed.name) + ERROR), f"{reason}\n".encode("utf-8", "replace"))
        self.forget()
        return failed

    def forget(self) -> None:
        """End the claim; what a killed run has left of its locks and drafts goes, too."""
        lock = self.draft.with_name(f"{self.draft.name}.partial.lock")
        for path in (lock, *self.places.working.glob(".claim.json.*.partial")):
            path.unlink(missing_ok=True)
        with suppress(OSError):
            self.source.parent.rmdir()
        _record(self.places).unlink(missing_ok=True)
        with suppress(OSError):  # what does not belong to us may stand in it
            self.places.working.rmdir()


def take(places: Places, name: str) -> Claim | None:
    """Claim the file `name` of the watched folder; None when it is gone, or held by a program on Windows."""
    claim = Claim(places, name, uuid.uuid4().hex[:12])
    places.working.mkdir(exist_ok=True)
    places.scored.mkdir(parents=True, exist_ok=True)
    record = {"name": name, "mark": claim.mark, "scored": str(places.scored)}
    write_whole(_record(places), json.dumps(record).encode())
    claim.source.parent.mkdir()
    try:
        move(places.root / name, claim.source.parent, name)
    except FileNotFoundError:
        claim.forget()
        return None
    except PermissionError:
        claim.forget()
        if os.name == "nt":
            return None
        raise
    return claim


def unfinished(places: Places) -> Claim | None:
    """Return the claim that a crash or the end of an earlier watch has left, when there is anything left to do."""
    path = _record(places)
    try:
        found = json.loads(path.read_bytes())
        name, mark, scored = (str(found[field]) for field in ("name", "mark", "scored"))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError):
        name = mark = scored = ""
    if not name or Path(name).name != name or not mark.isalnum():
        raise StateError(
            f"{path}: is damaged; move the files in the folders beside it back into {places.root} and delete it"
        )
    if scored != str(places.scored):
        raise StateError(
            f"{places.working}: {name} is being scored into {scored}; watch once more with -o {scored}, so that no row "
            "is counted twice"
        )
    claim = Claim(places, name, mark)
    if claim.source.exists() or claim.draft.exists():
        return claim
    claim.forget()
    return None


def move(source: Path, folder: Path, name: str, beside: str = "") -> Path:
    """Move `source` into `folder`, as `name` or with a number where that is taken; on the disk when this returns.

    A name is taken as well when `beside` added to it is. Moving again after a crash ends at the same place.
    """
    folder.mkdir(exist_ok=True)
    for candidate in _candidates(name):
        if not (beside and os.path.lexists(folder / (_cut(candidate) + beside))) and _move(source, folder / candidate):
            break
    sync_folder(folder)
    sync_folder(source.parent)
    return folder / candidate


def _move(source: Path, target: Path) -> bool:
    """Move `source` to `target`; say False when that is taken."""
    if os.name != "nt":
        try:
            os.link(source, target)  # which, unlike renaming, takes no name that is in use
            source.unlink()
            return True
        except FileNotFoundError:
            raise
        except FileExistsError:
            if not source.samefile(target):
                return False
            source.unlink()  # a crash came between the two steps
            return True
        except OSError:
            pass  # FAT and some shares know no links
    if os.path.lexists(target):
        return False
    try:
        source.rename(target)
    except FileExistsError:  # as Windows says
        return False
    return True


def _candidates(name: str) -> Iterator[str]:
    """Yield `name`, then the same with the numbers from 2."""
    yield name
    stem, ending = _split(name)
    yield from (f"{_cut(stem)}-{number}{ending}" for number in count(2))


def _split(name: str) -> tuple[str, str]:
    """Return a name without its ending, and that: .csv, or .csv.gz."""
    path = Path(name)
    ending = "".join(path.suffixes[-2:]) if path.suffix.lower() == ".gz" else path.suffix
    return name.removesuffix(ending), ending


def _cut(name: str) -> str:
    return name if len(os.fsencode(name)) <= _LONGEST else os.fsencode(name)[:_LONGEST].decode("utf-8", "ignore")


def _record(places: Places) -> Path:
    return places.working / "claim.json"
