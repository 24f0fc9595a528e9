"""The file in which a device keeps the keys that it trusts."""

from typing import Final, Literal

from hakobu_runtime.format.codec import Value

SCHEMA: Final = "hakobu.trust/1"


class PinnedKey(Value, frozen=True):
    """One public key, in PEM, and the models that it may sign; `*` stands for any letters."""

    pem: str
    models: tuple[str, ...]


class TrustFile(Value, frozen=True):
    """All the keys that are trusted."""

    schema: Literal["hakobu.trust/1"]
    keys: tuple[PinnedKey, ...]
