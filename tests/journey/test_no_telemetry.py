"""Nothing phones home: scoring opens no socket and writes nothing outside its state folder and its output."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

STRACE = shutil.which("strace")


def device(home: Path, box: Path, key: Path, *, switched_off: bool) -> tuple[list[str], set[str]]:
    """Install and score in a fresh home under strace; return the internet calls and the files that appeared."""
    if STRACE is None:
        pytest.fail("strace is not installed: run build/install-apt-packages.sh")
    state, log, table, out = home / "state", home.parent / "trace", home.parent / "in.csv", home.parent / "out.csv"
    home.mkdir()
    table.write_text("id,when,load,shifts,hot,line,maker\n1,2026-01-05,50,1,true,A,maker 1\n")
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}
    python = [sys.executable, "-m", "hakobu_runtime"]
    if not switched_off:
        # The control: the same work with the switch undone before onnxruntime is imported.
        undo = "import os, hakobu_runtime; del os.environ['ORT_DISABLE_TELEMETRY']"
        python = [sys.executable, "-c", f"{undo}; from hakobu_runtime.cli import main; main()"]
    for arguments in (("trust", "add", str(key)), ("install", str(box)), ("score", str(table), "-o", str(out))):
        trace = [STRACE, "-f", "-qq", "-e", "trace=socket,connect,sendto", "-A", "-o", str(log)]
        command = [*trace, *python, "--state", str(state), *arguments]
        subprocess.run([*_cut_off(), *command], env=environment, check=True, capture_output=True)
    calls = [line for line in log.read_text().splitlines() if "AF_INET" in line or "AF_NETLINK" in line]
    found = {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()}
    return calls, found


def _cut_off() -> list[str]:
    """Return what runs a command in a network namespace of its own, where this system allows that."""
    unshare = ["unshare", "--net"]
    allowed = subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode == 0
    return unshare if allowed else []


@pytest.fixture
def key(machines_box: Path, keyring: object, release_key: object, tmp_path: Path) -> Path:
    path = tmp_path / "release.pub"
    path.write_bytes(release_key.public.pem)  # type: ignore[attr-defined]
    return path


def test_scoring_opens_no_socket_and_leaves_no_file_behind(machines_box: Path, key: Path, tmp_path: Path) -> None:
    calls, files = device(tmp_path / "home", machines_box, key, switched_off=True)
    assert calls == []
    assert files
    assert all(file.startswith("state/") for file in files), files


def test_the_test_would_notice_if_it_did(machines_box: Path, key: Path, tmp_path: Path) -> None:
    calls, files = device(tmp_path / "home", machines_box, key, switched_off=False)
    assert calls or not all(file.startswith("state/") for file in files)
