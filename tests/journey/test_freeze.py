"""One real executable: made in a clean venv, and run as on a PC that has no Python and an empty environment."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from hakobu_runtime.bundle import open_bundle, pack_files
from hakobu_runtime.device.lock import locked
from hakobu_runtime.format.codec import encode
from hakobu_runtime.trust import Keyring, Pin, PrivateKey, sign

Ended = subprocess.CompletedProcess[str]
Command = Callable[..., Ended]

TABLE = "id,when,load,shifts,hot,line,maker\na,2026-01-05T10:00,55.5,2,true,A,maker 1\nb,2026-01-05,999,9,no,Z,\n"


class Made(NamedTuple):
    """What was frozen, from what, and the key that it trusts."""

    folder: Path
    program: Path
    box: Path
    key: PrivateKey


@pytest.fixture(scope="module")
def made(
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
    hakobu: Command,
    machines_box: Path,
    release_key: PrivateKey,
) -> Made:
    """The machines model, frozen once for all workers; the venv that it is made in is kept with pytest's own cache."""
    base = tmp_path_factory.getbasetemp()
    root = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "frozen 箱"
    cache = Path(str(request.config.cache.mkdir("hakobu"))) if request.config.cache else root / "cache"
    with locked(root, patience=900):
        if not (root / "told.json").exists():
            _freeze(root, cache, machines_box, release_key)
    told = root / "told.json"
    if not told.read_text().startswith("{"):
        pytest.skip(told.read_text())
    program = Path(json.loads(told.read_text())["program"])
    key = PrivateKey.from_pem((root / "key.pem").read_bytes(), None, "the test's key")
    return Made(program.parent, program, root / "machines.hako", key)


def _freeze(root: Path, cache: Path, box: Path, key: PrivateKey) -> None:
    root.mkdir(exist_ok=True)
    shutil.copy(box, root / "machines.hako")
    (root / "key.pem").write_bytes(key.to_pem(None))
    (root / "key.pub").write_bytes(key.public.pem)
    command = [sys.executable, "-m", "hakobu", "freeze", str(root / "machines.hako"), "--key", str(root / "key.pub")]
    ended = subprocess.run(
        [*command, "-o", str(root / "out"), "--json"],
        capture_output=True,
        text=True,
        env={**os.environ, "HAKOBU_CACHE": str(cache)},
    )
    if ended.returncode == 10 and "pip failed" in ended.stderr:
        (root / "told.json").write_text(f"pip cannot fetch what executables are made of: {ended.stderr}")
        return
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout + ended.stderr
    (root / "told.json").write_text(ended.stdout)


