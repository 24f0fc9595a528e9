"""What keeps `hakobu freeze` from an executable is told with the tool's last lines, and leaves nothing behind."""

import os
import shutil
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from hakobu.cli.main import main
from hakobu.freeze import executable, room
from hakobu.freeze.tool import LAST_LINES, clean_environment, run
from hakobu_runtime.bundle import pack_files
from hakobu_runtime.errors import ToolError
from hakobu_runtime.format.codec import encode
from hakobu_runtime.format.manifest import Manifest
from hakobu_runtime.trust import PrivateKey, sign

Play = Callable[[str], None]


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Play:
    """Put a shell script in the place of the clean room's Python."""

    def play(script: str) -> None:
        python = tmp_path / "python"
        python.write_text(f"#!/bin/sh\n{script}\n")
        python.chmod(python.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setattr(executable, "clean_python", lambda tell: python)

    return play


@pytest.fixture
def key(tmp_path: Path, release_key: PrivateKey) -> Path:
    path = tmp_path / "release.pub"
    path.write_bytes(release_key.public.pem)
    return path


def freeze(box: Path, key: Path, out: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["freeze", str(box), "--key", str(key), "-o", str(out), *words])


def program(script: str) -> str:
    """Return what plays a PyInstaller whose executable is this script."""
    made = '"$dist/tiny-1.0.0/tiny"'
    return (
        'while [ "$1" != --distpath ]; do shift; done; dist=$2; mkdir -p "$dist/tiny-1.0.0"\n'
        f"cat > {made} <<'END'\n#!/bin/sh\n{script}\nEND\nchmod +x {made}"
    )


def test_pyinstaller_that_fails_is_quoted(tiny_box: Path, key: Path, tmp_path: Path, play: Play) -> None:
    play("for i in $(seq 100); do echo line $i; done; echo cannot find libpython >&2; exit 3")
    ended = freeze(tiny_box, key, tmp_path / "out")
    assert ended.exit_code == 10
    assert "PyInstaller failed with 3" in ended.stderr
    assert "cannot find libpython" in ended.stderr
    assert "line 100\n" in ended.stderr
    assert len(ended.stderr.splitlines()) == LAST_LINES + 1
    assert list((tmp_path / "out").iterdir()) == []


def test_pyinstaller_that_is_not_there_is_told(
    tiny_box: Path, key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executable, "clean_python", lambda tell: tmp_path / "none")
    ended = freeze(tiny_box, key, tmp_path / "out")
    assert ended.exit_code == 10
    assert "PyInstaller cannot be started" in ended.stderr


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo no library >&2; exit 127", "no library"),
        ("echo tiny 2.0.0, hakobu 0", "not tiny 1.0.0"),
        ('case "$*" in --version) echo tiny 1.0.0, hakobu 0;; *) echo broken; exit 8;; esac', "broken"),
        (
            'case "$*" in --version) echo tiny 1.0.0, hakobu 0;; *) echo \'{"healthy": true, "checks": []}\';; esac',
            "did not try the golden rows",
        ),
    ],
)
def test_what_was_made_and_does_not_work_is_not_handed_on(
    tiny_box: Path, key: Path, tmp_path: Path, play: Play, script: str, words: str
) -> None:
    play(program(script))
    ended = freeze(tiny_box, key, tmp_path / "out")
    assert ended.exit_code == 10
    assert words in ended.stderr
    assert list((tmp_path / "out").iterdir()) == []


def test_what_is_there_already_is_not_replaced(tiny_box: Path, key: Path, tmp_path: Path, play: Play) -> None:
    play("exit 1")
    (tmp_path / "tiny-1.0.0").mkdir()
    ended = freeze(tiny_box, key, tmp_path)
    assert ended.exit_code == 2
    assert "is there already" in ended.stderr


def test_a_full_disk_is_told_before_anything_is_made(
    tiny_box: Path, key: Path, tmp_path: Path, play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    play("exit 1")
    free = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: free)
    ended = freeze(tiny_box, key, tmp_path / "out")
    assert ended.exit_code == 10
    assert "free some space" in ended.stderr


def test_a_bundle_of_another_key_is_not_frozen(tiny_box: Path, tmp_path: Path, play: Play) -> None:
    play("exit 1")
    key = tmp_path / "other.pub"
    key.write_bytes(PrivateKey.generate().public.pem)
    assert freeze(tiny_box, key, tmp_path / "out").exit_code == 5


def test_a_bundle_for_a_newer_runtime_is_not_frozen(
    tiny_files: Mapping[str, bytes], tiny_manifest: Manifest, release_key: PrivateKey, key: Path, tmp_path: Path
) -> None:
    manifest = encode(msgspec.structs.replace(tiny_manifest, min_runtime="99.0.0"))
    files = {**tiny_files, "manifest.json": manifest}
    box = tmp_path / "tiny.hako"
    box.write_bytes(pack_files({**files, "model.sig": sign(files, release_key)}))
    ended = freeze(box, key, tmp_path / "out")
    assert ended.exit_code == 4
    assert "99.0.0" in ended.stderr


def test_pip_that_cannot_fetch_is_told_and_leaves_no_room_that_looks_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HAKOBU_CACHE", str(tmp_path))
    said: list[str] = []

    def fail(what: str, *_: object, **__: object) -> None:
        said.append(what)
        if what == "pip":
            raise ToolError("pip failed")

    monkeypatch.setattr(room, "run", fail)
    for _ in range(2):
        with pytest.raises(ToolError, match="pip failed"):
            room.clean_python(lambda words: None)
    assert said == ["python -m venv", "pip"] * 2


def test_a_room_is_named_after_all_that_is_in_it() -> None:
    names = {
        room._name(b"a==1", ("x",)),
        room._name(b"a==2", ("x",)),
        room._name(b"a==1", ("y",)),
    }
    assert len(names) == 3


def test_the_room_gets_what_the_runtime_needs_and_no_more() -> None:
    names = {line.split(">")[0] for line in room.requirements()}
    assert "onnxruntime" in names
    assert not names & {"scikit-learn", "pandas", "onnx"}


def test_the_builders_environment_leads_no_tool_astray(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PYTHONPATH", "VIRTUAL_ENV", "HAKOBU_STATE", "PYINSTALLER_CONFIG_DIR"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("PIP_FIND_LINKS", "y")
    found = clean_environment()
    assert not [name for name, value in found.items() if value == "x"]
    assert found["PIP_FIND_LINKS"] == "y"


def test_what_a_tool_says_is_heard_while_it_runs(tmp_path: Path) -> None:
    heard: list[str] = []
    run("sh", ["sh", "-c", "echo one; echo two >&2"], os.environ, tmp_path, heard=heard.append, remedy="none")
    assert heard == ["one", "two"]
