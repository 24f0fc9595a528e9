"""What a build came to, as text for a terminal."""

from hakobu.pack.build import Built
from hakobu_runtime.console.table import style, table
from hakobu_runtime.format.validation import Gate, Outcome

_LOOKS = {Outcome.PASSED: "green", Outcome.FAILED: "red", Outcome.NOT_JUDGED: "yellow"}


def gate_table(built: Built) -> str:
    """Return the table of gates, and where the bundle is or which gates stopped it."""
    header = ["gate", "rule", "value", "limit", ""]
    lines = [table(header, [_line(gate) for gate in built.gates]), ""]
    if built.path is not None:
        lines.append(f"built: {built.path} ({built.path.stat().st_size:,} bytes); hold-out: {built.split}")
    else:
        failed = [gate for gate in built.gates if gate.outcome is Outcome.FAILED]
        lines.append(f"stopped by {len(failed)} of {len(built.gates)} gates; nothing was written to dist/:")
        lines += [f"  {gate.name}: {gate.remedy}" for gate in failed]
    return "\n".join(lines)


def _line(gate: Gate) -> list[str]:
    mark = style(gate.outcome.value, fg=_LOOKS[gate.outcome])
    return [gate.name, gate.rule, gate.value, gate.limit, mark]
