"""`hakobu-run score`: which bundle, which file, and the summary in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hakobu_runtime.bundle import Bundle, open_bundle
from hakobu_runtime.device.counting import open_journal
from hakobu_runtime.device.run import Advance, Summary, score_file
from hakobu_runtime.device.slots import open_active
from hakobu_runtime.device.state import State, open_state, read_keyring
from hakobu_runtime.rows.source import Layout


@dataclass(frozen=True, slots=True)
class Asked:
    """What the flags of `score` ask for."""

    bundle: Path | None = None
    model: str | None = None
    layout: str | None = None
    delimiter: str | None = None
    encoding: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a scoring came to, for people and programs."""

    bundle: Bundle
    summary: Summary

    @property
    def rows(self) -> int:
        """How many rows the output has."""
        return self.summary.rows

    @property
    def verdicts(self) -> Mapping[str, int]:
        """How many rows of this run got each verdict."""
        return self.summary.verdicts

    def plain(self) -> dict[str, object]:
        """Return the outcome for JSON."""
        summary = self.summary
        return {
            "model": self.bundle.manifest.name,
            "version": self.bundle.manifest.version,
            "output": summary.output,
            "rows": summary.rows,
            "resumed_at": summary.resumed_at,
            "verdicts": summary.verdicts,
            "seconds": round(summary.seconds, 3),
            "examples": [{"row": row, "reason": breach.reason} for row, breach in summary.examples],
        }

    def words(self) -> str:
        """Return the outcome in a few lines."""
        summary = self.summary
        pace = f" in {summary.seconds:.1f} s"
        resumed = f" ({summary.resumed_at:,} of them by an earlier run)" if summary.resumed_at else ""
        counts = ", ".join(f"{count:,} {word}" for word, count in summary.verdicts.items() if count or word == "ok")
        lines = [f"{summary.output}: {summary.rows:,} rows{pace}{resumed}: {counts}"]
        lines += [f"  row {row}: {breach.reason}" for row, breach in summary.examples[:5]]
        if len(summary.examples) > 5:
            lines.append(f"  and {len(summary.examples) - 5} more kinds; every row's reasons stand in the output")
        return "\n".join(lines)


def score_command(folder: Path | None, source: Path, target: Path, asked: Asked, advance: Advance) -> Outcome:
    """Score `source` into `target` with the asked-for bundle, or the installed one."""
    state = open_state(folder)
    bundle = _bundle(state, asked)
    layout = Layout(format=asked.layout, delimiter=asked.delimiter, encoding=asked.encoding)
    with open_journal(state) as journal:
        return Outcome(bundle, score_file(bundle, journal, source, target, layout=layout, advance=advance))


def _bundle(state: State, asked: Asked) -> Bundle:
    if asked.bundle is not None:
        return open_bundle(asked.bundle, read_keyring(state))
    return open_active(state, asked.model)
