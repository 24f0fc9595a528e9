"""Files wherever Beam finds them: a folder here, or an address of an object store like gs://fleet/parcels."""

from collections.abc import Iterator
from pathlib import Path
from posixpath import basename

from hakobu_runtime.errors import InputError, TransferError

FAR = "://"


def pattern(source: str, endings: tuple[str, ...]) -> tuple[str, ...]:
    """Return what matches the files of these endings in and below `source`, or `source` itself if it is one of them."""
    if source.endswith(endings):
        return (source,)
    if FAR not in source and not Path(source).is_dir():
        raise InputError(f"{source}: there is no such folder; name one, or an address like gs://fleet/parcels")
    return tuple(f"{source.rstrip('/')}/**{ending}" for ending in endings)


def root_of(source: str) -> str:
    """Return the part of the paths of its files that is left out when they are named."""
    return source.rpartition("/")[0] if Path(basename(source)).suffix else source.rstrip("/")


def below(path: str, root: str) -> str:
    """Return the path of a file from `root`."""
    return path.removeprefix(root).lstrip("/")


def read_lines(prefix: str) -> Iterator[bytes]:
    """Yield the lines of all files whose paths begin so; raise TransferError when they cannot be read."""
    from apache_beam.io.filesystem import BeamIOError
    from apache_beam.io.filesystems import FileSystems

    try:
        for metadata in sorted(FileSystems.match([f"{prefix}*"])[0].metadata_list, key=lambda found: str(found.path)):
            with FileSystems.open(metadata.path) as file:
                yield from file.read().splitlines()
    except (BeamIOError, OSError) as error:
        raise TransferError(f"{prefix}: what the pipeline wrote cannot be read: {error}") from error


def join(folder: str, *names: str) -> str:
    """Return a path below `folder`, with slashes, as object stores have them."""
    return "/".join((folder.rstrip("/"), *names))
