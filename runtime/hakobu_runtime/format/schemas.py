"""Writes the JSON Schemas that the project publishes: `python -m hakobu_runtime.format.schemas docs/schemas`."""

import json
import sys
from pathlib import Path

from hakobu_runtime.format import golden, manifest, outcome, parcel, pins, receipt, tally, validation
from hakobu_runtime.format.codec import schema

PUBLISHED: dict[str, tuple[type[object], str]] = {
    "golden.schema.json": (golden.Golden, golden.SCHEMA),
    "manifest.schema.json": (manifest.Manifest, manifest.SCHEMA),
    "outcome.schema.json": (outcome.Outcome, outcome.SCHEMA),
    "parcel.schema.json": (parcel.Parcel, parcel.SCHEMA),
    "receipt.schema.json": (receipt.Receipt, receipt.SCHEMA),
    "tally.schema.json": (tally.Tally, tally.SCHEMA),
    "trust.schema.json": (pins.TrustFile, pins.SCHEMA),
    "validation.schema.json": (validation.Validation, validation.SCHEMA),
}
"""For each file, the kind of value that it describes, and the name of the format."""


def schema_text(file: str) -> str:
    """Return what the published `file` should hold."""
    return json.dumps(schema(*PUBLISHED[file]), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def main(arguments: list[str]) -> None:
    """Write every schema into the one folder that `arguments` names."""
    if len(arguments) != 1:
        raise SystemExit("give one folder to write the schemas to, like docs/schemas")
    folder = Path(arguments[0])
    folder.mkdir(parents=True, exist_ok=True)
    for file in PUBLISHED:
        (folder / file).write_text(schema_text(file), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
