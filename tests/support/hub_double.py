"""A hub on the loopback that keeps in memory what devices post, believes sound signatures, and fails on demand."""

import json
from base64 import b64encode
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import urlsplit

from faulty_server import Answer, Fault, Server
from hakobu_runtime.errors import FormatError, TrustError
from hakobu_runtime.format.outcome import Outcome
from hakobu_runtime.format.parcel import Parcel
from hakobu_runtime.format.receipt import MOST_PARCELS, SCHEMA, CameHome, Receipt
from hakobu_runtime.format.tally import Tally
from hakobu_runtime.trust import PrivateKey
from hakobu_runtime.uplink.parcel import Opened, read_parcel
from hakobu_runtime.uplink.receipt import write_receipt

MADE = "2026-11-21T09:00:00+00:00"


class _RefusalError(Exception):
    """Why a post is not taken."""

    def __init__(self, status: int, kind: str, words: str) -> None:
        super().__init__(words)
        self.status, self.kind, self.words = status, kind, words


class HubAnswer(Answer):
    """One post, with the next fault of the hub's plan if there is one."""

    server: "HubDouble"

    def do_GET(self) -> None:  # noqa: N802 - http.server's name
        """Say that all is well, or give a file."""
        if urlsplit(self.path).path.endswith("/health"):
            self.reply(200, b'{"schema": "hakobu.health/1", "status": "ok"}')
        else:
            super().do_GET()

    def do_POST(self) -> None:  # noqa: N802 - the same
        """Take a parcel."""
        hub, path = self.server, urlsplit(self.path).path
        body = self.rfile.read(int(self.headers["Content-Length"]))
        hub.asked.append((path, "POST"))
        hub.headers.append(dict(self.headers))
        hub.bodies.append(body)
        try:
            if hub.before:
                hub.before.pop(0)(self, body)
                return
            status, plain = hub.answer(path, dict(self.headers), body)
            content = json.dumps(plain).encode()
            if hub.after and status == 200:
                hub.after.pop(0)(self, content)
            else:
                self.reply(status, content)
        except OSError:
            self.close_connection = True


class HubDouble(Server):
    """Devices by their keys, what they counted, and what is to go wrong."""

    def __init__(self, receipt_key: PrivateKey | None, handler: type[BaseHTTPRequestHandler] = HubAnswer) -> None:
        super().__init__(handler)
        self.receipt_key = receipt_key
        self.invites: dict[str, str] = {}
        """The group of each code that nobody has used."""
        self.devices: dict[str, str] = {}
        """The key of each device that is known."""
        self.parcels: list[Opened] = []
        """Each once, in the order in which they were taken."""
        self.bodies: list[bytes] = []
        """Of all posts."""
        self.before: list[Fault] = []
        """What is done in the place of taking a post."""
        self.after: list[Fault] = []
        """What is done with the answer to a post that was taken."""
        self.refuses: Callable[[Parcel], tuple[int, str, str] | None] = lambda parcel: None
        """Why a parcel is refused: the status, the kind and the words."""

    def let_in(self, device: str, key: str) -> None:
        """Know a device, as if it had enrolled."""
        self.devices[device] = key

    def forget(self) -> None:
        """Lose all counts, as a database is lost; the devices enrol again."""
        self.parcels.clear()

    @property
    def counted(self) -> dict[Any, Tally | Outcome]:
        """The newest state of each window, and of each day of outcomes."""
        found: dict[Any, Tally | Outcome] = {}
        for opened in self.parcels:
            both: list[Tally | Outcome] = [*opened.parcel.tallies, *opened.parcel.outcomes]
            for one in both:
                place = (type(one).__name__, one.device, one.model, one.epoch, one.window)
                if place not in found or found[place].revision < one.revision:
                    found[place] = one
        return found

    @property
    def rows(self) -> int:
        """How many rows were counted, each once."""
        return sum(one.rows for one in self.counted.values() if isinstance(one, Tally))

    def answer(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, object]]:
        """Return the status and the answer to a post."""
        try:
            opened = read_parcel(body, "the parcel")
            if path.endswith("/api/v1/enrol"):
                return 200, self._enrol(opened, headers.get("Hakobu-Invite", ""))
            if path.endswith("/api/v1/parcels"):
                return 200, self._take(opened)
            return 404, {"detail": "Not Found"}
        except FormatError as error:
            refusal = _RefusalError(400, "malformed", str(error))
        except TrustError as error:
            refusal = _RefusalError(403, "forged", str(error))
        except _RefusalError as found:
            refusal = found
        return refusal.status, {"schema": "hakobu.refused/1", "kind": refusal.kind, "error": refusal.words}

    def _enrol(self, opened: Opened, code: str) -> dict[str, object]:
        if code not in self.invites:
            raise _RefusalError(403, "invitation", "the invitation is unknown, or was used before")
        self.devices[opened.parcel.device] = opened.parcel.key
        group = self.invites.pop(code)
        return {"schema": "hakobu.enrolled/1", "device": opened.parcel.device, "group": group}

    def _take(self, opened: Opened) -> dict[str, object]:
        parcel = opened.parcel
        if self.devices.get(parcel.device) != parcel.key:
            raise _RefusalError(403, "unknown-device", f"the device {parcel.device} is not enrolled here")
        if refusal := self.refuses(parcel):
            raise _RefusalError(*refusal)
        known = {one.parcel.serial: one.digest for one in self._of(parcel.device)}
        if known.get(parcel.serial, opened.digest) != opened.digest:
            raise _RefusalError(409, "serial-reused", f"the parcel {parcel.serial} came before, with other content")
        if parcel.serial not in known:
            self.parcels.append(opened)
        return {
            "schema": "hakobu.taken/1",
            "device": parcel.device,
            "serial": parcel.serial,
            "new": parcel.serial not in known,
            "receipt": self._receipt(parcel.device),
        }

    def _receipt(self, device: str) -> str | None:
        if self.receipt_key is None:
            return None
        homes = sorted(CameHome(one.parcel.serial, one.digest) for one in self._of(device))[-MOST_PARCELS:]
        return b64encode(write_receipt(Receipt(SCHEMA, device, MADE, tuple(homes)), self.receipt_key)).decode()

    def _of(self, device: str) -> list[Opened]:
        return [one for one in self.parcels if one.parcel.device == device]
