"""`hakobu-run watch`: scores the files that arrive in a folder, each once, for the PC on a line."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

from hakobu_runtime.bundle import Bundle
from hakobu_runtime.device.age import heed
from hakobu_runtime.device.arrivals import Arrivals, Stamp
from hakobu_runtime.device.claim import Claim, Places, take, unfinished
from hakobu_runtime.device.counting import open_journal
from hakobu_runtime.device.lock import locked
from hakobu_runtime.device.order import Order
from hakobu_runtime.device.outcomes_keeper import open_keeper
from hakobu_runtime.device.probation import Trial, with_active
from hakobu_runtime.device.run import score_file
from hakobu_runtime.device.state import State, open_state
from hakobu_runtime.device.stop import Stop, StopAsked
from hakobu_runtime.device.summary import Summary, verdicts_in_words
from hakobu_runtime.errors import HakobuError, InputError, StateError

Warn = Callable[[str], None]
"""Hears one line about what a person should know."""


@dataclass(frozen=True, slots=True)
class Handled:
    """What became of one file."""

    name: str
    source: Path
    """Where the file is now."""
    output: Path | None = None
    """The scored rows; None when the file failed."""
    summary: Summary | None = None
    """None when the file failed, or was scored by an earlier watch that did not come to move it."""
    error: str = ""

    def plain(self) -> dict[str, object]:
        """Return it for JSON."""
        found: dict[str, object] = {"file": self.name, "moved_to": str(self.source)}
        if self.error:
            return {**found, "error": self.error}
        found["output"] = str(self.output)
        if self.summary is None:
            return found
        summary = self.summary
        counted = {"rows": summary.rows, "resumed_at": summary.resumed_at, "verdicts": summary.verdicts}
        return {**found, **counted, "seconds": round(summary.seconds, 3)}

    def words(self) -> str:
        """Return it in one line."""
        if self.error:
            return f"failed: {_one_line(self.error)}"
        if self.summary is None:
            counts = "was scored before"
        else:
            summary = self.summary
            resumed = f" ({summary.resumed_at:,} of them by an earlier run)" if summary.resumed_at else ""
            counts = f"{summary.rows:,} rows in {summary.seconds:.1f} s{resumed}: {verdicts_in_words(summary.verdicts)}"
        return _one_line(f"{self.name}: {counts}; written to {self.output}")


@dataclass(frozen=True, slots=True)
class Watch:
    """A folder to watch, and how."""

    state: State
    places: Places
    model: str | None
    every: float
    """How many seconds lie between two looks."""
    settle: float
    """How many seconds a file must not change to count as whole."""


def open_watch(
    folder: Path | None, root: Path, scored: Path | None, *, model: str | None, every: float, settle: float
) -> Watch:
    """Return the watch of the folder `root`; raise StateError when there is nothing to score with."""
    root = root.absolute()
    if not root.is_dir():
        raise InputError(f"{root}: there is no such folder; make it first, or check the name")
    state = open_state(folder)
    with_active(state, model, lambda words: None, lambda bundle, trial: None)
    return Watch(state, Places(root, (scored or root / "scored").absolute()), model, every, settle)


def keep_watching(watch: Watch, tell: Callable[[Handled], None], warn: Warn, stop: Stop) -> None:
    """Score what arrives until the end is asked for; what keeps the machine from it is told, and tried again."""
    trouble, once = "", _once(warn)
    with _alone(watch), suppress(StopAsked):
        arrivals = Arrivals(watch.places.root, watch.settle, warn)
        while not stop.asked:
            try:
                for handled in _handle_all(watch, arrivals, once, stop):
                    tell(handled)
                trouble = ""
            except BrokenPipeError:
                raise  # nobody hears us any more
            except (HakobuError, OSError) as error:
                if str(error) != trouble:
                    warn(f"{_one_line(str(error))}; trying again every {watch.every:g} s")
                trouble = str(error)
            stop.pause(watch.every)


def watch_once(watch: Watch, tell: Callable[[Handled], None], warn: Warn, stop: Stop) -> None:
    """Score what is there; raise InputError at the end when any of it failed."""
    failed = handled = 0
    with _alone(watch), suppress(StopAsked):
        arrivals = Arrivals(watch.places.root, watch.settle, warn)
        if not arrivals.settled(monotonic()) and arrivals.waiting():
            stop.pause(watch.settle)
        for found in _handle_all(watch, arrivals, _once(warn), stop):
            tell(found)
            handled += 1
            failed += bool(found.error)
        arrivals.settled(monotonic())
        for name in arrivals.waiting():
            warn(f"{watch.places.root / name}: is still being written, or has just come; it is left for the next time")
    if failed:
        raise InputError(
            f"{watch.places.root}: {failed} of {handled} files cannot be scored; the reasons stand beside them in "
            f"{watch.places.failed}"
        )


def _handle_all(watch: Watch, arrivals: Arrivals, warn: Warn, stop: Stop) -> Iterator[Handled]:
    """Handle what an earlier watch left, then what has settled."""
    left = unfinished(watch.places)
    if left is not None:
        yield _handle(watch, left, warn, stop)
    for name in arrivals.settled(monotonic()):
        stop.check()
        claim = take(watch.places, name)
        if claim is not None:
            yield _handle(watch, claim, warn, stop)


def _handle(watch: Watch, claim: Claim, warn: Warn, stop: Stop) -> Handled:
    """Score the claimed file unless that is done, and move it where it belongs."""
    summary = None
    try:
        if not claim.draft.exists():
            summary = _score(watch, claim, warn, stop)
    except InputError as error:
        if str(error).startswith(str(claim.draft)):
            raise  # a full disk, say: that is not the file's fault
        reason = str(error).replace(str(claim.source), str(claim.places.root / claim.name))
        return Handled(claim.name, claim.refuse(reason), error=reason)
    source, output = claim.publish()
    return Handled(claim.name, source, output, summary)


def _score(watch: Watch, claim: Claim, warn: Warn, stop: Stop) -> Summary:
    before = Stamp.of(claim.source)

    def advance(done: int, size: int | None, rows: int) -> None:
        stop.check()

    def work(bundle: Bundle, trial: Trial | None) -> Summary:
        stale = heed(watch.state, bundle.manifest, datetime.now(UTC), warn)
        keeper = open_keeper(watch.state, bundle, warn)
        with open_journal(watch.state) as journal:
            order = Order(claim.source, claim.draft, stale=stale)
            return score_file(bundle, journal, order, advance=advance, trial=trial, keeper=keeper)

    summary = with_active(watch.state, watch.model, warn, work)  # for each file: another one may be installed meanwhile
    if Stamp.of(claim.source) != before:
        raise InputError(
            f"{claim.source}: was still being written while it was scored, so rows may be lacking; let the other "
            "program write it elsewhere and then move it here, or watch with a longer --settle"
        )
    return summary


@contextmanager
def _alone(watch: Watch) -> Iterator[None]:
    """Hold the folder against a second watch."""
    with ExitStack() as held:
        try:
            held.enter_context(locked(watch.places.root / ".hakobu-watch"))
        except StateError as error:
            raise StateError(f"{watch.places.root}: cannot be watched: {error}") from error
        yield


def _once(warn: Warn) -> Warn:
    """Return what tells a thing once, however many files it is true of."""
    told: set[str] = set()

    def tell(words: str) -> None:
        if words not in told:
            told.add(words)
            warn(words)

    return tell


def _one_line(words: str) -> str:
    return " ".join(words.split("\n"))
