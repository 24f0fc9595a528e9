"""`hakobu-run schedule`: a daily scoring of a folder, as systemd timer, launchd plist or Windows task."""

import plistlib
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import time
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from xml.etree import ElementTree

from hakobu_runtime.device.inside import own_program
from hakobu_runtime.device.state import open_state
from hakobu_runtime.digest import sha256_hex
from hakobu_runtime.disk import write_whole
from hakobu_runtime.errors import InputError, ToolError, UsageError

PLATFORMS = ("linux", "macos", "windows")
_TOOLS = {"linux": "systemctl", "macos": "launchctl", "windows": "schtasks"}
_TASK = "http://schemas.microsoft.com/windows/2004/02/mit/task"


@dataclass(frozen=True, slots=True)
class Job:
    """A command that runs every day."""

    name: str
    """How the system calls it: plain letters, digits and hyphens."""
    title: str
    daily: time
    command: tuple[str, ...]
    """The program and its arguments."""

    def __post_init__(self) -> None:
        for word in self.command:
            if any(unicodedata.category(letter) in ("Cc", "Cs") or letter in "\ufffe\uffff" for letter in word):
                raise UsageError(f"{word!r}: a name with letters that are no text cannot be scheduled; rename it")


@dataclass(frozen=True, slots=True)
class Scheduled:
    """What was written, and the one command that installs it."""

    platform: str
    job: Job
    files: tuple[Path, ...]
    install: str

    def plain(self) -> dict[str, object]:
        """Return it for JSON."""
        files = [str(path) for path in self.files]
        return {"platform": self.platform, "command": self.job.command, "files": files, "install": self.install}

    def words(self) -> str:
        """Return it in two lines."""
        return f"written: {', '.join(map(str, self.files))}\nto install: {self.install}"

    def run(self) -> None:
        """Install it here; raise ToolError when the system's tool is not here or refuses."""
        tool = _TOOLS[self.platform]
        if self.platform != this_platform():
            raise UsageError(f"what is for {self.platform} cannot be installed here; run there: {self.install}")
        if shutil.which(tool) is None:
            raise ToolError(
                f"{tool} is not on this machine, so nothing was installed; where it is, run: {self.install}"
            )
        command = self.install if self.platform == "windows" else ["/bin/sh", "-c", self.install]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines() or [f"it ended with {done.returncode}"]
            raise ToolError(f"{tool} refused, so nothing is scheduled: {said[-1]}; mend that and run: {self.install}")


def this_platform() -> str:
    """Return which of the platforms this is."""
    return {"darwin": "macos", "win32": "windows"}.get(sys.platform, "linux")


def this_program() -> tuple[str, ...]:
    """Return the words that start this very program."""
    if (own := own_program()) is not None:
        return (str(own),)
    script = Path(sysconfig.get_path("scripts"), "hakobu-run.exe" if sys.platform == "win32" else "hakobu-run")
    return (str(script),) if script.is_file() else (sys.executable, "-m", "hakobu_runtime")


def daily_watch(
    state: Path | None, folder: Path, daily: time, platform: str, *, program: Path | None, model: str | None
) -> Job:
    """Return the job that scores what is in `folder` every day, as it is to be written on `platform`.

    What is for another platform names the paths there, and finds its program by the PATH when `program` is None.
    """
    if platform == this_platform() and not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder; make it first, or check the name")
    words = _program(state, platform, program)
    place = _place(folder, platform)
    words += ("watch", place, "--once", *(("--model", model) if model else ()))
    plain = re.sub("[^a-z0-9]+", "-", _pure(place, platform).name.lower()).strip("-")[:30]
    name = "-".join(["hakobu-watch", *([plain] if plain else []), sha256_hex(place.encode("utf-8", "replace"))[:8]])
    return Job(name, f"Score the files in {place} with hakobu", daily, words)


def daily_sync(state: Path | None, daily: time, platform: str, *, program: Path | None, model: str | None) -> Job:
    """Return the job that looks for updates every day, as it is to be written on `platform`; see `daily_watch`."""
    words = (*_program(state, platform, program), "sync", *(("--model", model) if model else ()))
    mark = sha256_hex("\0".join(words).encode("utf-8", "replace"))[:8]
    return Job(f"hakobu-sync-{mark}", f"Look for updates of {model or 'the models'} with hakobu", daily, words)


def _program(state: Path | None, platform: str, program: Path | None) -> tuple[str, ...]:
    """Return the words that start the program on `platform`, with its state."""
    here = platform == this_platform()
    if here:
        state = open_state(state).root
    words = (_place(program, platform),) if program else this_program() if here else ("hakobu-run",)
    return (*words, *(("--state", _place(state, platform)) if state else ()))


def write_schedule(job: Job, platform: str, folder: Path) -> Scheduled:
    """Write into `folder` what schedules `job` on `platform`; what an earlier call wrote for it is replaced."""
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder; make it first, or name another one with -o")
    files = {"linux": _units, "macos": _plist, "windows": _task}[platform](job)
    paths = tuple(folder.absolute() / name for name in files)
    for path, content in zip(paths, files.values(), strict=True):
        try:
            write_whole(path, content)
        except OSError as error:
            raise InputError(f"{path}: cannot be written: {error.strerror}; name another folder with -o") from error
    install = {"linux": _install_units, "macos": _install_plist, "windows": _install_task}[platform]
    return Scheduled(platform, job, paths, install(job, paths))


