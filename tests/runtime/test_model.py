import os
import signal
import threading
import time
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hakobu_runtime.bundle import Bundle
from hakobu_runtime.format.manifest import Classification, Dtype
from hakobu_runtime.model import Model, OneRow

Rows = tuple[NDArray[np.float32], NDArray[np.object_]]
no_windows = pytest.mark.skipif(os.name == "nt", reason="Windows kills the process instead")


class Interrupted:
    """A session that Ctrl-C hits half-way."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self.ended = 0
        self.handler: object = None

    def __getattr__(self, name: str) -> Any:
        if name == "_sess":
            raise AttributeError(name)
        return getattr(self._session, name)

    def run(self, *arguments: Any) -> Any:
        self.handler = signal.getsignal(signal.SIGINT)
        if threading.current_thread() is threading.main_thread():
            os.kill(os.getpid(), signal.SIGINT)
        for _ in range(1000):  # time enough for Python to look for signals
            pass
        self.ended += 1
        return self._session.run(*arguments)


@pytest.fixture
def model(machines: Bundle) -> Model:
    assert isinstance(machines.manifest.outputs, Classification)
    return Model(machines.model, machines.manifest.tensors, machines.manifest.outputs.classes)


@pytest.fixture
def rows(machines: Bundle) -> Rows:
    numbers = np.zeros((2000, len(machines.manifest.number_features)), dtype=np.float32)
    return numbers, np.full((2000, len(machines.manifest.string_features)), "A", dtype=object)


@no_windows
@pytest.mark.parametrize("way", ["many", "one"])
def test_ctrl_c_waits_until_onnxruntime_has_read_the_texts(model: Model, rows: Rows, way: str) -> None:
    numbers, strings = rows
    session = model._loaded = Interrupted(model._session)
    one = OneRow(model, numbers.shape[1], strings.shape[1], Dtype.FLOAT32)
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        model.predict(numbers, strings) if way == "many" else one.run(tuple(strings[0]))
    assert session.ended == 1
    assert session.handler is not handler
    assert signal.getsignal(signal.SIGINT) is handler


@no_windows
@pytest.mark.parametrize("way", ["many", "one"])
def test_ctrl_c_at_any_moment_ends_the_scoring_and_breaks_nothing(model: Model, rows: Rows, way: str) -> None:
    numbers, strings = rows
    one = OneRow(model, numbers.shape[1], strings.shape[1], Dtype.FLOAT32)
    expected, texts = model.predict(numbers, strings).codes, tuple(strings[0])
    assert expected is not None
    draw = np.random.default_rng(4)

    def score_until(press: threading.Timer) -> None:
        press.start()
        while True:
            if way == "many":
                found = model.predict(numbers, strings)
                assert found.codes is not None
                assert np.array_equal(found.codes, expected)
            else:
                assert one.run(texts)[0] == expected[0]

    for _ in range(50):
        press = threading.Timer(draw.uniform(0, 0.01), os.kill, (os.getpid(), signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            score_until(press)
        press.join()


def test_two_threads_that_begin_at_once_load_one_model(machines: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(machines.manifest.outputs, Classification)
    fresh = Model(machines.model, machines.manifest.tensors, machines.manifest.outputs.classes)
    made, real = [], fresh._made

    def slowly() -> Any:
        time.sleep(0.05)
        made.append(real())
        return made[-1]

    monkeypatch.setattr(fresh, "_made", slowly)
    told: list[bool] = []
    threads = [threading.Thread(target=lambda: told.append(fresh.load())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert sorted(told) == [False, False, False, True]
    assert fresh._session is made[0]


def test_a_thread_that_hears_no_ctrl_c_leaves_it_to_the_others(model: Model, rows: Rows) -> None:
    session = model._loaded = Interrupted(model._session)
    thread = threading.Thread(target=model.predict, args=rows)
    thread.start()
    thread.join()
    assert session.ended == 1
    assert session.handler is signal.getsignal(signal.SIGINT)


@no_windows
def test_an_ignored_ctrl_c_stays_ignored(model: Model, rows: Rows) -> None:
    session = model._loaded = Interrupted(model._session)
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        model.predict(*rows)
    finally:
        signal.signal(signal.SIGINT, handler)
    assert session.ended == 1
