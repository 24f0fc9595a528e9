"""The table of all outcomes, for the eye and for the documentation."""

import re
from collections.abc import Sequence

import skl2onnx
import sklearn

from fidelity.answer import ABSOLUTE, RELATIVE
from fidelity.case import Case
from fidelity.outcome import Outcome, Verdict

_NO_CONVERTER = re.compile(r"there is no converter for \w+(?= remedy:|$)")
_CLASS = re.compile(r"^(\w+Error: )?(\w+ cannot be exported to ONNX: )?")

Found = tuple[Case, dict[str, Outcome]]

_HEAD = """\
# Which models travel

Every estimator of scikit-learn {sklearn} and some variants, fitted on a small table, exported, and asked about rows
that are made to be hard: exactly on the constants that the fitted model holds (tree thresholds, edges, quantiles,
centres) and one float32 step to each side, half-way between training values, at the ends and beyond, integers above
2^24, missing values and unknown categories where the source takes them. The source is fitted and asked in double, on
numbers that float32 holds. Transformers are judged on what they give a next step.

- *exact*: the same float32 numbers and the same labels.
- *match*: the same labels, and numbers within {absolute:g} + {relative:g} × value.
- *refused*: not carried, with the reason. Ours refuses too when its own proof, on other hard rows, finds a difference,
  or when the source itself predicts no number there; like `hakobu convert` it tries a model that reads float32, then
  one that reads double.
- **silently wrong**: carried, and something else.

The standard exporter is skl2onnx {skl2onnx} alone. Models that answer for several targets at once are fitted with one,
because a device gives one answer for a row.

Made by `python -m fidelity --write ../../docs/fidelity.md` in `tests/bench`.

"""


def line(case: Case, found: dict[str, Outcome]) -> str:
    """Return one line of the table for a terminal."""
    words = " | ".join(f"{outcome.verdict.value:<14}" for outcome in found.values())
    last = list(found.values())[-1]
    return f"{case.name[:42]:<42} | {words} | {note(last)[:150]}"


def note(outcome: Outcome) -> str:
    """Return what there is to say of an outcome beside its verdict."""
    if outcome.verdict is Verdict.WRONG:
        return outcome.reason or f"{outcome.differing} of {outcome.rows} rows, by up to {outcome.largest:.2g}"
    return outcome.reason or "; ".join(outcome.repairs)


def totals(all_found: Sequence[Found], exporter: str, *, variant: bool) -> dict[str, int]:
    """Return how many outcomes there are of each verdict."""
    verdicts = [found[exporter].verdict for case, found in all_found if case.variant is variant and exporter in found]
    return {verdict.value: verdicts.count(verdict) for verdict in Verdict if verdict in verdicts}


def page(all_found: Sequence[Found]) -> str:
    """Return the page for the documentation."""
    parts = [
        _HEAD.format(sklearn=sklearn.__version__, skl2onnx=skl2onnx.__version__, absolute=ABSOLUTE, relative=RELATIVE)
    ]
    for variant, title in ((False, "Estimators"), (True, "Variants")):
        chosen = [(case, found) for case, found in all_found if case.variant is variant]
        if not chosen:
            continue
        parts.append(
            f"## {title}\n\n| | {' | '.join(verdict.value for verdict in Verdict)} |\n"
            f"| --- |{' --- |' * len(Verdict)}\n"
        )
        for exporter, words in (("standard", "standard exporter"), ("ours", "ours")):
            counts = totals(chosen, exporter, variant=variant)
            parts.append(f"| {words} | {' | '.join(str(counts.get(verdict.value, 0)) for verdict in Verdict)} |\n")
        parts.append("\n| estimator | standard exporter | ours | note |\n| --- | --- | --- | --- |\n")
        parts += [_row(case, found) for case, found in chosen]
        parts.append("\n")
    return "".join(parts).rstrip() + "\n"


def _row(case: Case, found: dict[str, Outcome]) -> str:
    standard, ours = found["standard"], found["ours"]
    words = _NO_CONVERTER.sub("there is no converter.", note(ours))
    words = _CLASS.sub("", words).replace("|", "\\|")
    if not words and standard.verdict is Verdict.WRONG:
        words = f"standard: {note(standard)}"
    return f"| {case.name} | {_cell(standard)} | {_cell(ours)} | {words[:400]} |\n"


def _cell(outcome: Outcome) -> str:
    return f"**{outcome.verdict.value}**" if outcome.verdict is Verdict.WRONG else outcome.verdict.value
