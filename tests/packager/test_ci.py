"""The pipelines that `hakobu ci` writes are valid, name this version, and hold no secret."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hakobu import __version__
from hakobu.cli.main import main
from hakobu.kit.target import SYSTEMS

PLACES = {"github": ".github/workflows/freeze.yml", "gitlab": ".gitlab-ci.yml"}
SCHEMAS = {"github": "vendor.github-workflows", "gitlab": "vendor.gitlab-ci"}


def ci(host: str, folder: Path) -> Result:
    return CliRunner().invoke(main, ["ci", host, "-o", str(folder)])


@pytest.mark.parametrize("host", PLACES)
def test_a_pipeline_is_one_by_the_hosts_own_schema(host: str, tmp_path: Path) -> None:
    assert ci(host, tmp_path).exit_code == 0
    path = tmp_path / PLACES[host]
    linter = Path(sys.executable).with_name("check-jsonschema")
    command = [str(linter), "--builtin-schema", SCHEMAS[host], str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    text = path.read_text(encoding="utf-8")
    assert f'"hakobu=={__version__}"' in text
    assert "secrets." not in text
    assert "PASSPHRASE" not in text
    assert "release/*.hako" in text


def test_the_matrix_has_every_system_that_there_are_kits_for(tmp_path: Path) -> None:
    ci("github", tmp_path)
    text = (tmp_path / PLACES["github"]).read_text(encoding="utf-8")
    assert [name for name in SYSTEMS if f"name: {name}," not in text] == []


@pytest.mark.parametrize("host", PLACES)
def test_a_pipeline_that_is_there_is_not_replaced(host: str, tmp_path: Path) -> None:
    path = tmp_path / PLACES[host]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("mine")
    ended = ci(host, tmp_path)
    assert ended.exit_code == 2
    assert "is there already" in ended.stderr
    assert path.read_text() == "mine"


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert ci("github", tmp_path / "none").exit_code == 2


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / ".github").write_text("a file")
    ended = ci("github", tmp_path)
    assert ended.exit_code == 9
    assert "cannot be written" in ended.stderr
