"""Two builds side by side: what went in otherwise, and what came out otherwise."""

from dataclasses import dataclass

from hakobu.runs.run import Run
from hakobu_runtime.format.validation import Gate

_SHOWN = 16
"""Letters of a digest."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing in which two runs differ."""

    kind: str
    """input, parameter, metric or gate."""
    name: str
    before: str
    after: str


def differences(before: Run, after: Run) -> tuple[Difference, ...]:
    """Return all in which two runs differ: first what went in, then what came out; every metric of either."""
    found = [*_inputs(before, after)]
    for name in sorted(before.parameters.keys() | after.parameters.keys()):
        one, other = before.parameters.get(name, ""), after.parameters.get(name, "")
        if one != other:
            found.append(Difference("parameter", name, one, other))
    for name in dict.fromkeys((*before.metrics, *after.metrics)):
        values = [f"{run.metrics[name].holdout:.4f}" if name in run.metrics else "" for run in (before, after)]
        found.append(Difference("metric", name, *values))
    gates = [{gate.name: gate for gate in run.gates} for run in (before, after)]
    for name in dict.fromkeys((*gates[0], *gates[1])):
        shown = [_gate(known.get(name)) for known in gates]
        if shown[0] != shown[1]:
            found.append(Difference("gate", name, *shown))
    return tuple(found)


def _inputs(before: Run, after: Run) -> list[Difference]:
    pairs = {
        "version": (before.version, after.version),
        "data": (before.data[:_SHOWN], after.data[:_SHOWN]),
        "hakobu.toml": (before.project[:_SHOWN], after.project[:_SHOWN]),
        "commit": (_commit(before), _commit(after)),
        "seed": (str(before.seed), str(after.seed)),
        "split": (before.split, after.split),
        "hakobu": (before.runtime, after.runtime),
        "ending": (before.ending.value, after.ending.value),
    }
    return [Difference("input", name, *pair) for name, pair in pairs.items() if pair[0] != pair[1]]


def _commit(run: Run) -> str:
    if run.git is None:
        return ""
    return run.git.commit[:_SHOWN] + (" and changes" if run.git.dirty else "")


def _gate(gate: Gate | None) -> str:
    return "" if gate is None else f"{gate.outcome}: {gate.value}"
