"""What a project's next release is: above all that were published, against the champion, from new data."""

import json
import shutil
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from hakobu.cli.main import main
from hakobu.depot.keychain import Keychain
from hakobu.depot.publish import Order, publish
from hakobu.depot.steer import roll_back
from hakobu.depot.upcoming import version_after, write_version
from hakobu.project import read_project
from hakobu_runtime.errors import ProjectError
from hakobu_runtime.format.manifest import Manifest, precedence
from hakobu_runtime.trust import PrivateKey

NUMBERS = st.integers(0, 30)
VERSIONS = st.builds("{}.{}.{}{}".format, NUMBERS, NUMBERS, NUMBERS, st.sampled_from(["", "-rc.1", "-rc.2", "-a"]))


@given(VERSIONS, VERSIONS)
def test_the_next_version_is_above_all_that_were_published(own: str, newest: str) -> None:
    found = version_after(own, newest)
    assert precedence(found) > precedence(newest)
    assert (found == own) == (precedence(own) > precedence(newest))


@pytest.fixture
def home(project: Path, release_key: PrivateKey, tmp_path: Path) -> Path:
    """A project called as the releases of the depot are."""
    ignored = shutil.ignore_patterns("dist", "keys", "runs.sqlite*", "reports", "__pycache__")
    folder = Path(shutil.copytree(project, tmp_path / "home", ignore=ignored))
    (folder / "keys").mkdir()
    (folder / "keys" / "release.pub").write_bytes(release_key.public.pem)
    toml = folder / "hakobu.toml"
    toml.write_text(toml.read_text().replace('"machines"', '"tiny"').replace('"1.2.3"', '"1.0.0"  # mine'))
    return folder


def run(home: Path, depot: Path, *words: object) -> Result:
    return CliRunner().invoke(main, ["depot", "next", str(home), "--depot", str(depot), *map(str, words)])


def test_the_version_is_raised_and_the_champion_copied_out(home: Path, published: Any, depot: Path) -> None:
    published("1.0.0")
    published("1.1.0", channel="beta")
    told = run(home, depot)
    assert told.exit_code == 0, told.output
    assert "version:  1.1.1, after 1.1.0" in told.stdout
    assert "1.0.0 of channel stable" in told.stdout
    text = (home / "hakobu.toml").read_text()
    assert 'version = "1.1.1"  # mine' in text
    assert (home / "reports" / "champion.hako").read_bytes() == next(depot.rglob("*.tiny-1.0.0.hako")).read_bytes()
    found = json.loads(run(home, depot, "--channel", "beta", "--json", "-o", home / "other.hako").stdout)
    assert (found["version"], found["champion"]) == ("1.1.1", "1.1.0")


def test_a_version_that_was_withdrawn_is_not_taken_again(
    home: Path, published: Any, depot: Path, chain: Keychain, now: datetime
) -> None:
    published("1.0.0")
    published("1.1.0")
    roll_back(depot, "tiny", "stable", chain, now)
    assert "version:  1.1.1, after 1.1.0" in run(home, depot).stdout


def test_where_nothing_was_published_there_is_no_champion(home: Path, depot: Path) -> None:
    (home / "reports").mkdir()
    (home / "reports" / "champion.hako").write_text("of yesterday")
    before = (home / "hakobu.toml").read_bytes()
    told = run(home, depot)
    assert "champion: none yet" in told.stdout
    assert (home / "hakobu.toml").read_bytes() == before
    assert not (home / "reports" / "champion.hako").exists()


def test_data_that_were_learned_from_are_a_finding(
    home: Path, release: Any, tiny_manifest: Manifest, depot: Path, chain: Keychain, now: datetime
) -> None:
    learned = sha256((home / "data.csv").read_bytes()).hexdigest()
    provenance = msgspec.structs.replace(tiny_manifest.provenance, data=learned)
    publish(depot, release("1.0.0"), Order("stable"), chain, now)
    publish(depot, release("1.1.0", provenance=provenance), Order("beta"), chain, now)
    before = (home / "hakobu.toml").read_bytes()
    told = run(home, depot, "--only-new-data")
    assert (told.exit_code, told.stdout) == (3, "no new data: tiny 1.1.0 was learned from it\n")
    assert json.loads(run(home, depot, "--only-new-data", "--json").stdout)["new_data"] is False
    assert (home / "hakobu.toml").read_bytes() == before
    with (home / "data.csv").open("a") as file:
        file.write("one more row\n")
    assert run(home, depot, "--only-new-data").exit_code == 0


@pytest.mark.parametrize(
    "text",
    ['[model]\n"version" = "1.0.0"\n', '[model]\nversion = """1.0.0"""\n'],
    ids=["quoted key", "long string"],
)
def test_a_version_that_is_written_oddly_is_told(home: Path, text: str) -> None:
    path = home / "hakobu.toml"
    path.write_text(path.read_text().replace('version = "1.0.0"  # mine\n', "").replace("[model]\n", text))
    project = read_project(home)
    before = path.read_bytes()
    with pytest.raises(ProjectError, match=r'write version = "2\.0\.0" into \[model\]'):
        write_version(project, "2.0.0")
    assert path.read_bytes() == before


def test_another_version_in_the_file_stays(home: Path) -> None:
    path = home / "hakobu.toml"
    path.write_text('# version = "1.0.0"\r\n' + path.read_text().replace("\n", "\r\n"), newline="")
    write_version(read_project(home), "2.0.0")
    assert path.read_bytes().startswith(b'# version = "1.0.0"\r\n')
    assert read_project(home).file.model.version == "2.0.0"
