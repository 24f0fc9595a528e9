"""All that was ever published of a model, kept in what its role signs: so no version comes twice."""

from collections.abc import Mapping
from typing import Final

import msgspec
from tuf.api.metadata import Targets

from hakobu_runtime.errors import DamageError, UsageError
from hakobu_runtime.format.channel import Revoked
from hakobu_runtime.format.codec import Value
from hakobu_runtime.format.manifest import precedence

FIELD: Final = "x-hakobu-releases"


class Published(Value, frozen=True):
    """One bundle that was published at some time, whatever became of it."""

    digest: str
    published: str
    """When, ISO 8601 in UTC."""
    revoked: str = ""
    """Why it must not be used any more; "" while it may."""


def read_history(model: Targets) -> Mapping[str, Published]:
    """Return what was published, by version, the oldest first; raise StateError when it cannot be read."""
    try:
        found = msgspec.convert(model.unrecognized_fields.get(FIELD, {}), dict[str, Published])
        return dict(sorted(found.items(), key=lambda item: precedence(item[0])))
    except (msgspec.ValidationError, ValueError) as error:
        raise DamageError(
            f"the list of releases in the metadata cannot be read ({error}): use a newer hakobu"
        ) from error


def record(model: Targets, version: str, published: Published) -> None:
    """Put a release into the history, or change what that says of it."""
    model.unrecognized_fields.setdefault(FIELD, {})[version] = msgspec.to_builtins(published)


def find(model: Targets, version: str, name: str) -> Published:
    """Return what was published as `version`; raise UsageError when nothing was."""
    history = read_history(model)
    if version not in history:
        raise UsageError(f"{name} {version} was never published here; there is {', '.join(history) or 'nothing'}")
    return history[version]


def revocations(model: Targets) -> tuple[Revoked, ...]:
    """Return what every channel of the model has to call revoked."""
    history = read_history(model).items()
    return tuple(Revoked(version, entry.digest, entry.revoked) for version, entry in history if entry.revoked)
