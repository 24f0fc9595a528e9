"""How often somebody may do something: a limit that holds in every stretch of time, in memory that does not grow."""

from collections import OrderedDict, deque
from ipaddress import ip_address
from threading import Lock

_MOST = 100_000
"""Times that are remembered of all keys together."""


class Pace:
    """At most `many` times in any `per_seconds`, for each key by itself.

    Where so many keys come that no more can be told apart, all that come newly share one pace: they do not wash out
    what is known of the others. Times are of a clock that never goes back, in seconds.
    """

    def __init__(self, many: int, per_seconds: float, most: int = _MOST) -> None:
        self.many, self.per_seconds = many, per_seconds
        self._keys = max(1, most // many)
        self._times: OrderedDict[str, deque[float]] = OrderedDict()
        self._rest: deque[float] = deque()
        self._last = float("-inf")
        self._lock = Lock()

    def allow(self, key: str, now: float) -> bool:
        """Say whether `key` may, and take note that it did; one that may not loses nothing by asking."""
        with self._lock:
            times, now = self._known(key, now)
            if len(times) >= self.many:
                return False
            times.append(now)
            if times is not self._rest:
                self._times[key] = times
                self._times.move_to_end(key)
            return True

    def wait(self, key: str, now: float) -> float:
        """Return after how many seconds `key` may again; 0 when it may now."""
        with self._lock:
            times, now = self._known(key, now)
            return self.per_seconds - (now - times[0]) if len(times) >= self.many else 0.0

    def _known(self, key: str, now: float) -> tuple[deque[float], float]:
        """Return when `key` did, as far as that still counts, and the time: a thread may come late with its own."""
        now = self._last = max(now, self._last)
        while self._times and self._is_past(next(iter(self._times.values()))[-1], now):
            self._times.popitem(last=False)
        times = self._times.get(key)
        if times is None:
            # Whoever gets a place of its own may be one of those who shared theirs a moment ago.
            times = deque(self._rest) if len(self._times) < self._keys else self._rest
        while times and self._is_past(times[0], now):
            times.popleft()
        return times, now

    def _is_past(self, then: float, now: float) -> bool:
        return now - then >= self.per_seconds


def source(address: str) -> str:
    """Return the key of whoever has the network `address`: of IPv6 its first half, since one line has all of that."""
    try:
        found = ip_address(address)
    except ValueError:
        return address[:100]
    if found.version == 4:
        return str(found)
    return str(found.ipv4_mapped or f"{found.exploded[:19]}::/64")
