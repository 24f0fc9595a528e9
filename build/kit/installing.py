"""Makes a venv of the wheels of this kit, once on each PC and with no network. Needs nothing but Python."""

import json
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

KIT = Path(__file__).resolve().parent
TOLD = json.loads((KIT / "kit.json").read_text(encoding="utf-8"))
LAUNCHER = KIT.parent / TOLD["launcher"]

_PATIENCE = 1800.0
"""How many seconds to wait for another one that was started at the same time."""
_LAST_LINES = 12
_ROOM = 300_000_000
"""How many bytes a venv takes, at most."""
_READY = "ready"
_WINDOWS = sys.platform == "win32"


class KitError(Exception):
    """What keeps the kit from starting, in words for a person, and the exit code."""

    def __init__(self, words, code=8):
        super().__init__(words)
        self.code = code


def installed(lock, say, *, portable=False):
    """Return the Python of the venv that has what `lock`, a file of this kit, names; made where it is not there yet.

    `say` hears of it when it has to be made. Raises KitError when it cannot be.
    """
    content = (KIT / lock).read_bytes()
    name = f"{TOLD['model']}-{Path(lock).stem}-{sha256(content).hexdigest()[:16]}"
    homes = list(_homes(portable))
    for home in homes:
        if _is_ready(home / name):
            return _python(home / name)
    _check_pc()
    reasons = []
    for home in homes:
        try:
            home.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            reasons.append(f"{error.filename}: {error.strerror}")
            continue
        if not os.access(home, os.W_OK):
            reasons.append(f"{home}: is not writable")
        elif shutil.disk_usage(home).free < _ROOM:
            reasons.append(f"{home}: its disk has less than {_ROOM // 1_000_000} MB free")
        else:
            return _made(home / name, lock, say)
    raise KitError(f"nowhere to install to ({'; '.join(reasons)}); name another folder with HAKOBU_CACHE")


def _homes(portable):
    """Name the folders where a venv may stand, the best one first: the user's own, or the kit where it is carried."""
    beside = KIT.parent / "installed"
    if portable:
        yield beside
        return
    if named := os.environ.get("HAKOBU_CACHE"):
        yield Path(named) / "kit"
        return
    with suppress(RuntimeError, KeyError):
        home = Path.home()
        if _WINDOWS:
            data = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
        elif sys.platform == "darwin":
            data = home / "Library" / "Application Support"
        else:
            data = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
        if data.is_absolute():
            yield data / "hakobu-kit"
    yield beside


def _identity():
    """Return which Python the venv belongs to: one that was replaced by another takes its packages along."""
    return f"{sys.version}\n{sys.base_prefix}\n"


def _is_ready(place):
    try:
        return (place / _READY).read_text(encoding="utf-8") == _identity() and _python(place).exists()
    except (OSError, ValueError):
        return False


def _python(place):
    return place / ("Scripts/python.exe" if _WINDOWS else "bin/python")


def _check_pc():
    """Say in one line what a hundred lines of pip would say."""
    version = "{}.{}".format(*sys.version_info[:2])
    machine = _machine()
    if version != TOLD["python"] or sys.implementation.name != "cpython":
        raise KitError(f"this kit is for Python {TOLD['python']}, and this is {sys.implementation.name} {version}")
    if (sys.platform, machine) != (TOLD["platform"], TOLD["machine"]):
        raise KitError(
            f"this kit is for {TOLD['system']}, and this Python is for {machine} on {sys.platform}; "
            "get the kit for this PC from who gave you this one"
        )


def _machine():
    """Return what this Python was built for, which on Windows may be less than what the PC has."""
    import platform
    import sysconfig

    if _WINDOWS:
        return {"win-amd64": "AMD64", "win-arm64": "ARM64"}.get(sysconfig.get_platform(), sysconfig.get_platform())
    machine = platform.machine()
    return machine if sys.maxsize > 2**32 else f"32-bit {machine}"


def _made(place, lock, say):
    """Make the venv under another name first, so that one which was interrupted is never taken for a whole one."""
    wheel = next((KIT / "wheels").glob("hakobu_runtime-*.whl"), None)
    if wheel is None:
        raise KitError(f"{KIT / 'wheels'}: the kit is not whole; copy it again")
    sys.path.insert(0, str(wheel))
    from hakobu_runtime.device.lock import locked  # out of the wheel itself, before anything is installed
    from hakobu_runtime.errors import HakobuError

    try:
        with locked(place, patience=_PATIENCE):
            if not _is_ready(place):  # another one that was started at the same time may have made it
                say()
                _make(place, lock)
    except HakobuError as error:
        raise KitError(str(error), error.exit_code) from error
    except OSError as error:
        raise KitError(f"{error.filename or place}: {error.strerror or error}; look at that disk", 10) from error
    return _python(place)


def _make(place, lock):
    shutil.rmtree(place, ignore_errors=True)
    draft = place.with_name(f"{place.name}.partial")
    shutil.rmtree(draft, ignore_errors=True)
    try:
        _furnish(draft, lock)
        (draft / _READY).write_text(_identity(), encoding="utf-8")
        draft.rename(place)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def _furnish(draft, lock):
    """Make a venv, and let the kit's own pip, which needs not be installed, install into it."""
    run("Python's venv", [sys.executable, "-I", "-m", "venv", "--without-pip", draft], "install Python again, whole")
    pip = next((KIT / "wheels").glob("pip-*.whl"), KIT / "pip.whl")
    install = [_python(draft), "-I", pip / "pip", "--isolated", "--disable-pip-version-check", "--no-cache-dir"]
    install += ["install", "--quiet", "--no-index", "--no-input", "--require-hashes"]
    install += ["--find-links", KIT / "wheels", "-r", KIT / lock]
    run("pip", install, f"is this PC {TOLD['system']}? Is the disk full? Else copy the kit again")
    # What is installed and cannot be loaded is better told now, with the reason, than at each start.
    probe = "import arro3.io, cryptography.hazmat.primitives.serialization, numpy, onnxruntime"
    remedy = "install Microsoft's Visual C++ Redistributable (x64)" if _WINDOWS else f"is this PC {TOLD['system']}?"
    run("what was installed", [_python(draft), "-I", "-c", probe], remedy)


def run(what, command, remedy, folder=None, **variables):
    """Run `command` in `folder` with `variables` in its environment; raise KitError with its last lines if it fails."""
    # No variable of the user's leads it astray, and onnxruntime keeps silent (as hakobu_runtime makes it).
    astray = ("PYTHON", "PIP_", "VIRTUAL_ENV", "CONDA_", "HAKOBU_", "_PYI_", "PYINSTALLER_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(astray)}
    done = subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env={**environment, "ORT_DISABLE_TELEMETRY": "1", **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode:
        lines = [line for line in done.stdout.splitlines() if line.strip()][-_LAST_LINES:]
        said = "".join(f"\n  {line}" for line in lines)
        raise KitError(f"{what} failed with {done.returncode}; {remedy}. It said last:{said}", 10)


def run_main(main):
    """Run `main`, and end with its exit code; what is refused takes one line on stderr."""
    code = 130
    try:
        code = main()
    except KitError as refusal:
        sys.stderr.write(f"{TOLD['model']}: error: {refusal}\n")
        code = refusal.code
    except KeyboardInterrupt:
        sys.stderr.write(f"{TOLD['model']}: error: interrupted\n")
    sys.exit(code)
