"""A hub that is served: in this process for most tests, as a process of its own for those that end it."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import uvicorn
from starlette.testclient import TestClient

from hakobu.hub.database import Database
from hakobu.hub.web.app import create_app
from hakobu.hub.web.settings import Settings
from hakobu.hub.web.state import Hub
from hakobu_runtime.trust import PrivateKey
from hub_senders import NOW

RECEIPTS = PrivateKey.generate()
SELDOM = timedelta(hours=1)


def settings_of(database: Database, **more: Any) -> Settings:
    """Return settings whose clock stands, and whose rounds come once."""
    usual = {"receipt_key": RECEIPTS, "clock": lambda: NOW, "every": SELDOM, "look": SELDOM}
    return Settings(database, **{**usual, **more})


@contextmanager
def served(database: Database, address: str = "192.0.2.7", **more: Any) -> Iterator[TestClient]:
    """Serve a hub to a client at this address."""
    app = create_app(settings_of(database, **more))
    with TestClient(app, "http://hub.test", client=(address, 50000), follow_redirects=False) as client:
        yield client


@contextmanager
def listening(database: Database, **more: Any) -> Iterator[str]:
    """Serve a hub on the loopback, from a thread of this process; yield its address."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        config = uvicorn.Config(create_app(settings_of(database, **more)), log_level="error", lifespan="on")
        running = uvicorn.Server(config)
        thread = threading.Thread(target=running.run, args=([server],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            running.should_exit = True
            thread.join(30)


def hub_of(client: TestClient) -> Hub:
    """Return the parts of the hub that answers a client."""
    hub: Hub = client.app.state.hub  # type: ignore[attr-defined]
    return hub


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class Process:
    """`hakobu hub serve` as a process of its own."""

    def __init__(self, folder: Path, *options: str, port: int | None = None) -> None:
        self.port = free_port() if port is None else port
        self.address = f"http://127.0.0.1:{self.port}"
        command = [sys.executable, "-m", "hakobu", "hub", "serve", "--hub", str(folder), "--port", str(self.port)]
        self.process = subprocess.Popen(
            [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder.parent,
            env={name: value for name, value in os.environ.items() if not name.startswith("HAKOBU_")},
        )  # fmt: skip

    def wait_until_up(self, patience: float = 60) -> None:
        """Return once it listens."""
        end = time.monotonic() + patience
        while time.monotonic() < end:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            assert self.process.poll() is None, self.process.communicate()[1]
            time.sleep(0.05)
        raise AssertionError("it does not come up")

    def kill(self) -> None:
        """End it as a power cut does."""
        self.process.kill()
        self.process.communicate()

    def interrupt(self) -> tuple[str, str]:
        """End it as Ctrl-C does; return what it printed."""
        self.process.send_signal(signal.SIGINT)
        return self.process.communicate(timeout=60)

    @contextmanager
    def running(self) -> Iterator["Process"]:
        """Let it run while the block lasts."""
        try:
            self.wait_until_up()
            yield self
        finally:
            if self.process.poll() is None:
                self.kill()


def wait_for(done: Any, patience: float = 30) -> Any:
    """Return what `done()` returns once that is true."""
    end = time.monotonic() + patience
    while not (found := done()):
        assert time.monotonic() < end, "it does not come about"
        time.sleep(0.02)
    return found
