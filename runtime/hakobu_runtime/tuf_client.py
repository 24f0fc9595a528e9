"""The client command that TUF's conformance suite drives: the very updater that devices use.

The suite's CLIENT-CLI.md says which commands there are. It ends with 0 or 1, as the suite wants; words go to stderr.
"""

import sys
from argparse import ArgumentParser, Namespace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from hakobu_runtime.channel.client import open_fetcher
from hakobu_runtime.channel.refusal import Clock
from hakobu_runtime.channel.updater import Updater
from hakobu_runtime.disk import write_whole
from hakobu_runtime.errors import HakobuError, TransferError


def main(arguments: list[str] | None = None) -> int:
    """Carry out one command; return its exit code."""
    asked = _parser().parse_args(arguments)
    try:
        match asked.command:
            case "init":
                write_whole(asked.metadata_dir / "root.json", asked.root.read_bytes())
            case "refresh":
                _open(asked).refresh()
            case _:
                _download(asked)
    except (HakobuError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _open(asked: Namespace) -> Updater:
    root = (asked.metadata_dir / "root.json").read_bytes()
    now = datetime.now(UTC)
    metadata = open_fetcher(asked.metadata_url)
    targets = open_fetcher(asked.target_base_url or asked.metadata_url)
    return Updater(asked.metadata_dir, root, metadata, targets, Clock(now, now))


def _download(asked: Namespace) -> None:
    updater = _open(asked)
    updater.refresh()
    for name in asked.target_name:
        found = updater.find(name)
        if found is None:
            raise TransferError(f"{asked.metadata_url}: the depot has no {name}")
        updater.take(found, asked.target_dir / quote(name, ""), lambda done, whole: None)


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="python -m hakobu_runtime.tuf_client", description=__doc__)
    parser.add_argument("--metadata-dir", type=Path, required=True)
    parser.add_argument("--metadata-url")
    parser.add_argument("--target-name", action="append", default=[])
    parser.add_argument("--target-base-url")
    parser.add_argument("--target-dir", type=Path)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("init").add_argument("root", type=Path)
    commands.add_parser("refresh")
    commands.add_parser("download")
    return parser


if __name__ == "__main__":
    sys.exit(main())
