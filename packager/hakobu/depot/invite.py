"""`hakobu depot invite`: the file that tells a device which channel to follow, and whom to believe."""

from pathlib import Path

from hakobu.depot.depot import Depot, receipt_keys
from hakobu_runtime.disk import write_whole
from hakobu_runtime.errors import FormatError, StateError, UsageError
from hakobu_runtime.format.codec import encode
from hakobu_runtime.format.follow import SCHEMA, Follow


def invitation(depot: Depot, model: str, channel: str, address: str = "", hub: str = "", least_rows: int = 0) -> Follow:
    """Return what a device needs to follow a channel of `depot`; raise UsageError when there is no such channel.

    The time that it cannot be earlier than is the one the depot was last signed at, not that of some PC's clock.
    """
    depot.channel(model, channel)
    try:
        return Follow(
            SCHEMA,
            model,
            channel,
            depot.root.to_bytes().decode(),
            depot.made.isoformat(),
            depot=address,
            hub=hub,
            least_rows=least_rows,
            receipt_keys=receipt_keys(depot),
        )
    except FormatError as error:
        raise UsageError(str(error)) from error


def write_invitation(follow: Follow, path: Path) -> None:
    """Put `follow` at `path`; raise StateError when the disk refuses."""
    try:
        write_whole(path, encode(follow))
    except OSError as error:
        raise StateError(f"{path}: cannot be written: {error.strerror}; name another file with -o") from error
