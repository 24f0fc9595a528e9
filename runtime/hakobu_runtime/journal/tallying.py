"""Counts of the journal, as they go home."""

from hakobu_runtime.format.counts import WindowCounts
from hakobu_runtime.format.tally import SCHEMA, ModelName, Tally
from hakobu_runtime.format.window import Window


def tally_of(device: str, model: ModelName, epoch: str, window: Window, counted: tuple[WindowCounts, int]) -> Tally:
    """Return the tally of the counts of one window and their revision."""
    counts, revision = counted
    return Tally(
        schema=SCHEMA,
        device=device,
        model=model,
        window=window,
        revision=revision,
        rows=counts.rows,
        verdicts=counts.verdicts,
        features={name: tuple(array.tolist()) for name, array in counts.features.items()},
        outputs={name: tuple(array.tolist()) for name, array in counts.outputs.items()},
        breaches=counts.breaches,
        latency=tuple(counts.latency.tolist()),
        epoch=epoch,
    )
