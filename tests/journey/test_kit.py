"""A real kit, installed with the network cut and an empty environment; and those for other systems, which are whole."""

import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from packaging.requirements import Requirement

from hakobu.kit.fetch import PIP, tools
from hakobu.kit.target import SYSTEMS, find_target
from hakobu.kit.wheel import closure, read_wheel
from hakobu_runtime.device.lock import locked

Ended = subprocess.CompletedProcess[str]
Command = Callable[..., Ended]

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
HERE = f"linux-{platform.machine()}"
TABLE = "id,when,load,shifts,hot,line,maker\na,2026-01-05T10:00,55.5,2,true,A,maker 1\nb,2026-01-05,999,9,no,Z,\n"

pytestmark = pytest.mark.skipif(
    HERE not in SYSTEMS or sys.platform != "linux", reason="there is no kit for this system"
)


class Made(NamedTuple):
    """A kit for this machine, and a home in which it was installed by its first start."""

    folder: Path
    home: Path
    first: str
    """What the first start said."""
    python: str = getattr(sys, "_base_executable", sys.executable)

    @property
    def launcher(self) -> Path:
        return self.folder / "machines.sh"


@pytest.fixture(scope="module")
def cut() -> tuple[str, ...]:
    """What stands before a command to cut it off from the network; nothing where this user may not."""
    words = ("unshare", "-rn")
    return words if shutil.which("unshare") and _runs([*words, "true"]) else ()


