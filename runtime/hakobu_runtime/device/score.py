"""`hakobu-run score`: which bundle, which files, and what came of it in words."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

from hakobu_runtime.bundle import Bundle
from hakobu_runtime.device.age import heed
from hakobu_runtime.device.batch import is_batch, orders_of
from hakobu_runtime.device.counting import open_journal
from hakobu_runtime.device.order import Order
from hakobu_runtime.device.outcomes_keeper import Keeper, open_keeper
from hakobu_runtime.device.probation import Trial, with_active
from hakobu_runtime.device.run import Advance, Warn, score_file
from hakobu_runtime.device.slots import open_allowed
from hakobu_runtime.device.state import open_state
from hakobu_runtime.device.summary import Summary, verdicts_in_words
from hakobu_runtime.errors import BundleError, HakobuError, InputError, StateError
from hakobu_runtime.journal import Journal
from hakobu_runtime.rows.source import Layout
from hakobu_runtime.scorer.scores import VERDICTS


@dataclass(frozen=True, slots=True)
class Asked:
    """What the arguments and flags of `score` ask for."""

    sources: tuple[Path, ...]
    target: Path
    bundle: Path | None = None
    model: str | None = None
    layout: str | None = None
    to: str | None = None
    delimiter: str | None = None
    encoding: str | None = None
    columns: tuple[str, ...] = ()
    problems: Path | None = None

    def order(self) -> Order:
        """Return the order that the flags make of the first input."""
        layout = Layout(format=self.layout, delimiter=self.delimiter, encoding=self.encoding)
        return Order(self.sources[0], self.target, layout, self.to, self.columns, self.problems)


@dataclass(frozen=True, slots=True)
class Failed:
    """A file of several that could not be scored."""

    source: str
    error: HakobuError

    def plain(self) -> dict[str, object]:
        """Return it for JSON."""
        return {"input": self.source, "error": str(self.error)}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a scoring came to, for people and programs."""

    bundle: Bundle
    summaries: tuple[Summary, ...]
    failed: tuple[Failed, ...] = ()
    seconds: float = 0.0
    batch: bool = False
    """Whether each input got an output of its own in a folder."""

    @property
    def broken(self) -> int:
        """How many rows broke a rule."""
        return sum(summary.rows - summary.verdicts["ok"] for summary in self.summaries)

    def plain(self) -> dict[str, object]:
        """Return the outcome for JSON."""
        model: dict[str, object] = {"model": self.bundle.manifest.name, "version": self.bundle.manifest.version}
        if not self.batch:
            return model | self.summaries[0].plain()
        return model | {
            "files": [summary.plain() for summary in self.summaries],
            "failed": [failed.plain() for failed in self.failed],
            "rows": sum(summary.rows for summary in self.summaries),
            "verdicts": self._verdicts(),
            "seconds": round(self.seconds, 3),
        }

    def words(self) -> str:
        """Return the outcome in a few lines; of a batch, whose files were told one by one, the total."""
        if not self.batch:
            return self.summaries[0].words()
        rows = sum(summary.rows for summary in self.summaries)
        files = f"{len(self.summaries)} file{'' if len(self.summaries) == 1 else 's'}"
        failed = f"; {len(self.failed)} failed" if self.failed else ""
        return f"total: {files}, {rows:,} rows in {self.seconds:.1f} s: {verdicts_in_words(self._verdicts())}{failed}"

    def refuse(self, *, strict: bool) -> None:
        """Raise what the command has to end with: the worst of what failed, or, if `strict`, any broken rule."""
        if self.failed:
            worst = max((failed.error for failed in self.failed), key=lambda error: error.exit_code)
            many = len(self.failed) + len(self.summaries)
            raise type(worst)(
                f"{len(self.failed)} of {many} files could not be scored; mend them and run the same command again: "
                "it takes up those alone"
            )
        if strict and self.broken:
            raise InputError(f"{self.broken} rows broke a rule, and --strict was asked for")

    def _verdicts(self) -> Mapping[str, int]:
        return {word: sum(summary.verdicts[word] for summary in self.summaries) for word in VERDICTS}


@dataclass(frozen=True, slots=True)
class Listener:
    """Who hears what while files are scored."""

    advance: Advance = lambda done, size, rows: None
    warn: Warn = lambda words: None
    tell: Callable[[Summary], None] = lambda summary: None
    """Hears of each file of a batch that is scored."""


def score_command(folder: Path | None, asked: Asked, listener: Listener = Listener()) -> Outcome:
    """Score what is asked for with the asked-for bundle, or the installed one."""
    started = perf_counter()
    state = open_state(folder)

    def work(bundle: Bundle, trial: Trial | None) -> Outcome:
        stale = heed(state, bundle.manifest, datetime.now(UTC), listener.warn)
        order = replace(asked.order(), stale=stale)
        keeper = open_keeper(state, bundle, listener.warn)
        if not is_batch(asked.sources, asked.target):
            with open_journal(state) as journal:
                summary = score_file(
                    bundle, journal, order, advance=listener.advance, warn=listener.warn, trial=trial, keeper=keeper
                )
                return Outcome(bundle, (summary,))
        orders = orders_of(asked.sources, order, listener.warn)
        with open_journal(state) as journal:
            return _score_all(bundle, journal, orders, listener, trial, keeper)

    if asked.bundle is not None:
        outcome = work(open_allowed(state, asked.bundle), None)
    else:
        outcome = with_active(state, asked.model, listener.warn, work)
    return replace(outcome, seconds=perf_counter() - started)


def _score_all(
    bundle: Bundle,
    journal: Journal,
    orders: Sequence[Order],
    listener: Listener,
    trial: Trial | None,
    keeper: Keeper | None,
) -> Outcome:
    """Carry out each order, whatever becomes of the others.

    Those that are done are remembered until all are, so that the same command after a power cut, or after a file was
    mended, takes up what is left.
    """
    done: list[Summary] = []
    failed: list[Failed] = []
    course = _Course(orders, listener.advance)
    for order in orders:
        course.begin(order)
        try:
            summary = score_file(
                bundle,
                journal,
                order,
                advance=course.advance,
                warn=listener.warn,
                keep=True,
                trial=trial,
                keeper=keeper,
            )
        except StateError:
            raise  # the journal's trouble is no file's fault
        except HakobuError as error:
            if trial is not None and isinstance(error, BundleError):
                raise  # the bundle's fault: all are scored with the former one
            failed.append(Failed(str(order.source), error))
            listener.warn(f"error: {error}")
        else:
            done.append(summary)
            listener.tell(summary)
    if not failed:
        journal.finish(*(order.key for order in orders))
    return Outcome(bundle, tuple(done), tuple(failed), batch=True)


class _Course:
    """How far the files of a batch are, taken together."""

    def __init__(self, orders: Iterable[Order], advance: Advance) -> None:
        self._sizes = {order.source: _size(order.source) for order in orders}
        self._all = sum(self._sizes.values())
        self._heard = advance
        self._done = self._rows = self._rows_here = 0
        self._size_here = 0

    def begin(self, order: Order) -> None:
        """Hear that a file is begun, and the one before it done."""
        self._done += self._size_here
        self._rows += self._rows_here
        self._size_here, self._rows_here = self._sizes[order.source], 0

    def advance(self, done: int, size: int | None, rows: int) -> None:
        """Hear how far the present file is."""
        self._rows_here = rows
        here = self._size_here * min(done, size) // size if size else 0
        self._heard(self._done + here, self._all, self._rows + rows)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
