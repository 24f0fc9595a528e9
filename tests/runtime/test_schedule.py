import plistlib
import shlex
import shutil
import subprocess
import sys
from datetime import time
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hakobu_runtime.device.schedule import PLATFORMS, Job, Scheduled, daily_watch, this_platform, write_schedule
from hakobu_runtime.errors import InputError, ToolError, UsageError

NAMES = ["inbox", "in box", "受信 箱", "50% of $HOME; \"q\" 'a' \\b", "tail\\", "ü&<x>"]
TASK = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"
ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="systemd is Linux's")


def job(tmp_path: Path, name: str, platform: str | None = None, program: Path | None = None) -> Job:
    folder, state = tmp_path / name, tmp_path / "state of 日本"
    folder.mkdir(exist_ok=True)
    return daily_watch(state, folder, time(6, 5), platform or this_platform(), program=program, model=None)


def words_after_program(tmp_path: Path, name: str) -> list[str]:
    return ["--state", str(tmp_path / "state of 日本"), "watch", str(tmp_path / name), "--once"]


def read_windows(line: str) -> list[str]:
    """Cut a command line as Microsoft's C runtime does."""
    words: list[str] = []
    word, quoted, slashes, started = "", False, 0, False
    for letter in [*line, " "]:
        if letter == "\\":
            slashes += 1
            continue
        if letter == '"':
            word += "\\" * (slashes // 2)
            if slashes % 2:
                word += '"'
            else:
                quoted = not quoted
            started, slashes = True, 0
            continue
        word += "\\" * slashes
        slashes = 0
        if letter in " \t" and not quoted:
            if word or started:
                words.append(word)
            word, started = "", False
        else:
            word += letter
    return words


def read_unit(line: str) -> list[str]:
    """Cut an ExecStart line of double-quoted words as systemd.service(5) says."""
    words: list[str] = []
    rest = line
    while rest:
        assert rest.startswith('"')
        end = 1
        while rest[end] != '"':
            end += 2 if rest[end] == "\\" else 1
        found = rest[1:end].replace('\\"', '"').replace("\\\\", "\\").replace("%%", "%")
        words.append(found.replace("$$", "$") if words else found)
        rest = rest[end + 1 :].lstrip()
    return words


@pytest.mark.parametrize("name", NAMES)
def test_the_unit_runs_the_watch_of_the_very_folder(tmp_path: Path, name: str) -> None:
    planned = job(tmp_path, name, "linux")
    service, timer = (path.read_text() for path in write_schedule(planned, "linux", tmp_path).files)
    (line,) = (line for line in service.splitlines() if line.startswith("ExecStart="))
    words = read_unit(line.removeprefix("ExecStart="))
    assert tuple(words) == planned.command
    assert words[-5:] == words_after_program(tmp_path, name)
    assert "OnCalendar=*-*-* 06:05:00\nPersistent=true\n" in timer


@ON_LINUX
@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("name", NAMES)
def test_systemd_takes_the_units(tmp_path: Path, name: str) -> None:
    program = tmp_path / "50% of $HOME; 運 program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    written = write_schedule(job(tmp_path, name, "linux", program), "linux", tmp_path)
    command = ["systemd-analyze", "verify", "--user", "--man=no", *map(str, written.files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"XDG_RUNTIME_DIR": str(tmp_path)})
    about = [line for line in done.stderr.splitlines() if written.job.name in line]
    assert (about, done.returncode) == ([], 0), done.stderr


def test_a_program_that_systemd_would_not_start_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no program with a quote or backslash"):
        write_schedule(job(tmp_path, "inbox", "linux", Path("/it's/hakobu-run")), "linux", tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_the_plist_runs_the_watch_of_the_very_folder(tmp_path: Path, name: str) -> None:
    planned = job(tmp_path, name, "macos")
    (path,) = write_schedule(planned, "macos", tmp_path).files
    found = plistlib.loads(path.read_bytes())
    assert found["StartCalendarInterval"] == {"Hour": 6, "Minute": 5}
    assert tuple(found["ProgramArguments"]) == planned.command
    assert found["ProgramArguments"][-5:] == words_after_program(tmp_path, name)
    assert path.name == f"{found['Label']}.plist"


@pytest.mark.parametrize("name", NAMES)
def test_the_task_runs_the_watch_of_the_very_folder(tmp_path: Path, name: str) -> None:
    planned = job(tmp_path, name, "windows")
    (path,) = write_schedule(planned, "windows", tmp_path).files
    assert path.read_bytes()[:2] in (b"\xff\xfe", b"\xfe\xff")
    task = ElementTree.fromstring(path.read_bytes())  # noqa: S314  our own
    assert task.tag == f"{TASK}Task"
    program = task.findtext(f"{TASK}Actions/{TASK}Exec/{TASK}Command")
    words = read_windows(task.findtext(f"{TASK}Actions/{TASK}Exec/{TASK}Arguments") or "")
    assert (program, *words) == planned.command
    assert words[-5:] == words_after_program(tmp_path, name)
    trigger = task.find(f"{TASK}Triggers/{TASK}CalendarTrigger")
    assert trigger is not None
    assert (trigger.findtext(f"{TASK}StartBoundary") or "").endswith("T06:05:00")
    assert trigger.findtext(f"{TASK}ScheduleByDay/{TASK}DaysInterval") == "1"


WORDS = st.lists(st.text(st.characters(exclude_categories=["Cc", "Cs", "Cn"]), min_size=1), min_size=1, max_size=4)


@given(WORDS)
def test_any_word_survives_every_way_of_quoting(tmp_path_factory: pytest.TempPathFactory, words: list[str]) -> None:
    folder = tmp_path_factory.mktemp("schedule")
    planned = Job("name", "title", time(0, 0), ("/program", *words))
    service = write_schedule(planned, "linux", folder).files[0].read_text("utf-8")
    (line,) = (line for line in service.split("\n") if line.startswith("ExecStart="))
    assert read_unit(line.removeprefix("ExecStart=")) == ["/program", *words]
    task = ElementTree.fromstring(write_schedule(planned, "windows", folder).files[0].read_bytes())  # noqa: S314
    assert read_windows(task.findtext(f"{TASK}Actions/{TASK}Exec/{TASK}Arguments") or "") == words
    plist = plistlib.loads(write_schedule(planned, "macos", folder).files[0].read_bytes())
    assert plist["ProgramArguments"] == ["/program", *words]
    shutil.rmtree(folder)


def test_the_scheduled_program_starts(tmp_path: Path) -> None:
    planned = job(tmp_path, "in box")
    done = subprocess.run([planned.command[0], "--version"], capture_output=True, text=True, check=False)
    assert "hakobu-run" in done.stdout, done


def test_what_is_for_another_platform_keeps_its_paths(tmp_path: Path) -> None:
    other = "windows" if this_platform() != "windows" else "linux"
    state, folder, program = (
        (r"D:\state", r"C:\Users\山田\in box", r"C:\Program Files\hakobu\hakobu-run.exe")
        if other == "windows"
        else ("/state", "/home/山田/in box", "/opt/hakobu run")
    )
    planned = daily_watch(Path(state), Path(folder), time(6), other, program=Path(program), model="late")
    expected = (program, "--state", state, "watch", folder, "--once", "--model", "late")
    assert planned.command == expected
    assert daily_watch(None, Path(folder), time(6), other, program=None, model=None).command[0] == "hakobu-run"


def test_two_folders_of_one_name_are_two_jobs_and_one_folder_is_one(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    assert job(tmp_path, "inbox").name == job(tmp_path, "inbox").name
    assert job(tmp_path, "inbox").name != job(tmp_path / "a", "inbox").name
    assert job(tmp_path, "受信箱").name.isascii()


def test_a_name_that_is_no_text_is_refused(tmp_path: Path) -> None:
    for name in ("line\nbreak", "half\udce6"):
        with pytest.raises(UsageError, match="cannot be scheduled; rename it"):
            daily_watch(
                tmp_path,
                Path("/", name),
                time(6),
                "linux" if sys.platform != "linux" else "macos",
                program=None,
                model=None,
            )


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such folder"):
        daily_watch(tmp_path, tmp_path / "none", time(6), this_platform(), program=None, model=None)
    with pytest.raises(InputError, match="there is no such folder"):
        write_schedule(job(tmp_path, "inbox"), "linux", tmp_path / "none")


@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_command_that_installs_names_the_files_and_survives_spaces(tmp_path: Path, platform: str) -> None:
    target = tmp_path / "here 此処"
    target.mkdir()
    written = write_schedule(job(tmp_path, "inbox", platform), platform, target)
    words = read_windows(written.install) if platform == "windows" else shlex.split(written.install)
    assert {str(path) for path in written.files} <= set(words)
    assert written.words().splitlines()[-1] == f"to install: {written.install}"


@pytest.fixture
def written(tmp_path: Path) -> Scheduled:
    return write_schedule(job(tmp_path, "in box"), this_platform(), tmp_path)


def test_installing_without_the_tool_says_so(
    written: Scheduled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    with pytest.raises(ToolError, match="is not on this machine, so nothing was installed"):
        written.run()


@ON_LINUX
def test_installing_runs_the_tool_and_hears_when_it_refuses(
    written: Scheduled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool, calls = tmp_path / "bin" / "systemctl", tmp_path / "calls"
    tool.parent.mkdir()
    tool.write_text(f'#!/bin/sh\nfor word in "$@"; do echo "$word"; done >> {shlex.quote(str(calls))}\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tool.parent))
    written.run()
    service, timer = map(str, written.files)
    link, enable = ["--user", "link", "--force", service], ["--user", "enable", "--force", timer]
    assert calls.read_text().splitlines() == [*link, *enable, "--user", "restart", f"{written.job.name}.timer"]
    tool.write_text("#!/bin/sh\necho no bus here >&2\nexit 1\n")
    with pytest.raises(ToolError, match="systemctl refused, so nothing is scheduled: no bus here"):
        written.run()


def test_what_is_for_another_platform_is_not_installed_here(tmp_path: Path) -> None:
    other = next(platform for platform in PLATFORMS if platform != this_platform())
    with pytest.raises(UsageError, match="cannot be installed here; run there"):
        write_schedule(job(tmp_path, "inbox", other), other, tmp_path).run()
