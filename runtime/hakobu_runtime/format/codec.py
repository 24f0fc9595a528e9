"""The JSON border: bytes come in as valid values or not at all, and go out the same way every time."""

from typing import Any, TypeVar

import msgspec

from hakobu_runtime.errors import FormatError

T = TypeVar("T")


class Value(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A frozen part of a format; an unknown field in its JSON is an error."""


def encode(value: object) -> bytes:
    """Return `value` as indented UTF-8 JSON with sorted keys and a final newline: equal values, equal bytes."""
    return msgspec.json.format(msgspec.json.encode(value, order="sorted"), indent=1) + b"\n"


def decode(content: bytes, kind: type[T], where: str) -> T:
    """Return the `kind` that `content` holds; raise FormatError naming `where`, the field and the rule."""
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FormatError(f"{where}: {error}") from error


def schema(kind: type[object], identity: str) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of `kind`, named `identity`."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": identity, **msgspec.json.schema(kind)}
