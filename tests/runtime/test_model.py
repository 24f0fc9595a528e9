import os
import signal
from typing import Any

import numpy as np
import pytest

from hakobu_runtime.bundle import Bundle
from hakobu_runtime.format.manifest import Classification
from hakobu_runtime.model import Model


class Interrupted:
    """A session that Ctrl-C hits half-way."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self.ended = 0

    def run(self, *arguments: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(1000):  # time enough for Python to look for signals
            pass
        self.ended += 1
        return self._session.run(*arguments)


@pytest.mark.skipif(os.name == "nt", reason="Windows kills the process instead")
def test_ctrl_c_waits_until_onnxruntime_has_read_the_texts(machines: Bundle) -> None:
    assert isinstance(machines.manifest.outputs, Classification)
    model = Model(machines.model, machines.manifest.tensors, machines.manifest.outputs.classes)
    session = Interrupted(model._session)
    model.__dict__["_session"] = session
    numbers = np.zeros((2, len(machines.manifest.number_features)), dtype=np.float32)
    strings = np.full((2, len(machines.manifest.category_features)), "A", dtype=object)
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        model.predict(numbers, strings)
    assert session.ended == 1
    assert signal.getsignal(signal.SIGINT) is handler
