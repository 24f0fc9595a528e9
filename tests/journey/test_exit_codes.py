"""A device whose state, keys, terminal or patience is not what it should be: every exit code, and nothing lost."""

import json
import os
import pty
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import pytest

from hakobu_runtime.bundle import pack_files
from hakobu_runtime.format.codec import encode
from hakobu_runtime.format.manifest import Manifest
from hakobu_runtime.trust import PrivateKey, sign

Ended = subprocess.CompletedProcess[str]
Command = Callable[..., Ended]
Refused = Callable[..., None]

HEADER = "id,when,load,shifts,hot,line,maker\n"
ROW = "a,2026-01-05T10:00,55.5,2,true,A,maker 1\n"
ODD = "b,2026-01-05T10:00,55.5,2,true,A,箱🚚\n"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "in.csv"
    path.write_text(HEADER + ROW + ODD)
    return path


def rows_counted(hakobu_run: Command, state: Path) -> int:
    counted = json.loads(hakobu_run("--state", state, "status", "--json").stdout)["counted"]
    return sum(found["rows"] for found in counted)


# --- usage


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "Missing command"),
        (["scores"], "Did you mean 'score'"),
        (["score", "in.csv"], "Missing option '-o'"),
        (["score", "--delimeter", ";", "in.csv", "-o", "out.csv"], "--delimiter"),
        (["drift", "--by", "year"], "'month'"),
        (["trust", "add"], "Missing argument 'KEY'"),
        (["status", "now"], "unexpected extra argument"),
        (["score", "--delimiter", ";;", "in.csv", "-o", "out.csv"], "single ASCII character"),
    ],
)
def test_a_command_that_makes_no_sense_ends_with_2(
    words: list[str], told: str, device: Path, hakobu_run: Command
) -> None:
    ended = hakobu_run("--state", device, *words)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert told in ended.stderr
    assert "Traceback" not in ended.stderr
    assert len(ended.stderr.splitlines()) <= 5


# --- the state folder


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"\xff\xfe", b'{"schema": "hakobu.trust/1", "keys": [{"pem": "x", "models": ["*"]}]}']
)
@pytest.mark.parametrize("words", [("status",), ("trust", "list"), ("score", "in.csv", "-o", "out.csv")])
def test_a_damaged_trust_file_ends_with_8(
    content: bytes, words: tuple[str, ...], own_device: Path, hakobu_run: Command, refused: Refused
) -> None:
    (own_device / "trust.json").write_bytes(content)
    ended = hakobu_run("--state", own_device, *words)
    refused(ended, 8, own_device / "trust.json", "remove it and pin the keys again", "hakobu-run trust add")
    assert ended.stderr.count("trust add") == 1


def _garbage(path: Path) -> None:
    path.write_bytes(b"no database at all\n" * 100)


