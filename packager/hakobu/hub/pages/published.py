"""What the channels of the served depot hold, read anew when something was published."""

from pathlib import Path
from threading import Lock

from hakobu.depot.depot import METADATA, open_depot
from hakobu.hub.pages.standings import Channels
from hakobu_runtime.errors import HakobuError

_Mark = tuple[int, int]


class Published:
    """The channels of a depot, or none where none is served."""

    def __init__(self, depot: Path | None) -> None:
        self._depot = depot
        self._lock = Lock()
        self._mark: _Mark | None = None
        self._channels: Channels = {}

    def channels(self) -> Channels:
        """Return them; those of the last time while the depot cannot be read, as when somebody is publishing."""
        if self._depot is None:
            return self._channels
        with self._lock:
            mark = _mark(self._depot)
            if mark is not None and mark != self._mark:
                try:
                    self._channels = _read(self._depot)
                    self._mark = mark
                except HakobuError:
                    pass  # /health tells it
            return self._channels


def _read(path: Path) -> Channels:
    depot = open_depot(path)
    return {(model, name): depot.channel(model, name) for model in depot.models for name in depot.channels(model)}


def _mark(depot: Path) -> _Mark | None:
    try:
        found = (depot / METADATA / "timestamp.json").stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns
