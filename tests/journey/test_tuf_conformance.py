"""TUF's own conformance suite against the updater that devices use.

The suite (github: theupdateframework/tuf-conformance) is in no package registry: name a checkout of it in
HAKOBU_TUF_CONFORMANCE. It wants `faketime`, and takes a few minutes.
"""

import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

FEWEST = 113
"""How many tests the suite had in November 2026."""


def suite() -> Path | None:
    """Return the folder of the suite's tests, if it is to be had."""
    named = os.environ.get("HAKOBU_TUF_CONFORMANCE")
    if named:
        return Path(named).resolve() / "tuf_conformance"
    found = find_spec("tuf_conformance")
    return Path(found.origin).parent if found and found.origin else None


@pytest.mark.skipif(shutil.which("faketime") is None, reason="TUF's conformance suite needs faketime")
@pytest.mark.skipif(os.name == "nt", reason="the client command is a shell script here")
@pytest.mark.skipif(suite() is None, reason="TUF's conformance suite is not here: see HAKOBU_TUF_CONFORMANCE")
def test_the_updater_passes_the_conformance_suite_of_tuf_in_full(tmp_path: Path) -> None:
    client, folder = tmp_path / "client", suite()
    client.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m hakobu_runtime.tuf_client "$@"\n')
    client.chmod(0o755)
    command = [sys.executable, "-m", "pytest", str(folder), "-q", "-p", "no:cacheprovider", "--entrypoint", str(client)]
    bare = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        command, cwd=folder, env=bare | {"no_proxy": "127.0.0.1,localhost"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
    assert "failed" not in done.stdout.splitlines()[-1]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed.group(1)) >= FEWEST
