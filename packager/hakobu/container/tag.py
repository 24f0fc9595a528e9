"""The name under which an image is loaded: REGISTRY/PATH/NAME:VERSION, where all before NAME may be missing."""

import re
from dataclasses import dataclass

from hakobu_runtime.errors import UsageError

_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_HOST = r"(?:localhost|[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+|[A-Za-z0-9.-]+(?=:))(?::[0-9]+)?"
_TAG = re.compile(rf"(?P<host>{_HOST}/)?(?P<path>{_PART}(?:/{_PART})*):[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}}")


@dataclass(frozen=True, slots=True)
class Tag:
    """A valid name with a version."""

    text: str

    def __post_init__(self) -> None:
        if not _TAG.fullmatch(self.text):
            raise UsageError(
                f"--tag {self.text!r}: is no name of an image; write it like late-flights:1.0.0 or "
                "registry.example.com/models/late-flights:1.0.0, the name in small letters"
            )

    @property
    def full(self) -> str:
        """The name with the registry that Docker takes where none is written."""
        found = _TAG.fullmatch(self.text)
        if found is None or found["host"]:
            return self.text
        return f"docker.io/{self.text}" if "/" in found["path"] else f"docker.io/library/{self.text}"
