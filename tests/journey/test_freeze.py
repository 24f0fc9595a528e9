"""Real executables, a folder and one file, run as on a PC that has no Python, and in odd places."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

Ended = subprocess.CompletedProcess[str]
Command = Callable[..., Ended]

TABLE = "id,when,load,shifts,hot,line,maker\na,2026-01-05T10:00,55.5,2,true,A,maker 1\nb,2026-01-05,999,9,no,Z,\n"


class Made(NamedTuple):
    """What was frozen, and from what."""

    program: Path
    box: Path
    key: Path
    """The public key that it trusts."""

    @property
    def folder(self) -> Path:
        """Where the program is."""
        return self.program.parent

    def carry(self, target: Path) -> None:
        """Copy it to the new folder `target`, as a person does."""
        if self.is_one_file():
            target.mkdir()
            shutil.copy(self.program, target)
        else:
            shutil.copytree(self.folder, target, symlinks=True)

    def is_one_file(self) -> bool:
        """Say whether it unpacks itself at each start."""
        return not (self.folder / "_internal").exists()


@pytest.fixture(scope="module")
def made(freeze_once: Callable[[str], Path], workshop: Path) -> Made:
    """The machines model as a folder."""
    return Made(freeze_once("folder"), workshop / "machines.hako", workshop / "key.pub")


@pytest.fixture(scope="module", params=["folder", "one-file"])
def either(freeze_once: Callable[[str], Path], workshop: Path, request: pytest.FixtureRequest) -> Made:
    """The machines model as a folder, and as one file."""
    return Made(freeze_once(request.param), workshop / "machines.hako", workshop / "key.pub")


def run(made: Made, *words: object, env: Mapping[str, str] | None = None, before: tuple[str, ...] = ()) -> Ended:
    """Run the executable with nobody at a terminal and nothing in its environment."""
    return subprocess.run(
        [*before, str(made.program), *map(str, words)],
        env=dict(env or {}),
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


def test_the_folder_holds_the_runtime_and_nothing_of_the_builder(made: Made) -> None:
    inside = made.folder / "_internal"
    names = {path.name.lower() for path in inside.iterdir()}
    assert {"onnxruntime", "numpy", "hakobu_inside"} <= names
    assert not names & {"sklearn", "pandas", "scipy", "onnx", "skl2onnx", "matplotlib", "setuptools", "hakobu"}
    assert (inside / "hakobu_inside" / "floor.hako").read_bytes() == made.box.read_bytes()
    assert b"PRIVATE KEY" not in b"".join(path.read_bytes() for path in (inside / "hakobu_inside").iterdir())
    assert made.folder.name == "machines-1.2.3"
    size = sum(path.stat().st_size for path in made.folder.rglob("*") if path.is_file())
    assert size < 200_000_000


def test_it_scores_to_the_byte_what_python_does(made: Made, table: Path, tmp_path: Path, hakobu_run: Command) -> None:
    ended = run(made, "--state", tmp_path / "state", table)
    assert (ended.returncode, ended.stderr) == (0, "")
    state = tmp_path / "python"
    assert hakobu_run("--state", state, "trust", "add", made.key).returncode == 0
    score = ("score", table, "-o", tmp_path / "out.csv", "--bundle", made.box)
    assert hakobu_run("--state", state, *score).returncode == 0
    assert table.with_name("in-scored.csv").read_bytes() == (tmp_path / "out.csv").read_bytes()


def test_its_name_is_the_models_and_its_state_the_users_own(made: Made, table: Path, tmp_path: Path) -> None:
    home = tmp_path / "home 箱"
    home.mkdir()
    env = {"HOME": str(home)}
    assert run(made, "--version", env=env).stdout.startswith("machines 1.2.3, hakobu ")
    assert list(home.iterdir()) == []
    assert run(made, table, env=env).returncode == 0
    found = json.loads(run(made, "doctor", "--json", env=env).stdout)
    assert found["healthy"], found
    assert {"bundle inside", "machines 1.2.3: golden rows"} <= {check["name"] for check in found["checks"]}
    written = {path.relative_to(home).parts[:3] for path in home.rglob("*") if path.is_file()}
    assert len(written) == 1, "nothing is written outside the state folder"
    assert next(iter(written))[-1] == "hakobu-machines"
    assert "broke: one of no, yes" in run(made, "about", env=env).stdout


def test_a_newer_bundle_wins_and_one_for_a_newer_runtime_leaves_the_old_one(
    made: Made, tmp_path: Path, release: Callable[..., Path]
) -> None:
    state = ("--state", tmp_path / "state")
    assert run(made, *state, "install", release(tmp_path / "new.hako", version="2.0.0")).returncode == 0
    later = release(tmp_path / "later.hako", version="3.0.0", min_runtime="99.0.0")
    ended = run(made, *state, "install", later)
    assert ended.returncode == 4
    assert "needs hakobu-runtime 99.0.0 or newer" in ended.stderr
    active = json.loads(run(made, *state, "status", "--json").stdout)["active"]
    assert [slot["version"] for slot in active] == ["2.0.0"]


def test_two_started_at_once_both_work(either: Made, table: Path, tmp_path: Path) -> None:
    command = [str(either.program), "--state", str(tmp_path / "state"), "score", str(table), "-o"]
    both = [
        subprocess.Popen([*command, str(tmp_path / f"{name}.csv")], env={}, stderr=subprocess.PIPE, text=True)
        for name in "ab"
    ]
    assert [(process.communicate(timeout=300)[1], process.returncode) for process in both] == [("", 0), ("", 0)]
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv is not here")
def test_a_user_without_a_home_is_told_where_to_put_the_state(made: Made, tmp_path: Path) -> None:
    place = Path("/var/tmp") / f"hakobu-test-{os.getpid()}"  # noqa: S108  pytest's own folders are root's alone
    nobody = ("setpriv", "--reuid", "54321", "--regid", "54321", "--clear-groups")
    try:
        shutil.copytree(made.folder, place)
        place.chmod(0o755)
        there = made._replace(program=place / made.program.name)
        ended = run(there, "status", before=nobody)
        assert ended.returncode == 8
        assert "--state DIR" in ended.stderr
        assert len(ended.stderr.splitlines()) == 1
        assert run(there, "doctor", before=nobody).returncode == 8
        assert run(there, before=nobody).returncode == 0
        portable = run(there, "--portable", "status", before=nobody)
        assert portable.returncode == 8
        assert "not writable" in portable.stderr or "cannot be made" in portable.stderr
    finally:
        shutil.rmtree(place, ignore_errors=True)


def test_a_bundle_that_was_changed_inside_is_refused(made: Made, table: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(made.folder, copy, symlinks=True)
    floor = copy / "_internal" / "hakobu_inside" / "floor.hako"
    content = bytearray(floor.read_bytes())
    content[len(content) // 2] ^= 1
    floor.write_bytes(content)
    ended = run(made._replace(program=copy / made.program.name), "--state", tmp_path / "state", table)
    assert ended.returncode in (4, 5)
    assert not table.with_name("in-scored.csv").exists()


def test_one_file_is_small_enough_to_be_carried(freeze_once: Callable[[str], Path]) -> None:
    assert freeze_once("one-file").stat().st_size < 60_000_000


def test_two_builds_are_the_same_bytes(made: Made, tmp_path: Path, freeze_room: Path, hakobu: Command) -> None:
    env = {"HAKOBU_CACHE": str(freeze_room), "SOURCE_DATE_EPOCH": "315532800"}
    ended = hakobu("freeze", made.box, "--key", made.key, "-o", tmp_path, env=env, patience=900)
    assert ended.returncode == 0, ended.stderr
    again = tmp_path / made.folder.name
    first, second = (
        {path.relative_to(root): (path.lstat().st_mode, path.read_bytes() if path.is_file() else b"")
         for path in root.rglob("*")}
        for root in (made.folder, again)
    )  # fmt: skip
    assert first.keys() == second.keys()
    assert [str(path) for path in first if first[path] != second[path]] == []


@pytest.mark.parametrize(
    "env",
    [
        {"LC_ALL": "C"},
        {"LC_ALL": "POSIX", "TMPDIR": "/nowhere"},
        {"LC_ALL": "ja_JP.eucJP", "HOME": "/nowhere"},
        {"LANG": "no language"},
    ],
    ids=["C", "no TMPDIR", "no HOME", "no locale"],
)
def test_it_works_in_any_environment(either: Made, table: Path, tmp_path: Path, env: dict[str, str]) -> None:
    ended = run(either, "--state", tmp_path / "状態 s", table, env=env)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "data 箱/in-scored.csv: 2 rows" in ended.stdout
    assert table.with_name("in-scored.csv").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="a shell closes its streams")
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_it_works_with_closed_streams(either: Made, table: Path, tmp_path: Path, closed: str) -> None:
    shell = ("sh", "-c", f'"$@" {closed}', "sh")
    score = ("score", table, "-o", tmp_path / "out.csv")
    assert run(either, "--state", tmp_path / "state", *score, before=shell).returncode == 0
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 3


@pytest.fixture
def mounted() -> Callable[[str, Path], tuple[str, ...]]:
    """What runs a command where a folder is mounted: gone with the command, however that ends."""
    if (
        shutil.which("unshare") is None
        or subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode
    ):
        pytest.skip("this machine lets nobody mount (unshare --mount)")
    if os.geteuid() != 0:
        pytest.skip("only root can mount")

    def before(options: str, folder: Path) -> tuple[str, ...]:
        script = f'mount {options} "$1" || exit 99; shift; exec "$@"'
        return ("unshare", "--mount", "sh", "-c", script, "sh", str(folder))

    return before


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    folder = tmp_path / "odd place"
    folder.mkdir()
    return folder


def test_on_a_read_only_medium_it_scores_elsewhere_and_says_so(
    either: Made, odd: Path, tmp_path: Path, mounted: Callable[[str, Path], tuple[str, ...]]
) -> None:
    medium = tmp_path / "medium"
    either.carry(medium)
    (medium / "in.csv").write_text(TABLE)
    there = either._replace(program=odd / either.program.name)
    before, state = mounted(f"--bind -o ro '{medium}'", odd), ("--state", tmp_path / "state")
    ended = run(there, *state, odd / "in.csv", before=before)
    assert ended.returncode == 6
    assert "nothing can be written there" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert run(there, *state, "score", odd / "in.csv", "-o", tmp_path / "out.csv", before=before).returncode == 0
    ended = run(there, "--portable", "status", before=before)
    assert ended.returncode == 8
    assert "Read-only file system" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert run(there, "--portable", "doctor", before=before).returncode == 8
    assert not (medium / "machines-state").exists()


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ("-t tmpfs -o noexec none", 127, "failed to map segment from shared object"),
        ("-t tmpfs -o size=9m none", 255, "Failed to extract"),
    ],
    ids=["noexec", "full"],
)
def test_a_temporary_folder_that_cannot_be_used_stops_one_file_alone(
    either: Made,
    odd: Path,
    table: Path,
    tmp_path: Path,
    mounted: Callable[[str, Path], tuple[str, ...]],
    options: str,
    code: int,
    words: str,
) -> None:
    ended = run(either, "--state", tmp_path / "state", table, env={"TMPDIR": str(odd)}, before=mounted(options, odd))
    if either.is_one_file():  # the system says so, and PyInstaller, before any code of ours; docs/freeze.md explains it
        assert ended.returncode == code
        assert words in ended.stderr
    else:
        assert (ended.returncode, ended.stderr) == (0, "")


def test_a_full_disk_is_told_and_with_room_the_same_command_ends_the_work(
    made: Made, odd: Path, tmp_path: Path, mounted: Callable[[str, Path], tuple[str, ...]]
) -> None:
    rows = "".join(f"{n},2026-01-05T10:00,55.5,2,true,A,maker 1\n" for n in range(20_000))
    (tmp_path / "in.csv").write_text(TABLE.splitlines(keepends=True)[0] + rows)
    state, score = ("--state", str(tmp_path / "state")), ("score", str(tmp_path / "in.csv"), "-o", str(odd / "out.csv"))
    script = (
        '"$@"; echo "ended: $?" >&2; ls "$0" >&2; mount -o remount,size=9m "$0"; "$@" || exit; wc -l < "$0/out.csv" >&2'
    )
    full = (*mounted("-t tmpfs -o size=200k none", odd), "sh", "-c", script, str(odd))
    ended = run(made, *state, *score, before=full)
    assert ended.returncode == 0, ended.stderr
    said = ended.stderr.splitlines()
    assert said[0].startswith(f"machines: error: {odd / 'out.csv'}: cannot be written: No space left on device")
    assert said[1:] == ["ended: 6", "out.csv.partial", "20001"]
    counted = json.loads(run(made, *state, "status", "--json").stdout)["counted"]
    assert [found["rows"] for found in counted] == [20_000]


def test_a_full_disk_under_the_state_is_told(
    made: Made, odd: Path, table: Path, mounted: Callable[[str, Path], tuple[str, ...]]
) -> None:
    script = '"$@" status; head -c 9m /dev/zero > "$0/fill" 2>/dev/null; "$@" status; code=$?; "$@" doctor; exit $code'
    full = (*mounted("-t tmpfs -o size=600k none", odd), "sh", "-c", script, str(odd))
    ended = run(made, "--state", odd / "state", before=full)
    assert ended.returncode == 8
    assert "the disk is full; nothing was lost: free some space and run the command again" in ended.stderr
    assert "0 MB free on the disk of" in ended.stdout
