"""Writing files so that a power cut leaves the old one or the new one, never half of one."""

import errno
import os
from contextlib import suppress
from pathlib import Path

_UNKNOWN = {errno.EINVAL, errno.ENOTSUP, errno.ENOSYS}
"""What a file system answers that cannot put a folder on the disk by itself, as some do on sticks."""


def write_whole(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Put `content` at `path`, on the disk before this returns; raise OSError, and then `path` is as it was."""
    import tempfile  # here, since a first score writes nothing

    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".partial")
    draft = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with suppress(PermissionError):  # FAT knows no modes, and lets nobody but its owner ask for one
            draft.chmod(mode)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Put the names in `folder` on the disk, where the system can do that (Windows cannot, and need not)."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _UNKNOWN:
            raise
    finally:
        os.close(descriptor)
