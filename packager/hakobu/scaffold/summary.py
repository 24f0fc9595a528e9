"""What `hakobu new` found in a table, for a terminal."""

import shlex
from pathlib import Path

from hakobu.scaffold.draft import Draft, Kept
from hakobu.scaffold.infer import Kind
from hakobu_runtime.console.table import style, table
from hakobu_runtime.limits.breach import quote

_WIDE = 90


def draft_summary(draft: Draft) -> str:
    """Return the columns, those left out with the reason, and what the builder should look at."""
    rows = [
        [_name(draft.roles.target), f"target ({draft.target.task})", draft.target.seen],
        *([_name(kept.name), _kind(kept), _short(kept.seen)] for kept in draft.kept),
    ]
    without = len(draft.source.columns[0]) - draft.rows
    lines = [
        f"{draft.source.path}: {draft.rows:,} rows with a target"
        + (f" ({without:,} without are left out)" if without else "")
        + f", {len(draft.kept)} columns to learn from",
        "",
        table(["column", "kind", "what was seen"], rows),
    ]
    if draft.left:
        reasons = [[_name(left.name), _short(left.reason)] for left in draft.left]
        lines += ["", table(["left out", "why"], reasons)]
    if draft.missing:
        lines += ["", f"missing, in any column, beside the empty cell: {', '.join(map(quote, draft.missing))}"]
    if draft.warnings:
        lines += ["", style("look at this:", fg="yellow"), *(f"  {warning}" for warning in draft.warnings)]
    return "\n".join(lines)


def draft_fields(draft: Draft) -> dict[str, object]:
    """Return the same as fields of a JSON object."""
    return {
        "target": draft.roles.target,
        "task": draft.target.task,
        "rows": draft.rows,
        "features": [{"column": kept.name, "kind": kept.kind, "seen": kept.seen} for kept in draft.kept],
        "left_out": [{"column": left.name, "reason": left.reason} for left in draft.left],
        "missing": draft.missing,
        "warnings": draft.warnings,
    }


def next_commands(folder: Path) -> str:
    """Return what to type next."""
    steps = [f"cd {shlex.quote(str(folder))}", "hakobu keys new", "hakobu build"]
    return "\n".join(["next:", *(f"  {step}" for step in steps if step != "cd .")])


def _name(name: str) -> str:
    return quote(name)[1:-1] if name else "(without a name)"


def _kind(kept: Kept) -> str:
    return f"date ({', '.join(kept.parts)})" if kept.kind is Kind.DATE else kept.kind.value


def _short(words: str) -> str:
    return words if len(words) <= _WIDE else words[: _WIDE - 1] + "…"