def _without_tables(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            connection.execute(f"DROP TABLE {name}")
    connection.close()


def _with_letters_that_are_none(path: Path) -> None:
    """Python cannot even read what SQLite says of this."""
    path.write_bytes(path.read_bytes().replace(b"CREATE TABLE", b"CREATE \xe9\xe9\xe9\xe9\xe9"))


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("damage", [_garbage, _without_tables, _with_letters_that_are_none, _folder])
def test_damaged_slots_end_with_8(
    damage: Callable[[Path], None], own_device: Path, hakobu_run: Command, refused: Refused, table: Path
) -> None:
    for rest in own_device.glob("slots.sqlite-*"):
        rest.unlink()
    damage(own_device / "slots.sqlite")
    for words in (("status",), ("score", table, "-o", table.with_name("out.csv"))):
        refused(hakobu_run("--state", own_device, *words), 8, own_device / "slots.sqlite")
    assert not table.with_name("out.csv").exists()


@pytest.mark.parametrize("damage", [_garbage, _without_tables, _with_letters_that_are_none])
def test_a_damaged_journal_stops_no_scoring_or_says_so(
    damage: Callable[[Path], None], own_device: Path, hakobu_run: Command, table: Path
) -> None:
    target = table.with_name("out.csv")
    assert hakobu_run("--state", own_device, "score", table, "-o", target).returncode == 0
    target.unlink()
    for rest in own_device.glob("journal.sqlite-*"):
        rest.unlink()
    damage(own_device / "journal.sqlite")
    for words in (("score", table, "-o", target), ("status",), ("drift",)):
        ended = hakobu_run("--state", own_device, *words)
        assert ended.returncode in (0, 8), ended.stderr
        assert "Traceback" not in ended.stderr
        if ended.returncode == 8:
            assert "journal.sqlite" in ended.stderr
            assert len(ended.stderr.splitlines()) == 1


def test_a_journal_without_windows_is_no_error(own_device: Path, hakobu_run: Command, table: Path) -> None:
    assert hakobu_run("--state", own_device, "score", table, "-o", table.with_name("out.csv")).returncode == 0
    with sqlite3.connect(own_device / "journal.sqlite") as connection:
        connection.execute("DELETE FROM windows")
    connection.close()
    for words in (("status",), ("drift",)):
        ended = hakobu_run("--state", own_device, *words)
        assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize("place", ["in.csv", "in.csv/state", "/proc/hakobu", "/dev/null"])
def test_a_state_folder_that_cannot_be_one_ends_with_8(
    place: str, hakobu_run: Command, refused: Refused, table: Path
) -> None:
    before = table.read_bytes()
    refused(hakobu_run("--state", table.parent / place, "status"), 8, place, "--state DIR")
    assert table.read_bytes() == before


def test_a_file_where_the_bundles_should_be_ends_with_8(
    own_device: Path, hakobu_run: Command, refused: Refused
) -> None:
    shutil.rmtree(own_device / "bundles")
    (own_device / "bundles").touch()
    refused(hakobu_run("--state", own_device, "status"), 8, own_device / "bundles", "File exists")


# --- bundles and keys


def _gone(path: Path) -> None:
    path.unlink()


def _folder_gone(path: Path) -> None:
    shutil.rmtree(path.parent)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def _flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(("damage", "code"), [(_gone, 8), (_folder_gone, 8), (_cut, 4), (_flipped, 4)])
def test_an_installed_bundle_lost_or_changed_is_never_scored_with(
    damage: Callable[[Path], None],
    code: int,
    own_device: Path,
    hakobu_run: Command,
    refused: Refused,
    table: Path,
    machines_box: Path,
) -> None:
    (installed,) = (own_device / "bundles").glob("*.hako")
    damage(installed)
    again = "install machines 1.2.3 again: hakobu-run install FILE.hako"
    for words in (("score", table, "-o", table.with_name("out.csv")), ("drift",)):
        refused(hakobu_run("--state", own_device, *words), code, installed, again)
    assert not table.with_name("out.csv").exists()
    assert hakobu_run("--state", own_device, "install", machines_box).returncode == 0
    assert hakobu_run("--state", own_device, "score", table, "-o", table.with_name("out.csv")).returncode == 0


def test_a_bundle_of_a_key_no_longer_trusted_is_left_alone(
    own_device: Path, hakobu_run: Command, refused: Refused, table: Path, release_key: PrivateKey
) -> None:
    identity = release_key.public.identity
    refused(hakobu_run("--state", own_device, "trust", "remove", ""), 5, "nothing to remove")
    refused(hakobu_run("--state", own_device, "trust", "remove", "none"), 5, "nothing to remove")
    assert hakobu_run("--state", own_device, "trust", "remove", identity[:16]).returncode == 0
    ended = hakobu_run("--state", own_device, "score", table, "-o", table.with_name("out.csv"))
    refused(ended, 5, identity, "not trusted here", "hakobu-run trust add")
    assert "no key is trusted yet" in hakobu_run("--state", own_device, "trust", "list").stdout


def test_a_device_without_anything_says_what_comes_next(
    tmp_path: Path, hakobu_run: Command, refused: Refused, table: Path, machines_box: Path
) -> None:
    empty = tmp_path / "empty"
    refused(hakobu_run("--state", empty, "install", machines_box), 5, machines_box, "hakobu-run trust add KEY.pub")
    ended = hakobu_run("--state", empty, "score", table, "-o", tmp_path / "out.csv")
    refused(ended, 8, "no model is installed", "hakobu-run install FILE.hako")
    refused(hakobu_run("--state", empty, "drift"), 8, "no model is installed")
    assert "trust add" in hakobu_run("--state", empty, "status").stdout


def test_what_is_no_bundle_ends_with_4(
    tmp_path: Path, own_device: Path, hakobu_run: Command, refused: Refused, table: Path, machines_box: Path
) -> None:
    os.mkfifo(tmp_path / "pipe.hako")
    for name in ("in.csv", "none.hako", "pipe.hako", "."):
        for verb in ("install", "verify"):
            refused(hakobu_run("--state", own_device, verb, tmp_path / name), 4, tmp_path / name)
    (tmp_path / "link.hako").symlink_to(machines_box)
    assert hakobu_run("--state", own_device, "verify", tmp_path / "link.hako").returncode == 0
    assert hakobu_run("--state", own_device, "install", tmp_path / "link.hako").returncode == 0
    (installed,) = (own_device / "bundles").glob("*.hako")
    assert not installed.is_symlink()


@pytest.mark.parametrize(
    ("name", "code", "told"),
    [
        ("none.pub", 6, "No such file"),
        (".", 6, "Is a directory"),
        ("in.csv", 5, "no public key in PEM format"),
        ("release.pem", 5, "this is a private key"),
    ],
)
def test_what_is_no_public_key_is_not_trusted(
    name: str, code: int, told: str, tmp_path: Path, hakobu_run: Command, refused: Refused, table: Path
) -> None:
    (tmp_path / "release.pem").write_bytes(PrivateKey.generate().to_pem(b"secret"))
    refused(hakobu_run("--state", tmp_path / "empty", "trust", "add", tmp_path / name), code, tmp_path / name, told)
    assert not (tmp_path / "empty" / "trust.json").exists()


# --- the terminal


@pytest.mark.parametrize(
    "env",
    [
        {"LC_ALL": "C"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "cp1252"},
        {"PYTHONIOENCODING": "cp932"},
    ],
)
def test_bars_and_reasons_fit_on_every_terminal(
    env: dict[str, str], own_device: Path, hakobu_run: Command, table: Path
) -> None:
    table.write_text(HEADER + ROW * 3 + ODD * 300)
    for words in (
        ("score", table, "-o", table.with_name("out.csv")),
        ("score", table, "-o", table.with_name("out.csv"), "--json"),
        ("drift",),
        ("drift", "--json"),
        ("status",),
        ("trust", "list"),
    ):
        ended = hakobu_run("--state", own_device, *words, env=env)
        assert ended.returncode in (0, 3), (words, ended.stderr)
        assert ended.stderr == ""
        if "--json" in words and "cp932" not in env.values():
            assert json.loads(ended.stdout)


def test_what_a_terminal_lacks_is_written_in_ascii(own_device: Path, hakobu_run: Command, table: Path) -> None:
    table.write_text(HEADER + ODD * 300)
    words = ("--state", own_device, "score", table, "-o", table.with_name("out.csv"))
    found = hakobu_run(*words, "--json", env={"PYTHONIOENCODING": "cp1252"})
    assert found.stdout.isascii()
    assert "箱🚚" in json.loads(found.stdout)["examples"][0]["reason"]
    drift = hakobu_run("--state", own_device, "drift", env={"PYTHONIOENCODING": "cp1252"})
    assert drift.returncode == 3
    assert "######" in drift.stdout


def test_no_color_holds_on_a_terminal(own_device: Path, hakobu_run: Command, table: Path) -> None:
    table.write_text(HEADER + ODD * 300)
    assert hakobu_run("--state", own_device, "score", table, "-o", table.with_name("out.csv")).returncode == 0
    command = [sys.executable, "-m", "hakobu_runtime", "--state", str(own_device), "drift"]
    found = []
    for more in ({}, {"NO_COLOR": "1"}):
        env = {**{name: value for name, value in os.environ.items() if name != "NO_COLOR"}, "TERM": "xterm", **more}
        ours, theirs = pty.openpty()
        with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=env) as process:
            os.close(theirs)
            content = b""
            while True:
                try:
                    part = os.read(ours, 65536)
                except OSError:  # Linux says so that nobody holds the other end any more
                    break
                if not part:
                    break
                content += part
        os.close(ours)
        assert process.returncode == 3
        found.append(content)
    assert b"\x1b[" in found[0]
    assert b"\x1b[" not in found[1]


