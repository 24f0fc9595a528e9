"""What a scoring came to."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hakobu_runtime.format.codec import Value
from hakobu_runtime.limits.breach import Breach, Rule, Verdict
from hakobu_runtime.scorer.scores import VERDICTS


class Example(Value, frozen=True):
    """The first breach of its kind in a file."""

    row: int
    """From 1."""
    name: str
    rule: Rule
    verdict: Verdict
    reason: str


@dataclass(slots=True)
class Summary:
    """What the scoring of a file came to, an earlier, broken run of it included."""

    output: str
    rows: int = 0
    resumed_at: int = 0
    """How many of the rows an earlier run had done."""
    verdicts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(VERDICTS, 0))
    seconds: float = 0.0
    """How long this run took."""
    examples: dict[tuple[str, Rule, Verdict], Example] = field(default_factory=dict)
    """The first breach of each feature, rule and verdict."""
    problems: str | None = None
    """Where the breaches were written."""

    def note(self, verdicts: NDArray[np.uint8], breaches: Iterable[Breach], first: int) -> None:
        """Take in a block, of one verdict a row, before which `first` rows stand in the file."""
        self.rows += len(verdicts)
        for verdict, times in zip(VERDICTS, np.bincount(verdicts, minlength=4).tolist(), strict=True):
            self.verdicts[verdict] += times
        for breach in breaches:
            key = (breach.name, breach.rule, breach.verdict)
            if key not in self.examples:
                self.examples[key] = Example(first + breach.row + 1, *key, breach.reason)

    def recall(self, rows: int, verdicts: Mapping[str, int], examples: Iterable[Example]) -> None:
        """Take in what an earlier run came to, which did `rows` rows."""
        self.rows = self.resumed_at = rows
        self.verdicts = dict(verdicts)
        self.examples = {(found.name, found.rule, found.verdict): found for found in examples}

    def plain(self) -> dict[str, object]:
        """Return it for JSON."""
        found: dict[str, object] = {
            "output": self.output,
            "rows": self.rows,
            "resumed_at": self.resumed_at,
            "verdicts": self.verdicts,
            "seconds": round(self.seconds, 3),
            "examples": [{"row": found.row, "reason": found.reason} for found in self.examples.values()],
        }
        return found | ({"problems": self.problems} if self.problems else {})

    def line(self) -> str:
        """Return it in one line."""
        if self.rows and self.resumed_at == self.rows:
            done = " scored before"
        else:
            resumed = f" ({self.resumed_at:,} of them by an earlier run)" if self.resumed_at else ""
            done = f" in {self.seconds:.1f} s{resumed}"
        return f"{self.output}: {self.rows:,} rows{done}: {verdicts_in_words(self.verdicts)}"

    def words(self) -> str:
        """Return it in a few lines."""
        examples = tuple(self.examples.values())
        lines = [self.line(), *(f"  row {found.row}: {found.reason}" for found in examples[:5])]
        if len(examples) > 5:
            where = f"in {self.problems}" if self.problems else "in the output"
            lines.append(f"  and {len(examples) - 5} more kinds; every row's reasons stand {where}")
        return "\n".join(lines)


def verdicts_in_words(verdicts: Mapping[str, int]) -> str:
    """Return how many rows got which verdict."""
    return ", ".join(f"{many:,} {word}" for word, many in verdicts.items() if many or word == "ok")