def _pure(path: str, platform: str) -> PurePath:
    return PureWindowsPath(path) if platform == "windows" else PurePosixPath(path)


def _place(path: Path, platform: str) -> str:
    """Return `path` as it is when it is a whole path on `platform`, else made whole on this machine."""
    return str(path) if _pure(str(path), platform).is_absolute() else str(path.absolute())


def _units(job: Job) -> Mapping[str, bytes]:
    if any(letter in job.command[0] for letter in "\\\"'"):
        raise UsageError(
            f"{job.command[0]}: systemd starts no program with a quote or backslash in its path; "
            "put it elsewhere, and name it with --program"
        )
    title = job.title.replace("%", "%%")
    command = " ".join(_unit_word(word, first=place == 0) for place, word in enumerate(job.command))
    service = ["[Unit]", f"Description={title}", "", "[Service]", "Type=oneshot", f"ExecStart={command}"]
    when = f"OnCalendar=*-*-* {job.daily:%H:%M}:00"
    # Persistent: a PC that was off at that time catches up.
    timer = ["[Unit]", f"Description={title}", "", "[Timer]", when, "Persistent=true", "", "[Install]"]
    timer.append("WantedBy=timers.target")
    return {f"{job.name}.service": _text(service), f"{job.name}.timer": _text(timer)}


def _unit_word(word: str, *, first: bool) -> str:
    """Quote a word for ExecStart (systemd.service(5), "Command lines"); the first word takes no variables."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped if first else escaped.replace("$", "$$")}"'


def _install_units(job: Job, paths: Sequence[Path]) -> str:
    service, timer = (shlex.quote(str(path)) for path in paths)
    user = "systemctl --user"
    return f"{user} link --force {service} && {user} enable --force {timer} && {user} restart {job.name}.timer"


def _plist(job: Job) -> Mapping[str, bytes]:
    start = {"Hour": job.daily.hour, "Minute": job.daily.minute}
    content = {"Label": job.name, "ProgramArguments": list(job.command), "StartCalendarInterval": start}
    return {f"{job.name}.plist": plistlib.dumps(content)}


def _install_plist(job: Job, paths: Sequence[Path]) -> str:
    agents, user = "~/Library/LaunchAgents", "gui/$(id -u)"
    copy = f"mkdir -p {agents} && cp {shlex.quote(str(paths[0]))} {agents}/"
    forget = f"launchctl bootout {user}/{job.name} 2>/dev/null"  # what an earlier call has installed, if any
    return f"{copy} && {{ {forget}; launchctl bootstrap {user} {agents}/{job.name}.plist; }}"


def _task(job: Job) -> Mapping[str, bytes]:
    ElementTree.register_namespace("", _TASK)
    task = ElementTree.Element(f"{{{_TASK}}}Task", version="1.2")
    for path, text in (
        ("RegistrationInfo/Description", job.title),
        ("Triggers/CalendarTrigger/StartBoundary", f"2020-01-01T{job.daily:%H:%M}:00"),
        ("Triggers/CalendarTrigger/ScheduleByDay/DaysInterval", "1"),
        ("Principals/Principal/LogonType", "InteractiveToken"),
        ("Principals/Principal/RunLevel", "LeastPrivilege"),
        ("Settings/MultipleInstancesPolicy", "IgnoreNew"),
        ("Settings/DisallowStartIfOnBatteries", "false"),
        ("Settings/StopIfGoingOnBatteries", "false"),
        ("Settings/StartWhenAvailable", "true"),  # a PC that was off at that time catches up
        ("Settings/ExecutionTimeLimit", "PT0S"),
        ("Actions/Exec/Command", job.command[0]),
        ("Actions/Exec/Arguments", subprocess.list2cmdline(job.command[1:])),
    ):
        _leaf(task, path.split("/")).text = text
    _leaf(task, ["Principals", "Principal"]).set("id", "Author")
    _leaf(task, ["Actions"]).set("Context", "Author")
    # Task Scheduler reads UTF-16 best: it is what it writes itself.
    return {f"{job.name}.xml": ElementTree.tostring(task, encoding="utf-16", xml_declaration=True)}


def _leaf(parent: ElementTree.Element, names: Sequence[str]) -> ElementTree.Element:
    """Return the element under `parent` along `names`, made where it is not there."""
    for name in names:
        found = parent.find(f"{{{_TASK}}}{name}")
        parent = ElementTree.SubElement(parent, f"{{{_TASK}}}{name}") if found is None else found
    return parent


def _install_task(job: Job, paths: Sequence[Path]) -> str:
    return subprocess.list2cmdline(["schtasks", "/Create", "/F", "/TN", job.name, "/XML", str(paths[0])])


def _text(lines: Sequence[str]) -> bytes:
    return "\n".join([*lines, ""]).encode()
