"""What this PC is made of, held against what scoring needs; nothing is imported that may itself be broken."""

import importlib
import importlib.util
import mmap
import os
import platform
import re
import shutil
import sys
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

from hakobu_runtime.device.clock import LAST, WRITTEN
from hakobu_runtime.device.diagnosis import Check, failure, ok, warning
from hakobu_runtime.device.memory import available
from hakobu_runtime.engine import hides_processor, onnxruntime

_MB = 1024 * 1024
_MEMORY = (96 * _MB, 256 * _MB)
"""What scoring a small model takes at the least, and what a file of many columns takes."""
_DISK = (16 * _MB, 256 * _MB)
"""What the journal and its log take at the least, and what two bundles and some outputs take."""
_PACKAGES = ("numpy", "cryptography", "msgspec", "arro3.core", "arro3.io")
_NEEDS = re.compile(rb"GLIBC_(\d+)\.(\d+)")
_VISUAL_C = ("vcruntime140.dll", "vcruntime140_1.dll", "msvcp140.dll")


def engine() -> Check:
    """Say whether onnxruntime can be imported, with its telemetry switched off."""
    name = "onnxruntime"
    try:
        found = onnxruntime()
    except (ImportError, OSError, RuntimeError) as error:
        words = f"cannot be imported: {_first_line(error)}"
        return failure(name, words, "mend what 'system libraries' says, or install hakobu-runtime again")
    if os.environ.get("ORT_DISABLE_TELEMETRY") != "1":
        words = f"{found.__version__} was told to send telemetry: ORT_DISABLE_TELEMETRY was changed"
        return failure(name, words, "do not change that variable in the program that imports hakobu_runtime")
    return ok(name, f"{found.__version__}, telemetry switched off")


def processor() -> Check:
    """Say whether onnxruntime can see which processor it runs on."""
    name, kind = "processor", platform.machine() or "of an unknown kind"
    if hides_processor():
        words = f"{kind}; there is no /proc to say more, so onnxruntime may take slower code"
        return warning(name, words, "mount /proc where scoring is to be fast")
    return ok(name, f"{kind}, {os.cpu_count() or 1} cores")


def packages() -> Check:
    """Say whether the other packages that scoring takes can be imported."""
    name, versions = "packages", []
    for package in _PACKAGES:
        try:
            found = importlib.import_module(package)
        except (ImportError, OSError, RuntimeError) as error:
            words = f"{package} cannot be imported: {_first_line(error)}"
            return failure(name, words, "install hakobu-runtime again")
        version = getattr(found, "__version__", "")
        versions.append(f"{package} {version() if callable(version) else version}".strip())
    return ok(name, ", ".join(versions))


def libraries() -> Check:
    """Say whether the system's own libraries are new enough for onnxruntime."""
    name = "system libraries"
    if sys.platform == "win32":
        return _visual_c(name)
    if sys.platform == "darwin":
        return ok(name, f"macOS {platform.mac_ver()[0]}")
    have, needed = _release(_glibc()), max(_glibc_needed(), default=(0, 0))
    if not have:
        words = "this Linux has another C library than glibc, for which onnxruntime is not made"
        return failure(name, words, "take a PC with Debian, Ubuntu, Fedora or the like")
    if have < needed:
        words = f"glibc {_dotted(have)} is too old: onnxruntime needs {_dotted(needed)}"
        return failure(name, words, "update the system, or take an older hakobu-runtime")
    return ok(name, f"glibc {_dotted(have)}" + (f", {_dotted(needed)} is needed" if needed != (0, 0) else ""))


def _visual_c(name: str) -> Check:
    import ctypes

    missing = []
    for library in _VISUAL_C:
        try:
            ctypes.CDLL(library)
        except OSError:
            missing.append(library)
    if missing:
        remedy = "install Microsoft's 'Visual C++ Redistributable for Visual Studio 2015-2022' (x64) and try again"
        return failure(name, f"the Visual C++ runtime lacks {', '.join(missing)}", remedy)
    return ok(name, f"Windows {platform.version()}, with the Visual C++ runtime")


def _glibc() -> str:
    try:
        return (os.confstr("CS_GNU_LIBC_VERSION") or "").removeprefix("glibc ")
    except (ValueError, OSError):  # as other C libraries answer
        return ""


