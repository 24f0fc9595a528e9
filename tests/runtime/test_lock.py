import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from time import monotonic

import pytest

from hakobu_runtime.device.lock import locked
from hakobu_runtime.errors import StateError

HOLDER = """
import sys
from pathlib import Path
from hakobu_runtime.device.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""

COUNTER = """
import sys
from pathlib import Path
from hakobu_runtime.device.lock import locked
path, number = Path(sys.argv[1]), Path(sys.argv[2])
for _ in range(int(sys.argv[3])):
    with locked(path, patience=60):
        number.write_text(str(int(number.read_text()) + 1))
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "out.csv.partial"


def start(program: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_a_second_process_is_refused_with_a_remedy_until_the_first_has_ended(path: Path) -> None:
    with start(HOLDER, path) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(StateError, match=r"out\.csv\.partial: another hakobu is at work on it; wait until"),
            locked(path),
        ):
            pass
        holder.communicate("go\n")
    with locked(path):
        pass


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs POSIX signals")
def test_a_lock_ends_with_its_process_however_that_ends(path: Path) -> None:
    with start(HOLDER, path) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        os.kill(holder.pid, signal.SIGKILL)
    with locked(path):
        pass
    assert list(path.parent.iterdir()) == []


def test_a_second_thread_is_refused_as_well(path: Path) -> None:
    refused = threading.Event()

    def work() -> None:
        try:
            with locked(path):
                pass
        except StateError:
            refused.set()

    with locked(path):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert refused.is_set()


def test_the_locked_file_may_be_moved_meanwhile_and_nothing_stays(path: Path) -> None:
    with locked(path):
        path.write_text("rows")
        path.replace(path.with_name("out.csv"))
    assert [found.name for found in path.parent.iterdir()] == ["out.csv"]


def test_what_fails_inside_ends_the_lock(path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), locked(path):
        raise KeyboardInterrupt
    with locked(path):
        pass


def test_patience_waits_and_then_refuses(path: Path) -> None:
    with locked(path):
        started = monotonic()
        with pytest.raises(StateError), locked(path, patience=0.2):
            pass
        assert 0.15 < monotonic() - started < 5


def test_only_one_process_at_a_time_ever_holds_it(tmp_path: Path, path: Path) -> None:
    number, times = tmp_path / "number", 60
    number.write_text("0")
    workers = [start(COUNTER, path, number, times) for _ in range(4)]
    for worker in workers:
        worker.communicate(timeout=60)
        assert worker.returncode == 0
    assert int(number.read_text()) == 4 * times
    assert [found.name for found in tmp_path.iterdir()] == ["number"]


def test_a_folder_that_cannot_be_written_is_refused_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(StateError, match=r"cannot be made: .*make .* a writable folder"), locked(tmp_path / "no" / "x"):
        pass


@pytest.mark.skipif(sys.platform == "win32", reason="flock is POSIX")
def test_a_folder_without_locks_is_gone_on_in(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno
    import fcntl

    def none(*arguments: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    with locked(path):
        pass
