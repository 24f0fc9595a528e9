"""Each case in a process of its own: an exporter may loop for ever, or fall."""

import json
import resource
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from multiprocessing import get_context
from multiprocessing.connection import Connection

import numpy as np

from fidelity.case import Case
from fidelity.judge import judge
from fidelity.outcome import Outcome, Verdict

EXPORTERS = ("standard", "ours")
SECONDS = 60
MEMORY = 6 * 2**30
PARALLEL = 2


def outcomes(
    cases: Sequence[Case], exporters: Sequence[str], dtype: type[np.floating]
) -> Iterator[tuple[Case, dict[str, Outcome]]]:
    """Yield each of `cases`, in order, with what became of it."""
    with ThreadPoolExecutor(PARALLEL) as pool:
        found = pool.map(lambda case: {name: _alone(case, name, dtype) for name in exporters}, cases)
        yield from zip(cases, found, strict=True)


def _alone(case: Case, exporter: str, dtype: type[np.floating]) -> Outcome:
    context = get_context("fork")  # everything is imported by now, so a child costs nothing
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_run, args=(case, exporter, dtype, theirs))
    child.start()
    theirs.close()
    try:
        if not ours.poll(SECONDS):
            child.kill()
            return Outcome(Verdict.REFUSED, f"not done in {SECONDS} s")
        found = json.loads(ours.recv())
        return replace(Outcome(**found), verdict=Verdict(found["verdict"]), repairs=tuple(found["repairs"]))
    except EOFError:
        return Outcome(Verdict.BROKEN if exporter == "ours" else Verdict.REFUSED, "the process died")
    finally:
        child.join()
        ours.close()


def _run(case: Case, exporter: str, dtype: type[np.floating], told: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    told.send(json.dumps(asdict(judge(case, exporter, dtype))))
