"""A real browser, driven over a pipe by its own protocol: headless chromium, and nothing to install beside it.

The protocol is https://chromedevtools.github.io/devtools-protocol: JSON objects that end with a zero byte.
"""

import json
import os
import shutil
import subprocess
import sys
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader, FileIO
from pathlib import Path
from typing import Any

FOUND = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

_FLAGS = [
    "--headless",
    "--no-sandbox",  # which needs another user than root
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",
]


_KEYS = {"Tab": 9}
"""Their numbers."""


class Page:
    """One tab: what it asked the network for, and what it complained about, is kept."""

    def __init__(self, to: FileIO, back: BufferedReader) -> None:
        self._to, self._from = to, back
        self._turn, self._session, self._left = 0, "", b""
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self._loaded = False
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self._ask(f"{domain}.enable")

    def close(self) -> None:
        """Ask the browser to end."""
        self._session = ""
        self._ask("Browser.close")

    def look(self, width: int, height: int = 900, scheme: str = "light") -> None:
        """Take a size and a colour scheme."""
        self._ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 700
        )
        self._ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def open(self, path: Path) -> None:
        """Open a file, and wait until it is there."""
        self.visit(path.as_uri())

    def visit(self, url: str) -> None:
        """Open an address, and wait until the page is there."""
        self._loaded = False
        self._ask("Page.navigate", url=url)
        while not self._loaded:
            self._hear()

    def picture(self, width: int, height: int) -> bytes:
        """Return a PNG of the top of the page, as large as that."""
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        found = self._ask("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)
        return b64decode(found["data"])

    def keep_cookie(self, url: str, name: str, value: str) -> None:
        """Let the browser send a cookie to the pages of an address."""
        self._ask("Network.setCookie", url=url, name=name, value=value)

    def press(self, key: str) -> None:
        """Press a key that has a name, like Tab."""
        for kind in ("rawKeyDown", "keyUp"):
            self._ask("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=_KEYS[key])

    def evaluate(self, expression: str) -> Any:
        """Return what an expression of JavaScript says."""
        found = self._ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in found:
            raise AssertionError(f"{expression}: {found['exceptionDetails']}")
        return found["result"].get("value")

    def _ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._turn += 1
        order: dict[str, Any] = {"id": self._turn, "method": method, "params": parameters}
        if self._session:
            order["sessionId"] = self._session
        self._to.write(json.dumps(order).encode() + b"\0")
        while (heard := self._hear()).get("id") != self._turn:
            pass
        if "error" in heard:
            raise AssertionError(f"{method}: {heard['error']['message']}")
        result: dict[str, Any] = heard["result"]
        return result

    def _hear(self) -> dict[str, Any]:
        while b"\0" not in self._left:
            more = self._from.read1(65536)
            if not more:
                raise AssertionError("the browser ended")
            self._left += more
        message, _, self._left = self._left.partition(b"\0")
        heard: dict[str, Any] = json.loads(message)
        self._keep(heard.get("method", ""), heard.get("params", {}))
        return heard

    def _keep(self, method: str, told: dict[str, Any]) -> None:
        if method == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])
        elif method == "Page.loadEventFired":
            self._loaded = True
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(str(told["exceptionDetails"]))
        elif method == "Log.entryAdded":
            self.complaints.append(f"{told['entry']['level']}: {told['entry']['text']}")
        elif method == "Runtime.consoleAPICalled":
            self.complaints.append(f"{told['type']}: {told['args']}")


_START = (
    "import fcntl, os, sys\n"
    "read, write = (fcntl.fcntl(int(word), fcntl.F_DUPFD, 10) for word in sys.argv[1:3])\n"
    "os.dup2(read, 3); os.dup2(write, 4)\n"
    "os.execv(sys.argv[3], sys.argv[3:])\n"
)
"""The browser reads at 3 and writes at 4, whatever numbers the pipes have here."""


@contextmanager
def browser(folder: Path) -> Iterator[Page]:
    """Start a browser whose profile lies in `folder`, and end it."""
    if FOUND is None:
        raise AssertionError("there is no chromium")
    (it_reads, we_write), (we_read, it_writes) = os.pipe(), os.pipe()
    words = [sys.executable, "-c", _START, str(it_reads), str(it_writes), FOUND, *_FLAGS, f"--user-data-dir={folder}"]
    with (
        os.fdopen(we_write, "wb", buffering=0) as to,
        os.fdopen(we_read, "rb") as back,
        (folder / "browser.log").open("wb") as log,
        subprocess.Popen(
            words, pass_fds=(it_reads, it_writes), stdin=subprocess.DEVNULL, stdout=log, stderr=log
        ) as running,
    ):
        os.close(it_reads)
        os.close(it_writes)
        try:
            page = Page(to, back)
            yield page
            page.close()
            running.wait(20)
        finally:
            running.kill()
