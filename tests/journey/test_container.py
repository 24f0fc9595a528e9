"""A real image: made with no daemon, read by skopeo, and run by buildah as a user without rights or a network."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from hakobu.container import context
from hakobu.container.tag import Tag
from hakobu.freeze.executable import Frozen, Shape
from hakobu.freeze.tool import Tell
from hakobu.freeze.trial import Tried
from hakobu_runtime.bundle import Bundle, open_bundle
from hakobu_runtime.device.lock import locked
from hakobu_runtime.trust import Keyring, Pin, PublicKey

Ended = subprocess.CompletedProcess[str]
Command = Callable[..., Ended]

TABLE = "id,when,load,shifts,hot,line,maker\na,2026-01-05T10:00,55.5,2,true,A,maker 1\nb,2026-01-05,999,9,no,Z,\n"

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="images are made on Linux"),
    pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not here"),
]


def say(*words: object) -> str:
    """Run a command that must work, and return what it says."""
    ended = subprocess.run([*map(str, words)], capture_output=True, encoding="utf-8", timeout=300)
    assert ended.returncode == 0, ended
    return ended.stdout


@pytest.fixture(scope="module")
def archive(workshop: Path, freeze_room: Path) -> Path:
    """The image of the machines model, made once for all workers."""
    told = workshop / "image.json"
    with locked(told, patience=900):
        if not told.exists():
            told.write_text(_made(workshop, freeze_room))
    if not told.read_text().startswith("{"):
        (pytest.skip if "pip failed" in told.read_text() else pytest.fail)(told.read_text())
    return workshop / "machines.tar"


def _made(workshop: Path, cache: Path) -> str:
    """Return what the command tells, as JSON; what it says on stderr where it fails."""
    words = ["container", workshop / "machines.hako", "--key", workshop / "key.pub", "-o", workshop / "machines.tar"]
    ended = subprocess.run(
        [sys.executable, "-m", "hakobu", *map(str, words), "--json"],
        capture_output=True,
        text=True,
        env={**os.environ, "HAKOBU_CACHE": str(cache)},
    )
    return ended.stdout if (ended.returncode, ended.stderr) == (0, "") else f"{ended.returncode}: {ended.stderr}"


class Buildah(NamedTuple):
    """buildah with a storage of its own."""

    storage: Path

    def say(self, *words: object) -> str:
        """Run one of its commands."""
        return say(*self._command(), *words)

    def run(self, container: str, *words: object, options: tuple[str, ...] = ()) -> Ended:
        """Run a program in a container, with the network cut."""
        command = [*self._command(), "run", "--isolation", "chroot", *options, container, "--", *words]
        return subprocess.run(
            ["unshare", "--net", *map(str, command)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=300,
        )

    def _command(self) -> tuple[object, ...]:
        return (
            "buildah",
            "--storage-driver",
            "vfs",
            "--root",
            self.storage / "root",
            "--runroot",
            self.storage / "run",
        )


@pytest.fixture(scope="module")
def buildah(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Buildah]:
    if shutil.which("buildah") is None:
        pytest.skip("buildah is not here")
    if subprocess.run(["unshare", "--net", "--mount", "true"], capture_output=True).returncode:
        pytest.skip("this user may not make namespaces, without which buildah runs nothing")
    storage = tmp_path_factory.mktemp("buildah")
    yield Buildah(storage)
    shutil.rmtree(storage)  # it holds the image three times


@pytest.fixture(scope="module")
def container(buildah: Buildah, archive: Path) -> str:
    return buildah.say("from", "--name", "machines", f"oci-archive:{archive}").split()[-1]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with a table, into which every user may write."""
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(0o777)
    (folder / "in.csv").write_text(TABLE)
    return folder


def expected(workshop: Path, table: Path, tmp_path: Path, hakobu_run: Command) -> bytes:
    """Return what the runtime of this Python makes of the table."""
    state, out = tmp_path / "python", tmp_path / "out.csv"
    assert hakobu_run("--state", state, "trust", "add", workshop / "key.pub").returncode == 0
    assert (
        hakobu_run("--state", state, "score", table, "-o", out, "--bundle", workshop / "machines.hako").returncode == 0
    )
    return out.read_bytes()


def test_skopeo_reads_it_as_an_oci_archive_and_as_dockers(archive: Path) -> None:
    told = json.loads(say("skopeo", "inspect", f"oci-archive:{archive}"))
    made = json.loads((archive.parent / "image.json").read_text())
    assert told["Digest"] == made["digest"]
    assert told["Layers"] == [layer["digest"] for layer in made["layers"]]
    assert told["Labels"]["org.opencontainers.image.version"] == "1.2.3"
    assert json.loads(say("skopeo", "list-tags", f"docker-archive:{archive}"))["Tags"] == ["machines:1.2.3"]
    config: dict[str, Any] = json.loads(say("skopeo", "inspect", "--config", f"docker-archive:{archive}"))
    assert config["config"]["Entrypoint"] == ["/bin/machines"]


