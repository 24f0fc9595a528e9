"""Names that people give: to groups of devices and to accounts."""

from unicodedata import normalize

from hakobu_runtime.errors import UsageError

_LONGEST = 64


def as_name(text: str, what: str) -> str:
    """Return `text` as the name of `what`, written in one of the ways that look the same (NFKC); "" stays "".

    Raises UsageError when it holds a line break, a mark that turns the direction of writing, or more than 64 letters.
    """
    name = normalize("NFKC", text)
    if len(name) > _LONGEST or not name.isprintable() or name != name.strip():
        raise UsageError(
            f"{text[:80]!r} cannot be the name of {what}: it takes {_LONGEST} printable letters at most, and no space "
            "around them"
        )
    return name
