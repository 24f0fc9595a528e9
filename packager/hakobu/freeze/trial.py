"""Trying an executable at once, as on a PC that has nothing: no environment, a state of its own, another folder."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hakobu.freeze.tool import LAST_LINES
from hakobu_runtime.bundle import Bundle
from hakobu_runtime.errors import ToolError

_PATIENCE = 600


@dataclass(frozen=True, slots=True)
class Tried:
    """What an executable did when it was tried."""

    version: str
    """What it said to --version."""
    checks: int
    """How many lines doctor had, none of them a failure."""
    rows: int
    """How many golden rows it scored from a file as it should."""

    def plain(self) -> dict[str, object]:
        """Return it for JSON."""
        return {"version": self.version, "golden_rows": self.rows, "checks": self.checks}

    def words(self) -> str:
        """Return it in a line."""
        return (
            f"in an empty environment it says {self.version!r}, finds nothing wrong with this PC in {self.checks} "
            f"checks, and scores its {self.rows} golden rows as it should"
        )


def try_out(program: Path, bundle: Bundle, work: Path) -> Tried:
    """Run `program`: its version, doctor with the golden rows, and a file; raise ToolError when any is not right."""
    manifest = bundle.manifest
    version = _run(program, work, "--version").strip()
    if not version.startswith(f"{manifest.name} {manifest.version},"):
        raise ToolError(f"{program.name} --version says {version!r}, not {manifest.name} {manifest.version}")
    state = ("--state", str(work / "state"))
    found = json.loads(_run(program, work, *state, "doctor", "--json"))
    golden = [check["name"] for check in found["checks"] if check["name"].endswith(": golden rows")]
    if not found["healthy"] or golden != [f"{manifest.name} {manifest.version}: golden rows"]:
        raise ToolError(f"{program.name} doctor did not try the golden rows of {manifest.name} {manifest.version}")
    _score(program, bundle, work, state)
    return Tried(version, len(found["checks"]), len(bundle.golden))


def _score(program: Path, bundle: Bundle, work: Path, state: tuple[str, ...]) -> None:
    """Let it score the golden rows from a file, and hold what it makes of each against what is expected."""
    source, target = work / "golden.jsonl", work / "golden-scored.jsonl"
    golden = bundle.golden
    rows = [dict(zip(golden.columns, cells, strict=True)) for cells in zip(*golden.columns.values(), strict=True)]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    _run(program, work, *state, "score", str(source), "-o", str(target))
    verdicts = [json.loads(line)["verdict"] for line in target.read_text(encoding="utf-8").splitlines()]
    if verdicts != list(golden.verdicts):
        wrong = next(
            (row for row, pair in enumerate(zip(verdicts, golden.verdicts, strict=False)) if len({*pair}) > 1), 0
        )
        raise ToolError(
            f"{program.name} scores the golden rows otherwise than the trained model: {len(verdicts)} rows for "
            f"{len(golden)}, the first that differs is row {wrong + 1}"
        )


def _run(program: Path, work: Path, *words: str) -> str:
    """Run the program with nothing in its environment, and return what it said."""
    try:
        done = subprocess.run(
            [str(program), *words],
            env=_nothing(),
            cwd=work,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolError(f"{program}: was made, but cannot be run: {error}") from error
    if done.returncode:
        lines = (done.stdout + done.stderr).strip().splitlines()[-LAST_LINES:]
        said = "\n".join(f"  {line}" for line in lines) or "  (nothing)"
        raise ToolError(
            f"{program.name} {' '.join(words)}: was made, but failed with {done.returncode} when it was tried in an "
            f"empty environment. It said last:\n{said}"
        )
    return done.stdout


def _nothing() -> Mapping[str, str]:
    """Return an empty environment, or as empty a one as Windows can start programs with."""
    return {"SYSTEMROOT": os.environ.get("SYSTEMROOT", "C:\\Windows")} if sys.platform == "win32" else {}