def test_an_image_is_small_and_almost_all_of_it_can_be_shared(archive: Path) -> None:
    made = json.loads((archive.parent / "image.json").read_text())
    base, own = (layer["bytes"] for layer in made["layers"])
    assert base < 70_000_000
    assert own < (archive.parent / "machines.hako").stat().st_size + 10_000
    assert made["bytes"] < base + own + 20_000


def test_a_container_scores_to_the_byte_what_python_does_and_counts_in_its_volume(
    buildah: Buildah, container: str, workshop: Path, data: Path, tmp_path: Path, hakobu_run: Command
) -> None:
    state = tmp_path / "state"
    state.mkdir()
    state.chmod(0o777)
    # Always both: buildah 1.28 overlooks a volume that is the only one where the image declares one in its place.
    mounts = ("--volume", f"{data}:/data", "--volume", f"{state}:/state")
    ended = buildah.run(container, "/bin/machines", "score", "in.csv", "-o", "out.csv", options=mounts)
    assert ended.returncode == 0, ended
    assert (data / "out.csv").read_bytes() == expected(workshop, data / "in.csv", tmp_path, hakobu_run)
    assert (data / "out.csv").stat().st_uid == 65532
    told = json.loads(buildah.run(container, "/bin/machines", "status", "--json", options=mounts).stdout)
    assert [counted["rows"] for counted in told["counted"]] == [2]


def test_it_is_well_as_another_user_too(buildah: Buildah, container: str) -> None:
    ended = buildah.run(container, "/bin/machines", "doctor", "--json", options=("--user", "1234:1234"))
    assert ended.returncode == 0, ended
    assert json.loads(ended.stdout)["healthy"]


def test_there_is_no_shell_and_no_python_in_it(buildah: Buildah, container: str) -> None:
    assert buildah.run(container, "/bin/sh", "-c", "exit 0").returncode != 0
    root = Path(buildah.say("mount", container).strip())
    assert [path.name for path in (root / "bin").iterdir()] == ["machines"]
    programs = [path for path in (root / "opt").rglob("*") if path.is_file() and path.stat().st_mode & 0o111]
    assert [path.name for path in programs if ".so" not in path.name] == ["program"]


def test_a_base_of_ones_own_needs_nothing_but_the_c_library(
    buildah: Buildah,
    container: str,
    workshop: Path,
    freeze_once: Callable[[str], Path],
    data: Path,
    tmp_path: Path,
    hakobu_run: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frozen = freeze_once("folder")

    def again(bundle: Bundle, keyring: Keyring, shape: Shape, folder: Path, tell: Tell, follow: object) -> Frozen:
        copy = Path(shutil.copytree(frozen.parent, folder / frozen.parent.name, symlinks=True, copy_function=os.link))
        return Frozen(copy, copy / frozen.name, shape, 1, 0.1, Tried("machines 1.2.3", 14, 32))

    monkeypatch.setattr(context, "freeze", again)
    key = PublicKey.from_pem((workshop / "key.pub").read_bytes(), "the test's key")
    keyring = Keyring((Pin(key),))
    bundle = open_bundle(workshop / "machines.hako", keyring)
    folder = tmp_path / "context"
    context.make_context(bundle, keyring, folder, Tag("own:1"), lambda words: None)
    (folder / "secret.txt").write_text("stays out of the image")

    base = tmp_path / "base"
    image = Path(buildah.say("mount", container).strip())
    for name in ("lib", "lib64"):
        shutil.copytree(image / name, base / name)
    (base / "Containerfile").write_text("FROM scratch\nCOPY . /\n")
    buildah.say("bud", "--isolation", "chroot", "-t", "localhost/base:1", base)
    buildah.say("bud", "--isolation", "chroot", "--build-arg", "BASE=localhost/base:1", "-t", "own:1", folder)
    own = buildah.say("from", "--name", "own", "localhost/own:1").split()[-1]
    mount = ("--volume", f"{data}:/data")
    ended = buildah.run(own, "/opt/machines/machines", "score", "in.csv", "-o", "out.csv", options=mount)
    assert ended.returncode == 0, ended
    assert (data / "out.csv").read_bytes() == expected(workshop, data / "in.csv", tmp_path, hakobu_run)
    assert (data / "out.csv").stat().st_uid == 65532
    assert list(Path(buildah.say("mount", own).strip()).rglob("secret.txt")) == []
