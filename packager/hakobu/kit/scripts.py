"""Writing what people start and read in a kit, and what that starts."""

import shutil
from pathlib import Path

import msgspec

from hakobu import resources
from hakobu.kit.target import Target
from hakobu.kit.words import ending, filled, launcher_words, readme_words
from hakobu_runtime.format.manifest import Manifest


def launcher_name(manifest: Manifest, target: Target) -> str:
    """Return the name of the file that people start."""
    return f"{manifest.name}{ending(target)}"


def write_scripts(folder: Path, manifest: Manifest, target: Target) -> None:
    """Write the launchers and the README into `folder`, and what they start into `kit` in it."""
    source = resources.folder("build")
    _write_launchers(source / "kit", folder, manifest, target)
    for script in ("installing.py", "start.py", "freeze.py"):
        _write(folder / "kit" / script, _text(source / "kit" / script))
    told = {
        "model": manifest.name,
        "version": manifest.version,
        "launcher": launcher_name(manifest, target),
        "python": target.python,
        "system": target.system.words,
        "platform": target.system.sys_platform,
        "machine": target.system.machine,
    }
    _write(folder / "kit" / "kit.json", msgspec.json.format(msgspec.json.encode(told), indent=2).decode() + "\n")
    build = folder / "kit" / "build"
    shutil.copytree(source / "hooks", build / "hooks", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("freeze.spec", "freeze_entry.py"):
        _write(build / name, _text(source / name))


def _write_launchers(source: Path, folder: Path, manifest: Manifest, target: Target) -> None:
    windows = target.system.windows
    shell = _text(source / ("launcher.cmd" if windows else "launcher.sh"))
    for name, script in ((launcher_name(manifest, target), "start.py"), (f"freeze{ending(target)}", "freeze.py")):
        _write(folder / name, filled(shell, launcher_words(manifest, target, script)), windows=windows)
        (folder / name).chmod(0o755)
    readme = filled(_text(source / "README.txt"), readme_words(manifest, target))
    # Older editors of Windows take a text without this mark for one in the system's own code page.
    _write(folder / "README.txt", f"\ufeff{readme}" if windows else readme, windows=windows)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _write(path: Path, text: str, *, windows: bool = False) -> None:
    """Write `text` with the line ends of the system that reads it, whatever this one is."""
    path.write_bytes((text.replace("\n", "\r\n") if windows else text).encode())
