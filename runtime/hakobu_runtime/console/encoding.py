"""Any text on any terminal: what an encoding lacks is written in ASCII, never refused."""

import codecs
import io
import sys
from typing import Any

_ASCII = str.maketrans({**dict.fromkeys("█▉▊▋▌", "#"), **dict.fromkeys("▍▎▏", "."), "…": "...", "×": "x"})
_HANDLER = "hakobu"


def take_any_text() -> None:
    """Let stdout and stderr take any text, whatever their encoding, and names of files that are no text at all."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_HANDLER)


def writable(plain: Any) -> Any:
    """Return JSON values without the lone surrogates by which Python holds the names of files that are not UTF-8."""
    if isinstance(plain, str):
        return plain.encode("utf-8", _HANDLER).decode()
    if isinstance(plain, list):
        return [writable(item) for item in plain]
    if isinstance(plain, dict):
        return {writable(key): writable(value) for key, value in plain.items()}
    return plain


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    """Return what stands for the letters that an encoding lacks: a likeness, or the escape that JSON reads too."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    found = error.object[error.start : error.end].translate(_ASCII)
    return "".join(letter if letter.isascii() else _escape(letter) for letter in found), error.end


def _escape(letter: str) -> str:
    units = letter.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[place : place + 2].hex()}" for place in range(0, len(units), 2))


codecs.register_error(_HANDLER, _in_ascii)
