"""A drift alarm becomes a release by the pipelines that `hakobu ci` writes: every step of theirs is run, as it stands.

Stand-ins are: a clone for the host's checkout, copies for its artifacts, and this Python for the step `install`.
"""

import base64
import csv
import io
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from hakobu.depot.depot import open_depot
from hakobu_runtime.bundle import open_bundle
from hakobu_runtime.trust import Keyring, Pin, PublicKey
from pipeline_files import READERS, Job

Ended = subprocess.CompletedProcess[str]
MODEL = "machines"
PASSPHRASE = "long and secret"
INSTALL = "bash ci/steps.sh install"

pytestmark = pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in ("bash", "git", "rsync", "tar")),
    reason="the steps want bash, git, rsync and tar: build/install-apt-packages.sh installs them",
)


class Site:
    """A repository, a depot and a device that has seen other rows than training; all in one folder."""

    def __init__(self, root: Path) -> None:
        self.root, self.depot, self.devices = root, root / "srv" / "depot", root / "srv" / "devices"

    def settings(self) -> dict[str, str]:
        """What would stand in the host's settings."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            for name in (MODEL, "snapshot", "timestamp"):
                for ending in ("pem", "pub"):
                    archive.add(self.root / "depot-keys" / f"{name}.{ending}", f"{name}.{ending}")
        return {
            "DEPOT_REMOTE": str(self.depot),
            "DEVICES_REMOTE": str(self.devices),
            "HUB_DATABASE": "",
            "SSH_KEY": "",
            "SSH_KNOWN_HOSTS": "",
            "RELEASE_KEY": base64.b64encode((self.root / "home" / "keys" / "release.pem").read_bytes()).decode(),
            "RELEASE_PASSPHRASE": PASSPHRASE,
            "DEPOT_KEYS": base64.b64encode(packed.getvalue()).decode(),
            "DEPOT_PASSPHRASE": PASSPHRASE,
        }

    def run(self, title: str, job: Job, artifacts: Path) -> list[Ended]:
        """Run a job in a fresh clone, up to the first step that fails, and keep its artifacts."""
        clone = self.root / "work" / title
        shutil.rmtree(clone, ignore_errors=True)
        _git(self.root, "clone", "-q", "--depth", "1", (self.root / "origin.git").as_uri(), clone)
        if artifacts.exists():
            shutil.copytree(artifacts, clone, dirs_exist_ok=True)
        assert job.runs[0] == INSTALL
        ended: list[Ended] = []
        for line in job.runs[1:]:
            ended.append(_step(line, clone, dict(job.variables)))
            if ended[-1].returncode:
                break
        for kept in job.keeps:
            for path in [clone / kept] if (clone / kept).exists() else []:
                place = artifacts / kept
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copytree(path, place, dirs_exist_ok=True) if path.is_dir() else shutil.copyfile(path, place)
        return ended

    def offers(self, channel: str) -> list[tuple[str, int]]:
        """What a channel offers: each version with its percent."""
        return [(found.version, found.rollout) for found in open_depot(self.depot).channel(MODEL, channel).releases]


def _step(line: str, folder: Path, variables: dict[str, str]) -> Ended:
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("HAKOBU_", "GITHUB_"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{inherited['PATH']}"
    return subprocess.run(
        ["bash", "-e", "-c", line], cwd=folder, env={**inherited, **variables, "PATH": path},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


def _git(folder: Path, *words: object) -> str:
    identity = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.org", "-c", "init.defaultBranch=main")
    command = ["git", *identity, *map(str, words)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout


def _shifted(source: Path, target: Path, every: int) -> None:
    """Write the table with five more shifts in each row that is divisible by `every`."""
    rows = list(csv.DictReader(source.read_text(encoding="utf-8").splitlines()))
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        for number, row in enumerate(rows):
            moved = 5 if number % every == 0 else 0
            writer.writerow({**row, "shifts": str(int(row["shifts"]) + moved)})


@pytest.fixture(scope="module")
def made(
    project: Path,
    hakobu: Callable[..., Ended],
    hakobu_run: Callable[..., Ended],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A first release, made and published at home; rows from a device with other shifts; and a table with such rows."""
    root = tmp_path_factory.mktemp("site")
    home, env = root / "home", {"HAKOBU_KEY_PASSPHRASE": PASSPHRASE}

    def done(*words: object, by: Callable[..., Ended] = hakobu) -> None:
        ended = by(*words, env=env)
        assert ended.returncode == 0, ended.stdout + ended.stderr

    shutil.copytree(
        project, home, ignore=shutil.ignore_patterns("dist", "__pycache__", "keys", "runs.sqlite*", "reports")
    )
    shutil.copyfile(Path(__file__).parents[2] / "templates" / "project" / ".gitignore", home / ".gitignore")
    done("keys", "new", home)
    done("build", home)
    (root / "srv").mkdir()
    done("depot", "init", root / "srv" / "depot", "--keys", root / "depot-keys")
    depot = ("--depot", root / "srv" / "depot", "--keys", root / "depot-keys")
    box = home / "dist" / f"{MODEL}-1.2.3.hako"
    done("publish", box, *depot, "--channel", "beta")
    done("depot", "promote", MODEL, "beta", *depot)
    device = ("--state", root / "srv" / "devices" / "one")
    done(*device, "trust", "add", home / "keys" / "release.pub", by=hakobu_run)
    done(*device, "install", box, by=hakobu_run)
    _shifted(home / "data.csv", root / "live.csv", 1)
    done(*device, "score", root / "live.csv", "-o", root / "scored.csv", by=hakobu_run)
    _shifted(home / "data.csv", root / "fresh.csv", 2)
    return root