@pytest.mark.parametrize(
    "script",
    [
        '"$@" status | head -0; echo "${PIPESTATUS[0]}"',
        '"$@" --help | head -0; echo "${PIPESTATUS[0]}"',
        '"$@" score "$IN" -o "$OUT" | head -0; echo "${PIPESTATUS[0]}"',
        '"$@" status >&-; echo $?',
        '"$@" status --json 2>&-  >/dev/null; echo $?',
        '"$@" score "$IN" -o "$OUT" >&- 2>&-; echo $?',
    ],
)
def test_nobody_who_reads_the_output_is_no_error(script: str, own_device: Path, table: Path) -> None:
    command = [sys.executable, "-m", "hakobu_runtime", "--state", str(own_device)]
    env = {**os.environ, "IN": str(table), "OUT": str(table.with_name("out.csv"))}
    ended = subprocess.run(["bash", "-c", script, "bash", *command], capture_output=True, text=True, env=env)
    assert (ended.stdout, ended.stderr) == ("0\n", "")
    assert table.with_name("out.csv").exists() == ("score" in script)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is always full")
def test_an_output_that_cannot_be_printed_is_told(own_device: Path) -> None:
    command = [sys.executable, "-m", "hakobu_runtime", "--state", str(own_device), "status"]
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert ended.returncode == 8
    assert "No space left on device" in ended.stderr
    with Path("/dev/full").open("w") as full:
        assert subprocess.run([*command, "too much"], stderr=full).returncode == 2


