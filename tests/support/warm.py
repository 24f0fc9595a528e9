"""`hakobu` without the two seconds in which it imports scikit-learn: each command is a fork of a process that has.

A command is a process of its own all the same, with its own session, environment, folder and exit code. Where there is
no fork, and where the environment says how Python itself is to start, it is started from nothing.
"""

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryFile

Ended = subprocess.CompletedProcess[str]
_REQUEST = 1 << 20
"""Bytes that a request takes at most."""


class Warm:
    """The process that has imported what a build needs; it ends when this is closed."""

    def __init__(self) -> None:
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, str(Path(__file__)), str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,  # no terminal, and never written to
            )

    @staticmethod
    def can(env: Mapping[str, str]) -> bool:
        """Say whether a command with `env` beside what it inherits can be forked."""
        return hasattr(os, "fork") and all(name.startswith(("HAKOBU_", "NO_COLOR")) for name in env)

    def run(self, words: list[str | bytes], env: Mapping[str, str], patience: float) -> Ended:
        """Run `hakobu` with `words` in this folder, with nobody at a terminal and `env` for its environment."""
        asked = {"words": [os.fsdecode(word) for word in words], "env": dict(env), "folder": str(Path.cwd())}
        with TemporaryFile() as out, TemporaryFile() as err:
            socket.send_fds(self._ours, [json.dumps(asked).encode()], [out.fileno(), err.fileno()])
            code = self._wait(patience, words)
            texts = []
            for file in (out, err):
                file.seek(0)
                texts.append(file.read().decode("utf-8", "replace").replace("\r\n", "\n"))
        return Ended(words, code, *texts)

    def close(self) -> None:
        """End the process."""
        self._ours.close()
        self._process.wait(10)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _wait(self, patience: float, words: list[str | bytes]) -> int:
        self._ours.settimeout(None)
        process = int(self._ours.recv(64))
        self._ours.settimeout(patience)
        try:
            return os.waitstatus_to_exitcode(int(self._ours.recv(64)))
        except TimeoutError:
            os.killpg(process, signal.SIGKILL)
            self._ours.settimeout(None)
            self._ours.recv(64)
            raise subprocess.TimeoutExpired(words, patience) from None


def _serve(asked: socket.socket) -> None:
    """Fork for each request until the other end is gone."""
    while True:
        request, files, _, _ = socket.recv_fds(asked, _REQUEST, 2)
        if not request:
            return
        process = os.fork()
        if process == 0:
            asked.close()
            _become(json.loads(request), files)
        for file in files:
            os.close(file)
        asked.send(str(process).encode())
        asked.send(str(os.waitpid(process, 0)[1]).encode())


def _become(asked: dict[str, object], files: list[int]) -> None:
    """Be the command that is asked for, to the end of the process."""
    os.setsid()
    os.dup2(files[0], 1)
    os.dup2(files[1], 2)
    os.chdir(str(asked["folder"]))
    os.environ.clear()
    os.environ.update(asked["env"])  # type: ignore[call-overload]
    sys.argv = ["hakobu", *asked["words"]]  # type: ignore[misc]
    sys.path[0] = str(Path.cwd())
    code = None
    try:
        from hakobu.cli.main import main

        main(prog_name="hakobu")
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    finally:
        if code is None:
            traceback.print_exc()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(1 if code is None else code)


def _main() -> None:
    import hakobu.cli.build
    import hakobu.cli.convert
    import hakobu.cli.depot
    import hakobu.pack.build
    import hakobu.report.page  # noqa: F401

    with socket.socket(fileno=int(sys.argv[1])) as asked:
        _serve(asked)


if __name__ == "__main__":
    _main()
