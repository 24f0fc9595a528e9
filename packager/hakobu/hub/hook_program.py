"""A program that is run for each alarm: it reads the alarm from stdin, and nothing of it is an argument."""

import os
import signal
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import IO

import msgspec

from hakobu_runtime.errors import TransferError

_LONGEST = 2_000
"""Bytes of what it prints that are kept: the last ones."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program with its arguments, which no shell reads."""

    command: tuple[str, ...]
    timeout: float = 60.0
    """Seconds that it may take; then it is killed, with all that it started."""

    @property
    def shown(self) -> str:
        """Its name alone, as an argument may be a secret."""
        return self.command[0]

    @property
    def identity(self) -> str:
        """What tells it from other hooks, and tells nothing of it."""
        return sha256(b"command\0" + msgspec.json.encode(self.command)).hexdigest()

    def tell(self, message: bytes) -> str:
        """Run it with `message`, JSON, as its input, and return what it prints; raise TransferError when it fails."""
        # Files, not pipes: whatever it leaves running, or does not read, keeps nobody waiting.
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as printed:
            given.write(message)
            given.seek(0)
            try:
                process = subprocess.Popen(
                    self.command, stdin=given, stdout=printed, stderr=subprocess.STDOUT, start_new_session=True
                )
            except (OSError, ValueError) as error:
                why = error.strerror if isinstance(error, OSError) else str(error)
                raise TransferError(f"{self.shown}: cannot be run: {why}; check its name and permissions") from error
            try:
                code = process.wait(self.timeout)
            except subprocess.TimeoutExpired as error:
                raise TransferError(f"{self.shown}: took more than {self.timeout:.0f} s and was killed") from error
            finally:
                _end(process)
            words = _last(printed)
        if code != 0:
            raise TransferError(f"{self.shown}: ended with exit code {code}{f': {words}' if words else ''}")
        return words


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Kill a program that still runs, and what it started."""
    if process.poll() is not None:
        return
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()


def _last(printed: IO[bytes]) -> str:
    """Return the end of what was printed, as one line."""
    size = printed.seek(0, os.SEEK_END)
    printed.seek(max(size - _LONGEST, 0))
    return " ".join(printed.read().decode("utf-8", "replace").split())
