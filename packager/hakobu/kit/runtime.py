"""The wheel of the runtime that this command runs with."""

import base64
import zipfile
from hashlib import sha256
from importlib.metadata import distribution
from pathlib import Path

import hakobu_runtime
from hakobu.kit.wheel import Wheel, read_wheel
from hakobu_runtime.errors import ToolError
from hakobu_runtime.version import __version__

_NAME = "hakobu_runtime"
_TAG = b"Wheel-Version: 1.0\nGenerator: hakobu\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
_EPOCH = (1980, 1, 1, 0, 0, 0)


def write_runtime(folder: Path) -> Wheel:
    """Write the runtime into `folder` as a wheel, the same bytes each time, and return it.

    It needs no build tool: the runtime is pure Python, and its metadata are those that it was installed with.
    """
    files = {**_package(), **_metadata()}
    record = f"{_NAME}-{__version__}.dist-info/RECORD"
    lines = [f"{name},sha256={_digest(content)},{len(content)}\n" for name, content in files.items()]
    files[record] = "".join([*lines, f"{record},,\n"]).encode()
    path = folder / f"{_NAME}-{__version__}-py3-none-any.whl"
    # Stored: what deflate makes of it depends on the version of zlib.
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as wheel:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system, entry.external_attr = 3, 0o100644 << 16
            wheel.writestr(entry, content)
    return read_wheel(path)


def _package() -> dict[str, bytes]:
    root = Path(hakobu_runtime.__file__).parent
    names = sorted(path.relative_to(root) for path in root.rglob("*") if path.is_file())
    # Not what Python, or a tool of whoever works on the runtime, keeps there for itself.
    own = (name for name in names if not any(part.startswith((".", "__pycache__")) for part in name.parts))
    return {f"{root.name}/{name.as_posix()}": (root / name).read_bytes() for name in own}


def _metadata() -> dict[str, bytes]:
    """Return what pip reads; raise ToolError when the runtime runs without having been installed."""
    known = distribution("hakobu-runtime")
    texts = {name: known.read_text(name) for name in ("METADATA", "entry_points.txt")}
    lost = [name for name, text in texts.items() if not text]
    if lost:
        raise ToolError(f"this installation of hakobu-runtime lacks its {lost[0]}: install it again")
    found = {name: (text or "").encode() for name, text in texts.items()}
    return {f"{_NAME}-{__version__}.dist-info/{name}": text for name, text in {**found, "WHEEL": _TAG}.items()}


def _digest(content: bytes) -> str:
    """Return the sha256 as a RECORD has it."""
    return base64.urlsafe_b64encode(sha256(content).digest()).rstrip(b"=").decode()
