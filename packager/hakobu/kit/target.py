"""The kinds of PC that a kit can be made for: which wheels run there, and what the markers of requirements say."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from packaging.tags import Tag, compatible_tags, cpython_tags

from hakobu_runtime.errors import UsageError

_GLIBC = 28
"""Wheels for glibc 2.28, which onnxruntime asks for, and older: Debian 10, Ubuntu 20.04, Red Hat 8."""
_LAST_PATCH = 99


@dataclass(frozen=True, slots=True)
class System:
    """A kind of PC."""

    name: str
    words: str
    """What it is called in a sentence."""
    japanese: str
    platforms: tuple[str, ...]
    """The platform tags of the wheels that run there, as pip takes them, the newest first."""
    sys_platform: str
    machine: str
    """What Python there answers to `platform.machine()`."""

    @property
    def windows(self) -> bool:
        """Whether it is Windows, where scripts and texts are written otherwise."""
        return self.sys_platform == "win32"


def _linux(machine: str) -> System:
    platforms = (*(f"manylinux_2_{minor}_{machine}" for minor in range(_GLIBC, 16, -1)), f"manylinux2014_{machine}")
    words = f"Linux on {machine} with glibc 2.{_GLIBC} or newer"
    japanese = f"Linux ({machine}、glibc 2.{_GLIBC}以降)"
    return System(f"linux-{machine}", words, japanese, platforms, "linux", machine)


_SYSTEMS = (
    System("windows-x86_64", "64-bit Windows", "64ビット版Windows", ("win_amd64",), "win32", "AMD64"),
    # onnxruntime and numpy have no wheels for an older one.
    System(
        "macos-arm64",
        "macOS 14 or newer on Apple silicon",
        "macOS 14以降 (Appleシリコン)",
        ("macosx_14_0_arm64",),
        "darwin",
        "arm64",
    ),
    _linux("aarch64"),
    _linux("x86_64"),
)
SYSTEMS: Mapping[str, System] = {system.name: system for system in _SYSTEMS}
_WITHOUT = {
    "linux-armv7l": "onnxruntime has no wheels for 32-bit ARM",
    "macos-x86_64": "onnxruntime has no wheels for Macs with Intel processors after 1.23.2",
    "windows-arm64": "cryptography has no wheels for it; windows-x86_64 runs there, with a Python for x86-64",
}


@dataclass(frozen=True)
class Target:
    """A kind of PC, and the version of its Python, like 3.11."""

    system: System
    python: str

    def __str__(self) -> str:
        """Name both."""
        return f"{self.system.name} with Python {self.python}"

    @cached_property
    def tags(self) -> frozenset[Tag]:
        """What a wheel must have one of to run there."""
        major, minor = self.version
        interpreter, platforms = f"cp{major}{minor}", _platforms(self.system)
        own = cpython_tags((major, minor), [interpreter], platforms)
        return frozenset((*own, *compatible_tags((major, minor), interpreter, platforms)))

    @property
    def version(self) -> tuple[int, int]:
        """The version of its Python, in numbers."""
        major, minor = self.python.split(".")
        return int(major), int(minor)

    def environments(self) -> tuple[dict[str, str], ...]:
        """Return what the variables of markers are there, for the first and the last patch of its Python."""
        return tuple(self._environment(patch) for patch in (0, _LAST_PATCH))

    def _environment(self, patch: int) -> dict[str, str]:
        system, full = self.system, f"{self.python}.{patch}"
        return {
            "implementation_name": "cpython",
            "implementation_version": full,
            "os_name": "nt" if system.windows else "posix",
            "platform_machine": system.machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": {"win32": "Windows", "darwin": "Darwin"}.get(system.sys_platform, "Linux"),
            "platform_version": "",
            "python_full_version": full,
            "python_version": self.python,
            "sys_platform": system.sys_platform,
        }


def find_target(name: str, python: str) -> Target:
    """Return the target `name`; raise UsageError with those that there are, and why this is none of them."""
    system = SYSTEMS.get(name)
    if system is not None:
        return Target(system, python)
    reason = _WITHOUT.get(name, "there is no such target")
    raise UsageError(f"--target {name}: {reason}; there are: {', '.join(SYSTEMS)}")


def _platforms(system: System) -> tuple[str, ...]:
    """Return all platform tags that run there: pip makes those of older versions of macOS itself."""
    if system.sys_platform != "darwin":
        return system.platforms
    from packaging.tags import mac_platforms

    major, minor, arch = system.platforms[0].removeprefix("macosx_").split("_")
    return tuple(mac_platforms((int(major), int(minor)), arch))
