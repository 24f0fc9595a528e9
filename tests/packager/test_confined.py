import os
import time
from typing import Any, NoReturn

import numpy as np
import pytest

from hakobu.export.confined import Confines, confined
from hakobu_runtime.errors import ProjectError


def test_what_a_call_returns_comes_back() -> None:
    held = np.arange(5)
    assert confined(lambda: (held * 2).tolist(), Confines()) == [0, 2, 4, 6, 8]


def test_what_a_call_raises_comes_back() -> None:
    def refuse() -> NoReturn:
        raise ProjectError("no converter")

    with pytest.raises(ProjectError, match="no converter"):
        confined(refuse, Confines())


def test_a_call_without_end_is_stopped() -> None:
    def loop() -> None:
        while True:
            pass

    began = time.monotonic()
    with pytest.raises(ProjectError, match=r"longer than 0\.3 seconds"):
        confined(loop, Confines(seconds=0.3))
    assert time.monotonic() - began < 20


def test_a_call_that_eats_memory_is_stopped() -> None:
    def eat() -> int:
        return len(np.ones(40_000_000).tobytes())

    with pytest.raises(ProjectError, match=r"more memory than 0\.1 GB"):
        confined(eat, Confines(gigabytes=0.1))
    assert confined(eat, Confines(gigabytes=2)) == 320_000_000


def test_a_child_that_dies_is_told_in_words() -> None:
    def die() -> Any:
        os.kill(os.getpid(), 11)

    with pytest.raises(ProjectError, match="ended without a word \\(signal 11\\)"):
        confined(die, Confines())
