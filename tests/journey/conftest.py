"""The commands as a user runs them, and a device with a bundle installed."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from hakobu_runtime.bundle import open_bundle, pack_files
from hakobu_runtime.device.lock import locked
from hakobu_runtime.format.codec import encode
from hakobu_runtime.trust import Keyring, Pin, PrivateKey, sign
from warm import Warm

Ended = subprocess.CompletedProcess[str]
Command = Callable[..., Ended]


def _words(words: tuple[object, ...]) -> list[str | bytes]:
    """Return the words of a command; they may be bytes, where a name is no text."""
    return [word if isinstance(word, bytes) else str(word) for word in words]


def _environment(env: dict[str, str] | None) -> dict[str, str]:
    """Return the environment of a command: what is inherited, but for what would change what it does."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("HAKOBU_", "NO_COLOR"))}
    return {**inherited, **(env or {})}


def _command(module: str, words: tuple[object, ...], env: dict[str, str] | None, patience: float = 60) -> Ended:
    """Run a command with nobody at a terminal."""
    return subprocess.run(
        [sys.executable, "-m", module, *_words(words)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=patience,
        start_new_session=True,  # so that there is no terminal to ask for a passphrase either
        env=_environment(env),
    )


@pytest.fixture(scope="session")
def hakobu_run() -> Command:
    """`hakobu-run`."""

    def run(*words: object, env: dict[str, str] | None = None) -> Ended:
        return _command("hakobu_runtime", words, env)

    return run


@pytest.fixture(scope="session")
def warm() -> Iterator[Warm]:
    started = Warm()
    yield started
    started.close()


@pytest.fixture(scope="session")
def hakobu(warm: Warm) -> Command:
    """`hakobu`."""

    def run(*words: object, env: dict[str, str] | None = None, patience: float = 60) -> Ended:
        if Warm.can(env or {}):
            return warm.run(_words(words), _environment(env), patience)
        return _command("hakobu", words, env, patience)

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


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory, machines_box: Path, release_key: PrivateKey) -> Path:
    """A folder for what is made once for all workers: machines.hako is in it, and the key that it is signed with."""
    base = tmp_path_factory.getbasetemp()
    root = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "frozen 箱"
    with locked(root, patience=900):
        if not root.exists():
            root.mkdir()
            shutil.copy(machines_box, root / "machines.hako")
            (root / "key.pub").write_bytes(release_key.public.pem)
            (root / "key.pem").write_bytes(release_key.to_pem(None))
    return root


@pytest.fixture(scope="session")
def freeze_room(workshop: Path, request: pytest.FixtureRequest) -> Path:
    """Where the venv is kept that executables are made in: with pytest's own cache."""
    return Path(str(request.config.cache.mkdir("hakobu"))) if request.config.cache else workshop / "cache"


@pytest.fixture(scope="session")
def freeze_once(workshop: Path, freeze_room: Path) -> Callable[[str], Path]:
    """Return the program of machines.hako in one shape, "folder" or "one-file", frozen once."""

    def program(shape: str) -> Path:
        told = workshop / f"{shape}.json"
        with locked(told, patience=900):
            if not told.exists():
                told.write_text(_freeze(workshop, freeze_room, shape))
        if not told.read_text().startswith("{"):
            (pytest.skip if "pip failed" in told.read_text() else pytest.fail)(told.read_text())
        return Path(json.loads(told.read_text())["program"])

    return program


def _freeze(workshop: Path, cache: Path, shape: str) -> str:
    """Return what the command tells, as JSON; what it says on stderr where it fails."""
    words = ["freeze", workshop / "machines.hako", "--key", workshop / "key.pub", f"--{shape}", "-o", workshop / "out"]
    ended = subprocess.run(
        [sys.executable, "-m", "hakobu", *map(str, words), "--json"],
        capture_output=True,
        text=True,
        env={**os.environ, "HAKOBU_CACHE": str(cache)},
    )
    return ended.stdout if (ended.returncode, ended.stderr) == (0, "") else f"{ended.returncode}: {ended.stderr}"


@pytest.fixture(scope="session")
def release(workshop: Path) -> Callable[..., Path]:
    """Write another release of machines.hako, with these changes of its manifest."""
    key = PrivateKey.from_pem((workshop / "key.pem").read_bytes(), None, "the test's key")
    bundle = open_bundle(workshop / "machines.hako", Keyring((Pin(key.public),)))

    def write(path: Path, **changes: object) -> Path:
        files = {
            "manifest.json": encode(msgspec.structs.replace(bundle.manifest, **changes)),
            "model.onnx": bundle.model,
            "background.json": encode(bundle.background),
            "golden.json": encode(bundle.golden),
            "validation.json": encode(bundle.validation),
            "MODEL_CARD.md": bundle.card.encode(),
            "sbom.cdx.json": bundle.sbom,
        }
        path.write_bytes(pack_files({**files, "model.sig": sign(files, key)}))
        return path

    return write