def run(made: Made, *words: object, env: Mapping[str, str] | None = None, before: tuple[str, ...] = ()) -> Ended:
    """Run the executable with nobody at a terminal and nothing in its environment."""
    return subprocess.run(
        [*before, str(made.program), *map(str, words)],
        env=dict(env or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
        start_new_session=True,
    )


@pytest.fixture
def table(tmp_path: Path) -> Path:
    folder = tmp_path / "data 箱"
    folder.mkdir()
    (folder / "in.csv").write_text(TABLE)
    return folder / "in.csv"


def release(made: Made, path: Path, **changes: object) -> Path:
    """Write another release of the model."""
    bundle = open_bundle(made.box, Keyring((Pin(made.key.public),)))
    files = {
        "manifest.json": encode(msgspec.structs.replace(bundle.manifest, **changes)),
        "model.onnx": bundle.model,
        "golden.json": encode(bundle.golden),
        "validation.json": encode(bundle.validation),
        "MODEL_CARD.md": bundle.card.encode(),
        "sbom.cdx.json": bundle.sbom,
    }
    path.write_bytes(pack_files({**files, "model.sig": sign(files, made.key)}))
    return path


def test_the_folder_holds_the_runtime_and_nothing_of_the_builder(made: Made) -> None:
    inside = made.folder / "_internal"
    names = {path.name.lower() for path in inside.iterdir()}
    assert {"onnxruntime", "numpy", "hakobu_inside"} <= names
    assert not names & {"sklearn", "pandas", "scipy", "onnx", "skl2onnx", "matplotlib", "setuptools", "hakobu"}
    assert (inside / "hakobu_inside" / "floor.hako").read_bytes() == made.box.read_bytes()
    assert b"PRIVATE KEY" not in b"".join(path.read_bytes() for path in (inside / "hakobu_inside").iterdir())
    assert made.folder.name == "machines-1.2.3"
    size = sum(path.stat().st_size for path in made.folder.rglob("*") if path.is_file())
    assert size < 200_000_000


def test_it_scores_to_the_byte_what_python_does(made: Made, table: Path, tmp_path: Path, hakobu_run: Command) -> None:
    ended = run(made, "--state", tmp_path / "state", table)
    assert (ended.returncode, ended.stderr) == (0, "")
    state = tmp_path / "python"
    (tmp_path / "key.pub").write_bytes(made.key.public.pem)
    assert hakobu_run("--state", state, "trust", "add", tmp_path / "key.pub").returncode == 0
    score = ("score", table, "-o", tmp_path / "out.csv", "--bundle", made.box)
    assert hakobu_run("--state", state, *score).returncode == 0
    assert table.with_name("in-scored.csv").read_bytes() == (tmp_path / "out.csv").read_bytes()


def test_its_name_is_the_models_and_its_state_the_users_own(made: Made, table: Path, tmp_path: Path) -> None:
    home = tmp_path / "home 箱"
    home.mkdir()
    env = {"HOME": str(home)}
    assert run(made, "--version", env=env).stdout.startswith("machines 1.2.3, hakobu ")
    assert list(home.iterdir()) == []
    assert run(made, table, env=env).returncode == 0
    found = json.loads(run(made, "doctor", "--json", env=env).stdout)
    assert found["healthy"], found
    assert {"bundle inside", "machines 1.2.3: golden rows"} <= {check["name"] for check in found["checks"]}
    written = {path.relative_to(home).parts[:3] for path in home.rglob("*") if path.is_file()}
    assert len(written) == 1, "nothing is written outside the state folder"
    assert next(iter(written))[-1] == "hakobu-machines"
    assert "broke: one of no, yes" in run(made, "about", env=env).stdout


def test_a_newer_bundle_wins_and_one_for_a_newer_runtime_leaves_the_old_one(made: Made, tmp_path: Path) -> None:
    state = ("--state", tmp_path / "state")
    assert run(made, *state, "install", release(made, tmp_path / "new.hako", version="2.0.0")).returncode == 0
    later = release(made, tmp_path / "later.hako", version="3.0.0", min_runtime="99.0.0")
    ended = run(made, *state, "install", later)
    assert ended.returncode == 4
    assert "needs hakobu-runtime 99.0.0 or newer" in ended.stderr
    active = json.loads(run(made, *state, "status", "--json").stdout)["active"]
    assert [slot["version"] for slot in active] == ["2.0.0"]


def test_two_started_at_once_both_work(made: Made, table: Path, tmp_path: Path) -> None:
    command = [str(made.program), "--state", str(tmp_path / "state"), "score", str(table), "-o"]
    both = [
        subprocess.Popen([*command, str(tmp_path / f"{name}.csv")], env={}, stderr=subprocess.PIPE, text=True)
        for name in "ab"
    ]
    assert [(process.communicate(timeout=120)[1], process.returncode) for process in both] == [("", 0), ("", 0)]
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv is not here")
def test_a_user_without_a_home_is_told_where_to_put_the_state(made: Made, tmp_path: Path) -> None:
    place = Path("/var/tmp") / f"hakobu-test-{os.getpid()}"  # noqa: S108  pytest's own folders are root's alone
    nobody = ("setpriv", "--reuid", "54321", "--regid", "54321", "--clear-groups")
    try:
        shutil.copytree(made.folder, place)
        place.chmod(0o755)
        there = made._replace(program=place / made.program.name)
        ended = run(there, "status", before=nobody)
        assert ended.returncode == 8
        assert "--state DIR" in ended.stderr
        assert len(ended.stderr.splitlines()) == 1
        assert run(there, "doctor", before=nobody).returncode == 8
        assert run(there, before=nobody).returncode == 0
        portable = run(there, "--portable", "status", before=nobody)
        assert portable.returncode == 8
        assert "not writable" in portable.stderr or "cannot be made" in portable.stderr
    finally:
        shutil.rmtree(place, ignore_errors=True)


def test_a_bundle_that_was_changed_inside_is_refused(made: Made, table: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(made.folder, copy, symlinks=True)
    floor = copy / "_internal" / "hakobu_inside" / "floor.hako"
    content = bytearray(floor.read_bytes())
    content[len(content) // 2] ^= 1
    floor.write_bytes(content)
    ended = run(made._replace(program=copy / made.program.name), "--state", tmp_path / "state", table)
    assert ended.returncode in (4, 5)
    assert not table.with_name("in-scored.csv").exists()