def _runs(command: Sequence[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "kits 箱"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def make(root: Path, request: pytest.FixtureRequest, machines_box: Path, public_key: Path) -> Callable[[str], Path]:
    """Make the kit of the machines model for a target, once for all workers; what is fetched is kept by pytest."""
    cache = Path(str(request.config.cache.mkdir("hakobu"))) if request.config.cache else root / "cache"

    def make(target: str) -> Path:
        told = root / f"{target}.json"
        command = [sys.executable, "-m", "hakobu", "kit", str(machines_box), "--key", str(public_key)]
        command += ["--target", target, "--python", PYTHON, "-o", str(root), "--json"]
        with locked(told, patience=900):
            if not told.exists():
                ended = subprocess.run(
                    command, capture_output=True, text=True, env={**os.environ, "HAKOBU_CACHE": str(cache)}
                )
                if ended.returncode == 10 and "pip failed" in ended.stderr:
                    pytest.skip(f"pip cannot fetch what kits are made of: {ended.stderr}")
                assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout + ended.stderr
                told.write_text(ended.stdout)
        return Path(json.loads(told.read_text())["path"])

    return make


@pytest.fixture(scope="module")
def made(make: Callable[[str], Path], root: Path, cut: tuple[str, ...]) -> Made:
    folder = make(HERE)
    home, first = root / "home", root / "first.txt"
    with locked(home, patience=900):
        if not first.exists():
            home.mkdir(exist_ok=True)
            ended = start(Made(folder, home, ""), "--version", before=cut)
            assert ended.returncode == 0, ended.stderr
            first.write_text(ended.stderr)
    return Made(folder, home, first.read_text())


def environment(made: Made) -> dict[str, str]:
    """Return next to nothing: the home, and which Python, since the one that runs the tests need not be on the PATH."""
    return {"HOME": str(made.home), "HAKOBU_PYTHON": made.python, "https_proxy": "http://127.0.0.1:9"}


def start(made: Made, *words: object, before: tuple[str, ...] = (), script: str = "machines.sh") -> Ended:
    return subprocess.run(
        [*before, "sh", str(made.folder / script), *map(str, words)],
        env=environment(made),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        check=False,
        start_new_session=True,
    )


@pytest.fixture
def table(tmp_path: Path) -> Path:
    folder = tmp_path / "data 箱"
    folder.mkdir()
    (folder / "in.csv").write_text(TABLE)
    return folder / "in.csv"


def test_the_first_start_installs_and_the_second_does_not(made: Made, cut: tuple[str, ...]) -> None:
    assert made.first == ("machines: the first start of machines 1.2.3 here: installing it, once, with no network\n")
    ended = start(made, "--version", before=cut)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("machines 1.2.3, hakobu ")
    subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=made.folder, check=True)
    assert sorted(path.name for path in made.folder.iterdir()) == [
        "README.txt",
        "SHA256SUMS",
        "freeze.sh",
        "kit",
        "machines.sh",
    ]


def test_it_scores_to_the_byte_what_hakobu_run_does(
    made: Made, cut: tuple[str, ...], table: Path, tmp_path: Path, device: Path, hakobu_run: Command
) -> None:
    ended = start(made, table, before=cut)
    assert (ended.returncode, ended.stderr) == (0, "")
    state = Path(shutil.copytree(device, tmp_path / "state"))
    assert hakobu_run("--state", state, "score", table, "-o", tmp_path / "out.csv").returncode == 0
    assert table.with_name("in-scored.csv").read_bytes() == (tmp_path / "out.csv").read_bytes()
    found = json.loads(start(made, "doctor", "--json", before=cut).stdout)
    assert found["healthy"], found
    assert {"bundle inside", "machines 1.2.3: golden rows"} <= {check["name"] for check in found["checks"]}


def test_what_it_schedules_is_its_launcher(made: Made, tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    ended = start(made, "schedule", tmp_path / "inbox", "--daily", "06:00", "-o", tmp_path)
    assert ended.returncode == 0, ended.stderr
    (service,) = tmp_path.glob("*.service")
    assert f'ExecStart="{made.launcher}" ' in service.read_text(encoding="utf-8")


def test_one_that_was_interrupted_is_made_anew_and_two_at_once_both_work(
    made: Made, cut: tuple[str, ...], tmp_path: Path
) -> None:
    there, place = made._replace(home=tmp_path), tmp_path / ".local" / "share" / "hakobu-kit"
    command = ["sh", str(made.launcher), "--version"]
    process = subprocess.Popen(command, env=environment(there), start_new_session=True, stderr=subprocess.DEVNULL)
    while not list(place.glob("*.partial/lib*/python*/site-packages/*")):
        assert process.poll() is None, "it was done before it could be interrupted"
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    both = [
        subprocess.Popen(
            [*cut, *command], env=environment(there), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in "ab"
    ]
    said = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert sorted(len(errors.splitlines()) for _, errors in said) == [0, 1], "one of them installs"
    (venv,) = place.iterdir()
    assert (venv / "ready").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv is not here")
def test_a_kit_that_cannot_be_written_to_goes_to_the_users_folder_or_says_where_it_wants_to(made: Made) -> None:
    place = Path("/var/tmp") / f"hakobu-kit-{os.getpid()}"  # noqa: S108  pytest's own folders are root's alone
    nobody = ("setpriv", "--reuid", "54321", "--regid", "54321", "--clear-groups")
    pythons = [
        python for python in (made.python, f"/usr/bin/python{PYTHON}") if _runs([*nobody, "sh", "-c", f"{python} -V"])
    ]
    if not pythons:
        pytest.skip("another user cannot run this Python")
    try:
        shutil.copytree(made.folder, place / "kit")
        (place / "home").mkdir()
        os.chown(place / "home", 54321, 54321)
        for path in (place, place / "kit"):
            path.chmod(0o755)
        there = Made(place / "kit", place / "home", "", pythons[0])
        assert start(there, "--version", before=nobody).returncode == 0
        homeless = start(there._replace(home=place / "none"), "--version", before=nobody)
        assert homeless.returncode == 8
        assert "HAKOBU_CACHE" in homeless.stderr
        assert len(homeless.stderr.splitlines()) == 1
        assert start(there, "--portable", "status", before=nobody).returncode == 8
    finally:
        shutil.rmtree(place, ignore_errors=True)


def test_a_wheel_that_was_damaged_on_the_way_is_not_installed(made: Made, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(made.folder, tmp_path / "kit"))
    (wheel,) = (copy / "kit" / "wheels").glob("click-*.whl")
    content = bytearray(wheel.read_bytes())
    content[len(content) // 2] ^= 1
    wheel.write_bytes(bytes(content))
    ended = start(Made(copy, tmp_path, ""), "--version")
    assert ended.returncode == 10
    assert "DO NOT MATCH THE HASHES" in ended.stderr
    assert "copy the kit again" in ended.stderr
    assert list((tmp_path / ".local" / "share" / "hakobu-kit").iterdir()) == []


def test_a_pc_without_that_python_is_told_in_one_line(made: Made, tmp_path: Path) -> None:
    text = made.launcher.read_text().replace("/usr/local/bin/", "/none/")
    copy = tmp_path / "machines.sh"
    copy.write_text(text)
    (tmp_path / "kit").mkdir()
    ended = subprocess.run(["/bin/sh", str(copy)], env={"PATH": str(tmp_path)}, capture_output=True, text=True)
    assert ended.returncode == 8
    assert ended.stderr == (
        f"machines: error: this PC has no Python {PYTHON}; install it, as with: apt install python{PYTHON}, "
        "or name it with HAKOBU_PYTHON\n"
    )


def test_it_freezes_with_the_network_cut(made: Made, cut: tuple[str, ...], tmp_path: Path) -> None:
    ended = start(made, "-o", tmp_path / "out 箱", before=cut, script="freeze.sh")
    assert ended.returncode == 0, ended.stderr
    program = tmp_path / "out 箱" / "machines-1.2.3" / "machines"
    assert ended.stdout == f"frozen: {program.parent}\n"
    shown = subprocess.run([str(program), "--version"], env={}, capture_output=True, text=True, check=True).stdout
    assert shown.startswith("machines 1.2.3, hakobu ")
    assert start(made, "-o", tmp_path / "out 箱", script="freeze.sh").returncode == 2


@pytest.fixture(params=[name for name in SYSTEMS if name != HERE])
def other(request: pytest.FixtureRequest, make: Callable[[str], Path]) -> tuple[str, Path]:
    return request.param, make(request.param)


def test_the_kit_of_another_system_has_wheels_for_all_that_its_wheels_ask_for(other: tuple[str, Path]) -> None:
    name, folder = other
    target = find_target(name, PYTHON)
    wheels = [read_wheel(path) for path in (folder / "kit" / "wheels").iterdir()]
    found = closure(wheels, [Requirement("hakobu-runtime"), *tools(), PIP], target)
    assert found.missing == ()
    assert len(found.wheels) == len(wheels), "there is nothing that it does not need"
    assert all(wheel.fits(target) for wheel in wheels)
    special = {"windows-x86_64": {"pefile", "pywin32-ctypes"}, "macos-arm64": {"macholib"}}.get(name, set())
    assert special <= {wheel.name for wheel in wheels}
    # pip, which knows nothing of ours, finds them whole, too, and takes their hashes.
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-index", "--only-binary", ":all:"]
    command += [
        "--find-links",
        str(folder / "kit" / "wheels"),
        "--require-hashes",
        "-r",
        str(folder / "kit" / "freeze.txt"),
    ]
    command += [word for tag in target.system.platforms for word in ("--platform", tag)]
    command += ["--python-version", PYTHON, "--implementation", "cp", "--target", str(folder / "none")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert size < 90_000_000
