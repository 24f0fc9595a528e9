"""Both executables in a minimal Debian: no Python, no network, a user without rights or a name, at times no /proc."""

import json
import os
import platform
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import NamedTuple

import pytest

from hakobu.freeze.room import cache_folder
from hakobu_runtime.device.lock import locked

Ended = subprocess.CompletedProcess[str]
Command = Callable[..., Ended]

CLERK = 54321
"""A user that no /etc/passwd knows."""
ROWS = 150_000
HOME = "home/事務 係"
TOOLS = ("debootstrap", "unshare", "chroot", "mount", "tar")
NEEDLESS = ("usr/share/doc", "usr/share/locale", "usr/share/man", "var/cache/apt", "var/lib/apt/lists")

STEP_IN = '[ -z "$1" ] || mount -t proc proc "$1" || exit 99; shift; exec "$@"'
"""What is mounted goes with the namespace, so nothing is left however the test ends."""


class Place(NamedTuple):
    """A Debian with the executable in it, and a home folder and nothing else that its user may write to but /tmp."""

    root: Path
    program: str
    """As it is named inside."""

    @property
    def home(self) -> Path:
        """The user's home folder, as it is named outside."""
        return self.root / HOME

    def command(self, *words: object, proc: bool = True) -> list[str]:
        """Return what runs the program in there."""
        mounted = str(self.root / "proc") if proc else ""
        step_in = ["unshare", "--net", "--mount", "sh", "-c", STEP_IN, "sh", mounted]
        user = ["chroot", f"--userspec={CLERK}:{CLERK}", str(self.root)]
        return [*step_in, *user, self.program, *map(str, words)]

    def run(self, *words: object, proc: bool = True) -> Ended:
        """Run the program in there, with nobody at a terminal."""
        command = self.command(*words, proc=proc)
        return subprocess.run(
            command,
            env={"HOME": f"/{HOME}"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=300,
        )

    def json(self, *words: object) -> dict[str, object]:
        """Return what a command says with --json."""
        ended = self.run(*words, "--json")
        assert (ended.returncode, ended.stderr) == (0, ""), ended
        found: dict[str, object] = json.loads(ended.stdout)
        return found

    def rows(self) -> dict[str, int]:
        """Return how many rows each version has counted."""
        counted = self.json("status")["counted"]
        assert isinstance(counted, list)
        return {found["version"]: found["rows"] for found in counted}


def files(place: Place) -> dict[str, tuple[int, int]]:
    """Return all that there is outside the home folder, with sizes and times."""
    found = ((path, path.lstat()) for path in place.root.rglob("*") if not path.is_relative_to(place.home))
    return {str(path): (status.st_size, status.st_mtime_ns) if path.is_file() else (0, 0) for path, status in found}


@pytest.fixture(scope="session")
def debian() -> Path:
    """The tar of a minimal Debian, of the release that this machine is of: its C library is as old as ours."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("only root can unpack a Debian and step into it")
    if missing := [tool for tool in TOOLS if shutil.which(tool) is None]:
        pytest.skip(f"{', '.join(missing)} not here; build/install-apt-packages.sh installs debootstrap")
    if subprocess.run(["unshare", "--net", "--mount", "true"], capture_output=True).returncode:
        pytest.skip("this machine does not let the network be cut (unshare --net --mount)")
    try:
        release = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    except OSError:
        release = ""
    tar = cache_folder() / "debian" / f"{release}-{platform.machine()}.tar"
    tar.parent.mkdir(parents=True, exist_ok=True)
    with locked(tar, patience=900):
        if not tar.exists():
            _bootstrap(release, tar)
    return tar


def _bootstrap(release: str, tar: Path) -> None:
    with tempfile.TemporaryDirectory(dir=tar.parent) as work:
        # What debootstrap mounts must be gone before the folder is deleted, even if it is killed.
        make = ["unshare", "--mount", "debootstrap", "--variant=minbase", release, f"{work}/root"]
        ended = subprocess.run(make, capture_output=True, text=True, env={**os.environ, "DPKG_FORCE": "unsafe-io"})
        if ended.returncode:
            said = (ended.stdout + ended.stderr).strip().splitlines()
            pytest.skip(f"debootstrap cannot fetch Debian '{release}': {said[-1] if said else ended.returncode}")
        without = [f"--exclude=./{folder}/*" for folder in NEEDLESS]
        subprocess.run(["tar", "-C", f"{work}/root", *without, "-cf", f"{work}/tar", "."], check=True)
        Path(work, "tar").replace(tar)


@pytest.fixture(scope="module", params=["folder", "one-file"])
def shape(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def unpacked(
    debian: Path, freeze_once: Callable[[str], Path], shape: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    program = freeze_once(shape)
    root = tmp_path_factory.mktemp("debian")
    root.chmod(0o755)
    subprocess.run(["tar", "-C", root, "-xpf", debian], check=True)
    assert not list(root.rglob("*python3*"))
    target = root / "opt" / "運ぶ box"
    if shape == "folder":
        shutil.copytree(program.parent, target, symlinks=True)
    else:
        target.mkdir()
        shutil.copy(program, target)
    yield Place(root, f"/opt/運ぶ box/{program.name}")
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def place(unpacked: Place) -> Iterator[Place]:
    """The bare place with a fresh home folder, and held against what it was before."""
    unpacked.home.mkdir()
    os.chown(unpacked.home, CLERK, CLERK)
    before = files(unpacked)
    yield unpacked
    after = files(unpacked)
    shutil.rmtree(unpacked.home)
    assert after == before, "something was written outside the home folder"


def give(place: Place, path: Path, content: str | bytes) -> str:
    """Put a file into the home folder; return its name inside."""
    target = place.home / path.name
    target.write_bytes(content if isinstance(content, bytes) else content.encode())
    return f"/{HOME}/{target.name}"


@pytest.mark.parametrize("proc", [True, False], ids=["/proc", "no /proc"])
def test_it_says_what_it_is_and_that_all_is_well(place: Place, proc: bool) -> None:
    assert place.run("--version", proc=proc).stdout.startswith("machines 1.2.3, hakobu ")
    assert "machines FILE" in place.run(proc=proc).stdout
    table = give(
        place, Path("in.csv"), "id,when,load,shifts,hot,line,maker\na,2026-01-05T10:00,55.5,2,true,A,maker 1\n"
    )
    ended = place.run(table, proc=proc)
    assert (ended.returncode, ended.stderr) == (0, "")
    about = place.run("about", proc=proc)
    assert "broke: one of no, yes" in about.stdout
    ended = place.run("doctor", "--json", proc=proc)
    assert (ended.returncode, ended.stderr) == (0, "")
    found = {check["name"]: check["health"] for check in json.loads(ended.stdout)["checks"]}
    assert {name for name, health in found.items() if health != "ok"} == (set() if proc else {"processor"}), ended
    assert {"bundle inside", "machines 1.2.3: golden rows", "system libraries", "journal"} <= found.keys()


def test_the_network_is_cut_and_the_user_has_no_rights(unpacked: Place) -> None:
    look = unpacked._replace(program="/bin/sh").command("-c", "id -u; id -G; cat /proc/net/dev; ls -A /opt")
    said = subprocess.run(look, capture_output=True, text=True, check=True, env={}).stdout.splitlines()
    assert said[:2] == [str(CLERK), str(CLERK)]
    assert [line.split(":")[0].strip() for line in said if ":" in line] == ["lo"]


def test_it_scores_installs_and_judges_drift_as_python_does(
    place: Place, project: Path, release: Callable[..., Path], workshop: Path, hakobu_run: Command, tmp_path: Path
) -> None:
    table = (project / "data.csv").read_text()
    sound = give(place, Path("入力.csv"), table)
    assert place.run("score", sound, "-o", f"/{HOME}/out 1.csv").returncode == 0
    state = ("--state", tmp_path / "python")
    assert hakobu_run(*state, "trust", "add", workshop / "key.pub").returncode == 0
    score = ("score", project / "data.csv", "-o", tmp_path / "out.csv", "--bundle", workshop / "machines.hako")
    assert hakobu_run(*state, *score).returncode == 0
    assert (place.home / "out 1.csv").read_bytes() == (tmp_path / "out.csv").read_bytes()
    assert place.rows() == {"1.2.3": 1200}
    assert place.run("drift").returncode == 0

    newer = give(place, Path("new.hako"), release(tmp_path / "new.hako", version="2.0.0").read_bytes())
    assert place.run("install", newer).returncode == 0
    header, *lines = table.splitlines()
    moved = [",".join([*cells[:2], "95.5", *cells[3:]]) for cells in (line.split(",") for line in lines)]
    shifted = give(place, Path("shifted.csv"), "\n".join([header, *moved, ""]))
    assert place.run(shifted).returncode == 0
    assert place.rows() == {"1.2.3": 1200, "2.0.0": 1200}
    ended = place.run("drift")
    assert ended.returncode == 3
    assert "load" in ended.stdout


def test_killed_again_and_again_it_goes_on_and_counts_each_row_once(place: Place, shape: str) -> None:
    header, row = "id,when,load,shifts,hot,line,maker\n", "{},2026-01-{:02d}T00:00,{}.5,{},true,{},maker 1\n"
    lines = [row.format(n, 1 + n % 28, n % 90, n % 5, "ABCZ"[n % 4]) for n in range(ROWS)]
    table = give(place, Path("in.csv"), header + "".join(lines))
    whole = place.run("score", table, "-o", f"/{HOME}/whole.csv")
    assert whole.returncode == 0
    assert place.rows() == {"1.2.3": ROWS}
    grown = 0
    for _ in range(3):
        grown = killed(place, table, grown)
    ended = place.run("score", table, "-o", f"/{HOME}/out.csv")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert (place.home / "out.csv").read_bytes() == (place.home / "whole.csv").read_bytes()
    assert place.rows() == {"1.2.3": 2 * ROWS}
    assert not list(place.home.glob("*.partial*"))
    left = list((place.root / "tmp").iterdir())
    assert len(left) == (0 if shape == "folder" else 3), "one file leaves what it unpacked when it is killed"
    for path in left:
        shutil.rmtree(path)


def killed(place: Place, table: str, grown: int) -> int:
    """Start scoring, kill it with SIGKILL once the output has grown past `grown` bytes, and return to how many."""
    partial, command = place.home / "out.csv.partial", place.command("score", table, "-o", f"/{HOME}/out.csv")
    process = subprocess.Popen(
        command, env={"HOME": f"/{HOME}"}, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    latest = monotonic() + 120
    while process.poll() is None and monotonic() < latest:
        if partial.exists() and partial.stat().st_size > grown:
            break
        sleep(0.002)
    os.killpg(process.pid, signal.SIGKILL)  # one file works in a second process
    assert process.wait() == -signal.SIGKILL, "it had ended before it could be killed"
    assert not (place.home / "out.csv").exists()
    return partial.stat().st_size
