"""What the updater stands on, and what it must not weigh."""

import inspect
import subprocess
import sys
from importlib.metadata import version

import pytest
from tuf.ngclient import Updater as TufUpdater
from tuf.ngclient._internal.trusted_metadata_set import TrustedMetadataSet

from hakobu_runtime.channel.updater import Updater

UPDATES = ("tuf", "securesystemslib", "urllib3", "backports", "requests")


def loaded_by(statement: str) -> list[str]:
    """Return which packages of the updater a fresh Python has after `statement`."""
    check = f"import sys; {statement}; print(*({{name.partition('.')[0] for name in sys.modules}} & set({UPDATES!r})))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.parametrize(
    "module",
    [
        "hakobu_runtime",
        "hakobu_runtime.cli",
        "hakobu_runtime.frozen",
        "hakobu_runtime.model",
        "hakobu_runtime.device.load",
        "hakobu_runtime.device.score",
        "hakobu_runtime.device.status",
        "hakobu_runtime.scorer.scorer",
        "hakobu_runtime.channel.decide",
        "hakobu_runtime.channel.patch",
        "hakobu_runtime.channel.fetch",
    ],
)
def test_scoring_starts_without_the_updater(module: str) -> None:
    assert loaded_by(f"import {module}") == []


def test_a_depot_in_a_folder_needs_no_network_of_ours() -> None:
    assert "requests" not in loaded_by("import hakobu_runtime.channel.client, hakobu_runtime.channel.http")


def test_the_inner_parts_of_tuf_that_are_relied_on_are_as_they_were() -> None:
    assert version("tuf").split(".")[0] == "7"
    parameters = {
        "_download_metadata": ["self", "rolename", "length", "version"],
        "_persist_file": ["self", "filename", "data"],
        "_persist_root": ["self", "version", "data"],
        "_update_root_symlink": ["self"],
    }
    for name, expected in parameters.items():
        assert list(inspect.signature(getattr(TufUpdater, name)).parameters) == expected
        assert name in vars(Updater)
    body = inspect.getsource(TufUpdater)
    assert body.count("self._fetcher.download_bytes(") == 1  # in what is replaced
    assert "self._dir = metadata_dir" in body
    assert "self._trusted_set = TrustedMetadataSet(" in body
    assert body.count("tempfile.") == body.count("os.symlink(") == 1
    own = {name for name in vars(Updater) if name.startswith("_") and not name.startswith("__")}
    assert own & set(vars(TufUpdater)) == set(parameters)


def test_the_inner_parts_of_its_trusted_set_are_as_they_were() -> None:
    for name in ("update_root", "update_timestamp", "update_snapshot", "update_targets"):
        assert list(inspect.signature(getattr(TrustedMetadataSet, name)).parameters)[:2] == ["self", "data"]
    source = inspect.getsource(TrustedMetadataSet)
    assert "self.reference_time = " in source
    assert source.count("datetime.now(") == 1  # no rule looks at another clock
    assert "self._trusted_set: dict[str, Signed] = {}" in source
