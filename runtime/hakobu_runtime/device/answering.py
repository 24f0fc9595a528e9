"""The active bundle in a process that stays: when it fails its probation, the former one answers from then on."""

from contextlib import ExitStack
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from hakobu_runtime.device.age import heed
from hakobu_runtime.device.buffer import Buffer
from hakobu_runtime.device.probation import Trial, Warn, marked, on_trial
from hakobu_runtime.device.slots import choose, open_slot
from hakobu_runtime.device.state import State
from hakobu_runtime.errors import BundleError
from hakobu_runtime.scorer.scorer import Scorer


class Answering:
    """The scorer of the active bundle of `model`, which counts into the journal; `warn` hears when it changes."""

    def __init__(self, state: State, model: str | None, warn: Warn) -> None:
        self._state = state
        self._model = model
        self._warn = warn
        self._held = ExitStack()
        self._trial: Trial | None = None
        self.scorer = self._open()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.__exit__(kind, error, trace)

    def successor(self, error: BundleError | None) -> Scorer | None:
        """Return the scorer to go on with once the present one was given up, as for an `error`; None: go on with it."""
        trial = self._trial
        if trial is None or not (error or trial.failed):
            return None
        if error and not trial.failed and not trial.give_up(f"it failed while scoring: {error}"):
            return None
        self._warn(trial.failed)
        self.scorer.flush()
        self._held.close()
        self.scorer = self._open()
        return self.scorer

    def _open(self) -> Scorer:
        slot = choose(self._state, self._model)
        self._trial = on_trial(self._state, slot, self._warn)
        if self._trial is not None and self._trial.failed:
            return self._open()
        if self._trial is not None:
            self._held.enter_context(marked(self._state, slot.model, slot.digest))
        try:
            bundle = open_slot(self._state, slot)
        except BundleError as error:
            if self._trial is None or not self._trial.give_up(f"it cannot be opened: {error}"):
                raise
            self._warn(self._trial.failed)
            self._held.close()
            return self._open()
        stale = heed(self._state, bundle.manifest, datetime.now(UTC), self._warn)
        return Scorer(bundle.manifest, bundle.model, Buffer(self._state, bundle, self._trial), stale)