def _release(version: str) -> tuple[int, ...]:
    found = re.match(r"(\d+)\.(\d+)", version)
    return tuple(int(number) for number in found.groups()) if found else ()


def _dotted(release: tuple[int, ...]) -> str:
    return ".".join(map(str, release))


def _glibc_needed() -> Iterator[tuple[int, ...]]:
    """Yield the versions of glibc whose functions onnxruntime asks for: its libraries name them."""
    spec = importlib.util.find_spec("onnxruntime")
    for folder in spec.submodule_search_locations or () if spec else ():
        for path in sorted(Path(folder, "capi").glob("*.so*")):
            with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                yield from ((int(found[1]), int(found[2])) for found in _NEEDS.finditer(content))


def memory(model_bytes: int = 0) -> Check:
    """Say whether there is the memory to score with a model of this size."""
    name, free = "memory", available()
    if free is None:
        return ok(name, "this system does not say how much is free")
    least, enough = (limit + 3 * model_bytes for limit in _MEMORY)
    words, remedy = f"{_size(free)} can be had", "close other programs, or give this PC more memory"
    if free < least:
        return failure(name, f"{words}; scoring takes {_size(least)} or more", remedy)
    if free < enough:
        return warning(name, f"{words}; large files take {_size(enough)}", remedy)
    return ok(name, words)


def disk(folder: Path) -> Check:
    """Say whether the disk that `folder`, or what is there of the way to it, stands on has room."""
    place = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    name, free = "disk", shutil.disk_usage(place).free
    words, remedy = f"{_size(free)} free on the disk of {place}", "free some space, or choose a --state on another disk"
    least, enough = _DISK
    if free < least:
        return failure(name, words, remedy)
    if free < enough:
        return warning(name, f"{words}; bundles and outputs may need {_size(enough)}", remedy)
    return ok(name, words)


def unpacking(place: Path, now: datetime) -> Check:
    """Say whether the folder that this executable of one file unpacks itself into at each start has room, and is clean.

    `place` is where it has unpacked itself this time.
    """
    name, folder = "temporary folder", place.parent
    size = sum(path.stat().st_size for path in place.rglob("*") if path.is_file())
    words = f"{_size(size)} are unpacked in {folder} at each start"
    if left := [path.name for path in folder.glob("_MEI*") if path != place and _is_old(path, now)]:
        words = f"{words}; {len(left)} of earlier starts, which were killed, are still there: {', '.join(left[:3])}"
        return warning(name, words, "delete them when none of these programs is at work")
    if (free := shutil.disk_usage(folder).free) < size:
        words = f"{words}, and {_size(free)} are free"
        return warning(name, words, "free some space, or set TMPDIR (on Windows TMP) to a folder on another disk")
    return ok(name, words)


def _is_old(path: Path, now: datetime) -> bool:
    """Say whether a folder is ours to delete, and of yesterday or before."""
    try:
        found = path.stat()
    except OSError:  # it has just been removed
        return False
    ours = sys.platform == "win32" or found.st_uid == os.geteuid()
    return ours and now.timestamp() - found.st_mtime > timedelta(days=1).total_seconds()


def clock(now: datetime, known: Iterable[tuple[datetime, str]]) -> Check:
    """Hold `now` against times that must lie before it, each with what happened then."""
    name, remedy = "clock", "set the clock of this PC: counts are kept by the day that it says"
    said = f"it is {now:%Y-%m-%d %H:%M} UTC"
    if now < WRITTEN:
        return failure(name, f"{said}, before this program was written ({WRITTEN:%Y-%m-%d})", remedy)
    if now > LAST:
        return failure(name, f"{said}, absurdly far ahead", remedy)
    floor, event = max(known, default=(WRITTEN, ""))
    if now < floor - timedelta(days=1):
        wrong = f"{remedy}; if it is right and was wrong then, install the same bundle again"
        return failure(name, f"{said}, before {event} ({floor:%Y-%m-%d %H:%M})", wrong)
    if now < floor - timedelta(minutes=5):
        return warning(name, f"{said}, before {event} ({floor:%Y-%m-%d %H:%M})", remedy)
    if now > max(floor, WRITTEN) + timedelta(days=365 * 10):
        return warning(name, f"{said}, more than ten years after {event or 'this program was written'}", remedy)
    return ok(name, said)


def _size(size: float) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.0f} MB"


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
