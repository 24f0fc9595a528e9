"""The commands as a user runs them, and a device with a bundle installed."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hakobu_runtime.trust import PrivateKey

Ended = subprocess.CompletedProcess[str]
Command = Callable[..., Ended]


def _command(module: str, *words: object, env: dict[str, str] | None = None) -> Ended:
    """Run a command with nobody at a terminal; words may be bytes, where a name is no text."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("HAKOBU_", "NO_COLOR"))}
    return subprocess.run(
        [sys.executable, "-m", module, *(word if isinstance(word, bytes) else str(word) for word in words)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=60,
        start_new_session=True,  # so that there is no terminal to ask for a passphrase either
        env={**inherited, **(env or {})},
    )


@pytest.fixture(scope="session")
def hakobu_run() -> Command:
    """`hakobu-run`."""

    def run(*words: object, env: dict[str, str] | None = None) -> Ended:
        return _command("hakobu_runtime", *words, env=env)

    return run


@pytest.fixture(scope="session")
def hakobu() -> Command:
    """`hakobu`."""

    def run(*words: object, env: dict[str, str] | None = None) -> Ended:
        return _command("hakobu", *words, env=env)

    return run


@pytest.fixture(scope="session")
def public_key(tmp_path_factory: pytest.TempPathFactory, release_key: PrivateKey) -> Path:
    """The file of the key that the bundles are signed with."""
    path = tmp_path_factory.mktemp("key") / "release.pub"
    path.write_bytes(release_key.public.pem)
    return path


@pytest.fixture(scope="session")
def device(tmp_path_factory: pytest.TempPathFactory, hakobu_run: Command, machines_box: Path, public_key: Path) -> Path:
    """A state folder with the machines model installed; copy it before damaging it."""
    state = tmp_path_factory.mktemp("device") / "state"
    assert hakobu_run("--state", state, "trust", "add", public_key).returncode == 0
    assert hakobu_run("--state", state, "install", machines_box).returncode == 0
    return state


@pytest.fixture
def own_device(device: Path, tmp_path: Path) -> Path:
    """That device as it was before it scored anything, for one test alone."""
    return Path(shutil.copytree(device, tmp_path / "state", ignore=shutil.ignore_patterns("journal*")))


@pytest.fixture(scope="session")
def refused() -> Callable[..., None]:
    """Hold what ended against what a refusal must be: the exit code, one line on stderr, and these words in it."""

    def check(ended: Ended, code: int, *words: object) -> None:
        assert "Traceback" not in ended.stderr, ended.stderr
        assert ended.returncode == code, (ended.returncode, ended.stdout, ended.stderr)
        assert ended.stdout == ""
        lines = ended.stderr.splitlines()
        assert len(lines) == 1, ended.stderr
        assert lines[0].startswith(("hakobu: error: ", "hakobu-run: error: "))
        missing = [str(word) for word in words if str(word) not in lines[0]]
        assert not missing, (missing, lines[0])

    return check
