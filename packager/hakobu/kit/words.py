"""What the files of a kit say, which differs from system to system."""

from collections.abc import Mapping

from hakobu.kit.target import Target
from hakobu_runtime.format.manifest import Manifest

_PYTHON = "It needs Python {python}, 64-bit."
_PYTHON_JA = "Python {python} (64ビット) が必要です。"
_GET = {
    "win32": "If the PC has none: run the installer of python.org (bring it along), for this user alone.",
    "darwin": "If the Mac has none: run the installer of python.org (bring it along).",
    "linux": "If the PC has none: install it with its package manager, as apt install python{python}.",
}
_GET_JA = {
    "win32": "なければ python.org のインストーラー(一緒に持参)を、このユーザー用に実行してください。",
    "darwin": "なければ python.org のインストーラー(一緒に持参)を実行してください。",
    "linux": "なければパッケージマネージャーで入れてください。例: apt install python{python}",
}
_START = {
    "win32": "Drop your table (CSV, JSON lines, Parquet) on {launcher}, or type in this folder:  {command} FILE",
    "darwin": (
        "In a terminal in this folder type:  {command} FILE\n"
        "   When the Mac refuses to open it, type this once:  xattr -dr com.apple.quarantine ."
    ),
    "linux": "In a terminal in this folder type:  {command} FILE   (a table: CSV, JSON lines, Parquet)",
}
_START_JA = {
    "win32": "表(CSV、JSON Lines、Parquet)を {launcher} にドロップするか、このフォルダーで入力:  {command} ファイル名",
    "darwin": (
        "このフォルダーのターミナルで入力:  {command} ファイル名\n"
        "   開けないと言われたら、一度だけ入力:  xattr -dr com.apple.quarantine ."
    ),
    "linux": "このフォルダーの端末で入力:  {command} ファイル名   (表: CSV、JSON Lines、Parquet)",
}
_REMEDY = {
    "win32": "install Python {python}, 64-bit, from python.org",
    "darwin": "install Python {python} from python.org",
    "linux": "install it, as with: apt install python{python}",
}
_PLACES = {
    # Started from the Finder, a script has no PATH to speak of.
    "darwin": (
        "/Library/Frameworks/Python.framework/Versions/{python}/bin/python{python} "
        "/opt/homebrew/bin/python{python} /usr/local/bin/python{python}"
    ),
    "linux": "/usr/local/bin/python{python}",
}
_DATA = {"win32": "%LOCALAPPDATA%\\", "darwin": "~/Library/Application Support/", "linux": "~/.local/share/"}
_CHECK = {
    "win32": "certutil -hashfile FILE SHA256",
    "darwin": "shasum -a 256 -c SHA256SUMS",
    "linux": "sha256sum -c SHA256SUMS",
}


def ending(target: Target) -> str:
    """Return what the names of scripts end in that people start there."""
    return {"win32": ".cmd", "darwin": ".command"}.get(target.system.sys_platform, ".sh")


def launcher_words(manifest: Manifest, target: Target, script: str) -> Mapping[str, str]:
    """Return what stands for the @NAMES@ in a launcher that starts `script`."""
    system, python = target.system.sys_platform, target.python
    freezes = script == "freeze.py"
    return {
        "WHAT": f"the making of an executable of {manifest.name}" if freezes else f"{manifest.name} {manifest.version}",
        "NAME": "freeze" if freezes else manifest.name,
        "PYTHON": python,
        "TUPLE": f"({python.replace('.', ', ')})",
        "PLACES": _PLACES.get(system, "").format(python=python),
        "REMEDY": _REMEDY[system].format(python=python),
        "SCRIPT": script,
    }


def readme_words(manifest: Manifest, target: Target) -> Mapping[str, str]:
    """Return what stands for the @NAMES@ in the README."""
    system, title = target.system.sys_platform, f"{manifest.name} {manifest.version}"
    launcher = f"{manifest.name}{ending(target)}"
    told = {
        "python": target.python,
        "launcher": launcher,
        "command": f".\\{manifest.name}" if target.system.windows else f"sh {launcher}",
    }
    return {
        "TITLE": title,
        "RULE": "=" * len(title),
        "DESCRIPTION": f"{manifest.description}\n" if manifest.description else "",
        "SYSTEM": target.system.words,
        "SYSTEM_JA": target.system.japanese,
        "PYTHON": target.python,
        "GET": f"{_PYTHON} {_GET[system]}".format(**told),
        "GET_JA": f"{_PYTHON_JA}{_GET_JA[system]}".format(**told),
        "START": _START[system].format(**told),
        "START_JA": _START_JA[system].format(**told),
        "COMMAND": told["command"],
        "FREEZE": ".\\freeze" if target.system.windows else f"sh freeze{ending(target)}",
        "DATA": _DATA[system],
        "NAME": manifest.name,
        "CHECK": _CHECK[system],
    }


def filled(template: str, words: Mapping[str, str]) -> str:
    """Return the template with its @NAMES@ replaced."""
    for name, text in words.items():
        template = template.replace(f"@{name}@", text)
    return template