@pytest.fixture(params=READERS)
def host(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def _site(made: Path, hakobu: Callable[..., Ended], root: Path, host: str, refresh: str) -> tuple[Site, dict[str, Job]]:
    """Return a copy of the site whose repository has the pipelines of `host`, and their jobs."""
    shutil.copytree(made, root / "site")
    site = Site(root / "site")
    home = site.root / "home"
    assert hakobu("ci", host, "-o", home).returncode == 0
    (home / "ci" / "refresh.sh").write_text(refresh)
    _git(home, "init", "-q")
    _git(home, "add", ".")
    _git(home, "commit", "-qm", "begin")
    _git(site.root, "clone", "-q", "--bare", home, "origin.git")
    return site, READERS[host](home, site.settings())


def test_a_drift_alarm_becomes_a_release(made: Path, hakobu: Callable[..., Ended], tmp_path: Path, host: str) -> None:
    fresh = tmp_path / "site" / "fresh.csv"
    site, jobs = _site(made, hakobu, tmp_path, host, f"cp '{fresh}' data.csv\n")
    artifacts = tmp_path / "artifacts"
    told = ""
    for title in ("drift", "build", "publish", "steer"):
        for ended in site.run(title, jobs[title], artifacts):
            told += ended.stdout + ended.stderr
            assert ended.returncode == 0, told
    assert "ALARM=yes" in told
    assert site.offers("beta") == [("1.2.4", 10), ("1.2.3", 100)]
    assert site.offers("stable") == [("1.2.4", 10), ("1.2.3", 100)]
    assert hakobu("depot", "verify", "--depot", site.depot).returncode == 0
    for secret in (PASSPHRASE, jobs["build"].variables["RELEASE_KEY"], jobs["publish"].variables["DEPOT_KEYS"]):
        assert secret not in told
    assert not list((tmp_path / "site" / "work").rglob("*.pem"))
    _check_box(site, artifacts / "dist" / f"{MODEL}-1.2.4.hako")


def _check_box(site: Site, path: Path) -> None:
    """The box was held against the champion, and comes from the very commit that is kept under its tag."""
    key = site.root / "home" / "keys" / "release.pub"
    bundle = open_bundle(path, Keyring((Pin(PublicKey.from_pem(key.read_bytes(), "release")),)))
    assert any("1.2.3" in gate.limit + gate.rule + gate.value for gate in bundle.validation.gates)
    git = bundle.manifest.provenance.git
    assert git is not None
    assert (git.commit, git.dirty) == (_git(site.root / "origin.git", "rev-parse", f"{MODEL}-1.2.4").strip(), False)
    assert 'version = "1.2.4"' in _git(site.root / "origin.git", "show", f"{MODEL}-1.2.4:hakobu.toml")


def test_no_new_data_is_no_release(made: Path, hakobu: Callable[..., Ended], tmp_path: Path) -> None:
    site, jobs = _site(made, hakobu, tmp_path, "github", "true\n")
    for title in ("build", "publish"):
        (ended,) = site.run(title, jobs[title], tmp_path / "artifacts")
        assert ended.returncode == 0, ended.stderr
    assert "nothing was built" in ended.stdout
    assert site.offers("beta") == [("1.2.3", 100)]


def test_a_gate_that_fails_ends_the_job_and_tells_why(made: Path, hakobu: Callable[..., Ended], tmp_path: Path) -> None:
    # The target has nothing to do with the rows any more: each has that of the row before.
    header, *rows = (made / "home" / "data.csv").read_text().splitlines()
    cut = [row.rsplit(",", 1) for row in rows]
    spoiled = [f"{row},{before}" for (row, _), (_, before) in zip(cut, [cut[-1], *cut], strict=False)]
    (tmp_path / "spoiled.csv").write_text("\n".join([header, *spoiled, ""]))
    site, jobs = _site(made, hakobu, tmp_path, "github", f"cp '{tmp_path / 'spoiled.csv'}' data.csv\n")
    (ended,) = site.run("build", jobs["build"], tmp_path / "artifacts")
    assert ended.returncode == 3, ended.stdout + ended.stderr
    assert {"runs.sqlite", "reports"} <= {path.name for path in (tmp_path / "artifacts").iterdir()}
    (ended,) = site.run("publish", jobs["publish"], tmp_path / "artifacts")
    assert "nothing was built" in ended.stdout
    assert site.offers("beta") == [("1.2.3", 100)]


def test_keys_of_root_never_come_into_a_pipeline(made: Path, hakobu: Callable[..., Ended], tmp_path: Path) -> None:
    site, jobs = _site(made, hakobu, tmp_path, "github", "true\n")
    shutil.copyfile(site.root / "depot-keys" / "root-1.pem", site.root / "root-1.pem")
    packed = subprocess.run(["tar", "-C", site.root, "-cz", "root-1.pem"], capture_output=True, check=True).stdout
    variables = {**jobs["steer"].variables, "DEPOT_KEYS": base64.b64encode(packed).decode()}
    (ended,) = site.run("steer", Job(jobs["steer"].runs, variables, ()), tmp_path / "artifacts")
    assert ended.returncode == 2
    assert "root-1.pem" in ended.stderr


def test_a_device_that_does_as_in_training_starts_no_build(
    made: Path, hakobu: Callable[..., Ended], hakobu_run: Callable[..., Ended], tmp_path: Path
) -> None:
    site, jobs = _site(made, hakobu, tmp_path, "gitlab", "exit 1\n")
    shutil.rmtree(site.devices)
    device = ("--state", site.devices / "one")
    home = site.root / "home"
    for words in (
        ("trust", "add", home / "keys" / "release.pub"),
        ("install", home / "dist" / f"{MODEL}-1.2.3.hako"),
        ("score", home / "data.csv", "-o", tmp_path / "scored.csv"),
    ):
        assert hakobu_run(*device, *words).returncode == 0
    for title in ("drift", "build"):
        (ended,) = site.run(title, jobs[title], tmp_path / "artifacts")
        assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "no drift" in ended.stdout
