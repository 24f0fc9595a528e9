"""Names that must fit."""


def width_of(text: str) -> int:
    """Return how many letters' room a text takes: Chinese and Japanese signs take two."""
    return sum(2 if ord(sign) > 0x2E7F else 1 for sign in text)


def cut(text: str, most: int) -> str:
    """Return `text` in no more than `most` letters' room, with an ellipsis where something was left out."""
    if width_of(text) <= most:
        return text
    kept = ""
    for sign in text:
        if width_of(kept + sign) > most - 1:
            break
        kept += sign
    return f"{kept}…"
