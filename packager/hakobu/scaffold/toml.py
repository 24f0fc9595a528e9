"""Writing TOML: keys, texts and comments that hold whatever a column's name holds."""

import json
import re
import textwrap
from collections.abc import Iterable, Sequence

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_WIDTH = 110


def text(value: str) -> str:
    """Return `value` as a basic string of TOML, which is a string of JSON but for the character DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")


def texts(values: Iterable[str]) -> str:
    """Return `values` as an array of TOML."""
    return f"[{', '.join(map(text, values))}]"


def key(name: str) -> str:
    """Return `name` as one key, quoted where it has to be."""
    return name if _BARE.fullmatch(name) else text(name)


def entry(name: str, value: str, remark: str = "") -> str:
    """Return a line `name = value  # remark`, `value` being TOML already."""
    line = f"{name} = {value}"
    return f"{line:<32}# {printable(remark)}" if remark else line


def comment(words: str, indent: str = "") -> list[str]:
    """Return `words` as lines of comment; all but the first begin with `indent`."""
    return textwrap.wrap(
        printable(words), _WIDTH, initial_indent="# ", subsequent_indent=f"# {indent}", break_on_hyphens=False
    )


def printable(words: str) -> str:
    """Return `words` on one line, with a replacement for each character that cannot be shown."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in words)


def lines(parts: Sequence[str | Sequence[str]]) -> str:
    """Return lines, and lists of lines, as one text that ends with a line end."""
    flat = (line for part in parts for line in ([part] if isinstance(part, str) else part))
    return "\n".join(flat) + "\n"