# --- interrupted, and two at once


def long_table(path: Path, rows: int = 200_000) -> Path:
    path.write_text(HEADER + (ROW + ROW.replace("maker 1", "")) * (rows // 2))
    return path


def written(path: Path) -> int:
    """When the file was last written to; 0 when it is not there."""
    return path.stat().st_mtime_ns if path.exists() else 0


def test_ctrl_c_during_score_loses_and_doubles_nothing(
    own_device: Path, device: Path, hakobu_run: Command, tmp_path: Path
) -> None:
    source, target = long_table(tmp_path / "long.csv"), tmp_path / "out.csv"
    partial = tmp_path / "out.csv.partial"
    assert hakobu_run("--state", device, "score", source, "-o", tmp_path / "whole.csv").returncode == 0
    command = [sys.executable, "-m", "hakobu_runtime", "--state", str(own_device), "score", str(source), "-o"]
    for wait in (0.0, 0.1, 0.3):
        before = written(partial)
        process = subprocess.Popen([*command, str(target)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        while process.poll() is None and written(partial) == before:
            time.sleep(0.005)
        time.sleep(wait)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        # Python ends itself by the signal when that came while it was importing; to a shell both are 130.
        assert process.returncode in (130, -signal.SIGINT), (wait, process.returncode, err)
        assert err.split() == ["hakobu-run:", "error:", "interrupted"], err
        assert out == ""
        assert not target.exists()
    assert hakobu_run("--state", own_device, "score", source, "-o", target).returncode == 0
    assert target.read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert rows_counted(hakobu_run, own_device) == 200_000
    assert sorted(path.name for path in tmp_path.iterdir()) == ["long.csv", "out.csv", "state", "whole.csv"]


def test_two_scores_into_one_output_spoil_nothing(
    own_device: Path, device: Path, hakobu_run: Command, tmp_path: Path
) -> None:
    source, target = long_table(tmp_path / "long.csv"), tmp_path / "out.csv"
    assert hakobu_run("--state", device, "score", source, "-o", tmp_path / "whole.csv").returncode == 0
    command = [sys.executable, "-m", "hakobu_runtime", "--state", str(own_device), "score", str(source), "-o"]
    both = [
        subprocess.Popen([*command, str(target)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    ended = [(process.communicate(timeout=60), process.returncode) for process in both]
    codes = [code for _, code in ended]
    assert 0 in codes
    assert set(codes) <= {0, 6}, ended
    for (_, err), code in ended:
        assert code == 0 or ("another hakobu" in err and len(err.splitlines()) == 1), err
    assert target.read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert rows_counted(hakobu_run, own_device) == 200_000 * codes.count(0)


def test_installing_twice_changes_nothing(own_device: Path, hakobu_run: Command, machines_box: Path) -> None:
    before = hakobu_run("--state", own_device, "status", "--json").stdout
    ended = hakobu_run("--state", own_device, "install", machines_box)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "in place of" not in ended.stdout
    assert hakobu_run("--state", own_device, "status", "--json").stdout == before


def test_an_older_version_may_replace_a_newer_one_and_a_second_model_must_be_named(
    own_device: Path,
    hakobu_run: Command,
    refused: Refused,
    tmp_path: Path,
    tiny_manifest: Manifest,
    tiny_files: Mapping[str, bytes],
    release_key: PrivateKey,
) -> None:
    for version, told in (("2.0.0", "installed: tiny 2.0.0; "), ("1.0.0", "tiny 1.0.0, in place of 2.0.0; ")):
        manifest = encode(msgspec.structs.replace(tiny_manifest, version=version))
        files = {**tiny_files, "manifest.json": manifest}
        (tmp_path / "tiny.hako").write_bytes(pack_files({**files, "model.sig": sign(files, release_key)}))
        ended = hakobu_run("--state", own_device, "install", tmp_path / "tiny.hako")
        assert (ended.returncode, ended.stderr) == (0, "")
        assert told in ended.stdout
    (tmp_path / "in.csv").write_text("temp,load\n3,1\n")
    words = ("--state", own_device, "score", tmp_path / "in.csv", "-o", tmp_path / "out.csv")
    refused(hakobu_run(*words), 8, "machines, tiny", "--model NAME")
    assert hakobu_run(*words, "--model", "tiny").returncode == 0
    assert (tmp_path / "out.csv").read_text().startswith("row,prediction,p_0,p_1,verdict,reasons\n1,1,")
