"""An install kit is whole for its target, the same bytes each time, and nothing is left of one that cannot be made."""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from hakobu import resources
from hakobu.cli.main import main
from hakobu.freeze.room import requirements
from hakobu.kit import fetch
from hakobu.kit.make import make_kit
from hakobu.kit.runtime import write_runtime
from hakobu.kit.scripts import write_scripts
from hakobu.kit.target import SYSTEMS, find_target
from hakobu.kit.wheel import Wheel, closure, read_wheel
from hakobu_runtime.bundle import open_bundle, pack_files
from hakobu_runtime.errors import ToolError, UsageError
from hakobu_runtime.format.codec import encode
from hakobu_runtime.format.follow import Follow
from hakobu_runtime.format.manifest import Manifest
from hakobu_runtime.trust import Keyring, PrivateKey, sign

WINDOWS = find_target("windows-x86_64", "3.11")
LINUX = find_target("linux-x86_64", "3.11")
NATIVE = {"arro3-core", "arro3-io", "backports-zstd", "cryptography", "msgspec", "numpy", "onnxruntime"}
NEEDED = {canonicalize_name(Requirement(line).name) for line in requirements()}


def pinned() -> dict[str, str]:
    """Return the versions that kits are made of."""
    lines = (resources.folder("build") / "constraints.txt").read_text().splitlines()
    found = (line.split("==") for line in lines if "==" in line)
    return {canonicalize_name(name): version for name, version in found}


def wheel(folder: Path, name: str, version: str, tag: str = "py3-none-any", *said: str) -> Path:
    """Write a wheel with nothing in it but what it says of itself."""
    plain = name.replace("-", "_")
    path = folder / f"{plain}-{version}-{tag}.whl"
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *said, ""]
    with zipfile.ZipFile(path, "w") as archive:
        place = f"{plain}-{version}.dist-info"
        archive.writestr(f"{place}/METADATA", "\n".join(lines))
        archive.writestr(f"{place}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n")
        archive.writestr(f"{place}/RECORD", "")
    return path


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of tiny wheels for Windows, named as the real ones are."""
    folder, versions = tmp_path_factory.mktemp("shop"), pinned()
    for name in {*NEEDED, "pefile", "pip"}:
        wheel(folder, name, versions[name], "cp311-abi3-win_amd64" if name in NATIVE else "py3-none-any")
    needs = "Requires-Dist: pefile>=2022; sys_platform == 'win32'"
    mac = "Requires-Dist: macholib; sys_platform == 'darwin'"
    wheel(folder, "pyinstaller", versions["pyinstaller"], "py3-none-win_amd64", needs, mac)
    return folder


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for what is made, and kept, for all of these tests."""
    return tmp_path_factory.mktemp("kits")


@pytest.fixture(scope="module")
def key(place: Path, release_key: PrivateKey) -> Path:
    path = place / "release.pub"
    path.write_bytes(release_key.public.pem)
    return path


@pytest.fixture(autouse=True, scope="module")
def own_pip(place: Path, shop: Path) -> Iterator[None]:
    """Let pip know of nothing but those wheels."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HAKOBU_CACHE", str(place / "cache"))
        patch.setenv("PIP_FIND_LINKS", str(shop))
        patch.setenv("PIP_NO_INDEX", "1")
        patch.setenv("PIP_CONFIG_FILE", os.devnull)
        yield


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache in which nothing was fetched yet."""
    monkeypatch.setenv("HAKOBU_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def kit(box: Path, key: Path, out: Path, *words: str, target: str = "windows-x86_64") -> Result:
    return CliRunner().invoke(main, ["kit", str(box), "--key", str(key), "--target", target, "-o", str(out), *words])


@pytest.fixture(scope="module")
def made(tiny_box_bytes: bytes, key: Path, place: Path, own_pip: None) -> Path:
    """A kit, to be looked at and not changed."""
    (place / "tiny.hako").write_bytes(tiny_box_bytes)
    ended = kit(place / "tiny.hako", key, place / "out")
    assert (ended.exit_code, ended.stderr) == (0, "")
    return place / "out" / "tiny-1.0.0-windows-x86_64"


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_kit_has_all_that_is_needed_there_and_what_no_marker_asks_for_is_left_out(made: Path) -> None:
    names = {path.name.split("-")[0] for path in (made / "kit" / "wheels").iterdir()}
    expected = {*NEEDED, "pefile", "pip", "pyinstaller", "hakobu-runtime"}
    assert names == {name.replace("-", "_") for name in expected}
    run, freeze = ((made / "kit" / lock).read_text() for lock in ("run.txt", "freeze.txt"))
    assert "onnxruntime==" in run
    assert "pefile" not in run
    assert "pefile==" in freeze
    assert set(run.splitlines()) < set(freeze.splitlines())


def test_every_wheel_is_pinned_by_its_bytes(made: Path) -> None:
    wheels = {sha256(path.read_bytes()).hexdigest() for path in (made / "kit" / "wheels").iterdir()}
    for line in (made / "kit" / "freeze.txt").read_text().splitlines():
        name, version, digest = re.fullmatch(r"([a-z0-9-]+)==(\S+) --hash=sha256:([0-9a-f]{64})", line).groups()  # type: ignore[union-attr]
        assert digest in wheels
        assert name == "hakobu-runtime" or pinned()[name] == version


def test_the_sums_are_those_of_all_files(made: Path) -> None:
    lines = (line.partition("  ") for line in (made / "SHA256SUMS").read_text().splitlines())
    sums = {name: digest for digest, _, name in lines}
    found = {name: sha256(content).hexdigest() for name, content in files(made).items() if name != "SHA256SUMS"}
    assert sums == found


def test_the_box_is_the_bundle_and_its_keys_for_this_model_alone(made: Path, tiny_box: Path) -> None:
    inside = made / "kit" / "hakobu_inside"
    assert (inside / "floor.hako").read_bytes() == tiny_box.read_bytes()
    assert [pin["models"] for pin in json.loads((inside / "trust.json").read_bytes())["keys"]] == [["tiny"]]
    assert not [
        name for name, content in files(made).items() if b"PRIVATE KEY" in content and not name.endswith(".whl")
    ]


def test_what_it_is_to_follow_goes_with_it(tiny_box: Path, keyring: Keyring, tmp_path: Path) -> None:
    follow = Follow("hakobu.follow/1", "tiny", "stable", "{}", "2026-01-31T12:00:00+00:00")
    made = make_kit(open_bundle(tiny_box, keyring), keyring, WINDOWS, tmp_path, lambda words: None, follow)
    assert (made.path / "kit" / "hakobu_inside" / "follow.json").read_bytes() == encode(follow)


def test_what_windows_reads_ends_its_lines_as_windows_does(made: Path) -> None:
    for name in ("tiny.cmd", "freeze.cmd"):
        content = (made / name).read_bytes()
        assert content.isascii()
        assert content.count(b"\n") == content.count(b"\r\n") > 20
        assert b"@" not in content.replace(b"@echo off", b"")
        # A path may have spaces, and arguments may be anything: each stands in quotes, or is handed on as it is.
        assert content.count(b'"%~dp0kit\\') == content.count(b"%~dp0")
        assert b"goto end" in content
    readme = (made / "README.txt").read_bytes()
    assert readme.startswith(b"\xef\xbb\xbf")
    assert readme.count(b"\n") == readme.count(b"\r\n")


@pytest.mark.parametrize("target", SYSTEMS)
def test_scripts_and_readme_have_no_gap_left(target: str, tiny_manifest: Manifest, tmp_path: Path) -> None:
    (tmp_path / "kit").mkdir()
    write_scripts(tmp_path, tiny_manifest, find_target(target, "3.12"))
    for path in tmp_path.iterdir():
        if path.is_file():
            assert not re.search("@[A-Z_]+@|{[a-z]+}", path.read_text(encoding="utf-8")), path
            assert "3.12" in path.read_text(encoding="utf-8")
        if path.suffix in (".sh", ".command"):
            assert os.access(path, os.X_OK)
            subprocess.run(["sh", "-n", str(path)], check=True)
    assert "ネットワーク" in (tmp_path / "README.txt").read_text(encoding="utf-8")


def test_the_same_inputs_give_the_same_bytes(made: Path, tiny_box: Path, key: Path, tmp_path: Path) -> None:
    assert kit(tiny_box, key, tmp_path / "again").exit_code == 0
    assert files(made) == files(tmp_path / "again" / made.name)


def test_what_was_fetched_once_is_not_fetched_again(
    made: Path, tiny_box: Path, key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ToolError("pip failed")

    monkeypatch.setattr(fetch, "run", fail)
    assert kit(tiny_box, key, tmp_path / "again").exit_code == 0
    assert kit(tiny_box, key, tmp_path / "other", "--python", "3.12").exit_code == 10


def test_what_was_lost_of_what_was_fetched_is_fetched_again(
    made: Path, tiny_box: Path, key: Path, place: Path, tmp_path: Path
) -> None:
    (lost,) = (place / "cache").rglob("pefile-*.whl")
    lost.unlink()
    assert kit(tiny_box, key, tmp_path / "again").exit_code == 0
    assert lost.exists()


def test_the_command_says_what_it_made(tiny_box: Path, key: Path, tmp_path: Path) -> None:
    told = json.loads(kit(tiny_box, key, tmp_path / "out", "--json").stdout)
    assert told["schema"] == "hakobu.kit/1"
    assert (told["target"], told["python"]) == ("windows-x86_64", "3.11")
    assert Path(told["launcher"]).is_file()
    assert told["wheels"]["numpy"] == pinned()["numpy"]
    assert told["bytes"] == sum(map(len, files(Path(told["path"])).values()))


@pytest.mark.parametrize("lost", ["pefile", "msgspec"])
def test_a_wheel_that_is_not_to_be_had_is_named_and_nothing_is_made(
    lost: str,
    tiny_box: Path,
    key: Path,
    shop: Path,
    own_cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shutil.copytree(shop, tmp_path / "poor", ignore=shutil.ignore_patterns(f"{lost}-*"))
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "poor"))
    for _ in range(2):
        ended = kit(tiny_box, key, tmp_path / "out")
        assert ended.exit_code == 10
        assert "pip failed with 1; it fetches wheels for windows-x86_64 with Python 3.11" in ended.stderr
        assert f"The user requested {lost}" in ended.stderr
        assert list((tmp_path / "out").iterdir()) == []


def test_a_wheel_that_pip_says_it_fetched_and_that_is_not_there_is_named(
    tiny_box: Path, key: Path, own_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "run", lambda *_, **__: None)
    ended = kit(tiny_box, key, tmp_path / "out")
    assert ended.exit_code == 10
    assert "there is no wheel for it of arro3-core>=0.9 (for windows-x86_64 with Python 3.11)" in ended.stderr


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("linux-armv7l", "onnxruntime has no wheels for 32-bit ARM"),
        ("macos-x86_64", "after 1.23.2"),
        ("windows-arm64", "windows-x86_64 runs there"),
        ("plan9", "no such target"),
    ],
)
def test_a_target_without_wheels_is_refused_with_the_reason(
    target: str, reason: str, tiny_box: Path, key: Path, tmp_path: Path
) -> None:
    ended = kit(tiny_box, key, tmp_path / "out", target=target)
    assert ended.exit_code == 2
    assert reason in ended.stderr
    assert all(name in ended.stderr for name in SYSTEMS)
    assert not (tmp_path / "out").exists()
    with pytest.raises(UsageError):
        find_target(target, "3.11")


def test_what_is_there_already_is_not_replaced(tiny_box: Path, key: Path, tmp_path: Path) -> None:
    (tmp_path / "tiny-1.0.0-windows-x86_64").mkdir()
    ended = kit(tiny_box, key, tmp_path)
    assert ended.exit_code == 2
    assert "is there already" in ended.stderr


def test_a_full_disk_is_told_before_anything_is_fetched(
    tiny_box: Path, key: Path, own_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: free)
    ended = kit(tiny_box, key, tmp_path / "out")
    assert ended.exit_code == 10
    assert "a kit takes" in ended.stderr
    assert not own_cache.exists()


def test_a_bundle_of_another_key_is_not_packed(tiny_box: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.pub"
    other.write_bytes(PrivateKey.generate().public.pem)
    assert kit(tiny_box, other, tmp_path / "out").exit_code == 5


def test_a_bundle_for_a_newer_runtime_is_not_packed(
    tiny_files: Mapping[str, bytes], tiny_manifest: Manifest, release_key: PrivateKey, key: Path, tmp_path: Path
) -> None:
    found = {**tiny_files, "manifest.json": encode(msgspec.structs.replace(tiny_manifest, min_runtime="99.0.0"))}
    box = tmp_path / "tiny.hako"
    box.write_bytes(pack_files({**found, "model.sig": sign(found, release_key)}))
    ended = kit(box, key, tmp_path / "out")
    assert ended.exit_code == 4
    assert "99.0.0" in ended.stderr


def test_a_kit_for_another_system_says_so_in_one_line(made: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-I", str(made / "kit" / "start.py"), "--version"]
    ended = subprocess.run(command, env={"HOME": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert ended.returncode == 8
    assert len(ended.stderr.splitlines()) == 1
    assert ended.stderr.startswith("tiny: error: this kit is for ")
    assert not (made / "kit" / "__pycache__").exists()


def test_the_wheel_of_the_runtime_is_whole_and_the_same_each_time(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
    first, second = write_runtime(tmp_path / "a"), write_runtime(tmp_path / "b")
    assert first.path.read_bytes() == second.path.read_bytes()
    assert {one.name for one in first.requires} >= {"onnxruntime", "numpy"}
    with zipfile.ZipFile(first.path) as archive:
        names = archive.namelist()
        (record,) = (name for name in names if name.endswith(".dist-info/RECORD"))
        lines = [line.split(",") for line in archive.read(record).decode().splitlines()]
        assert [line[0] for line in lines] == names
        for name, digest, size in lines[:-1]:
            content = archive.read(name)
            wanted = base64.urlsafe_b64encode(sha256(content).digest()).rstrip(b"=").decode()
            assert (digest, int(size)) == (f"sha256={wanted}", len(content))
    assert "hakobu_runtime/frozen.py" in names
    assert not [name for name in names if "__pycache__" in name or "/." in name]


Write = Callable[..., Wheel]


@pytest.fixture
def there(tmp_path: Path) -> Write:
    return lambda *words: read_wheel(wheel(tmp_path, *words))


def names(found: list[Wheel] | tuple[Wheel, ...]) -> list[str]:
    return [one.name for one in found]


def test_a_marker_is_held_against_the_target_and_not_this_machine(there: Write) -> None:
    on = "Requires-Dist: colorama; platform_system == 'Windows'"
    off = "Requires-Dist: uvloop; sys_platform != 'win32'"
    wheels = [there("app", "1.0", "py3-none-any", on, off), there("colorama", "0.4"), there("uvloop", "1")]
    assert names(closure(wheels, [Requirement("app")], WINDOWS).wheels) == ["app", "colorama"]
    assert names(closure(wheels, [Requirement("app")], LINUX).wheels) == ["app", "uvloop"]


def test_a_marker_that_some_patch_of_that_python_meets_counts(there: Write) -> None:
    early, late = "Requires-Dist: a; python_full_version < '3.11.3'", "Requires-Dist: b; python_full_version > '3.11.4'"
    wheels = [there("app", "1.0", "py3-none-any", early, late, "Requires-Dist: c; python_version < '3.11'")]
    assert [one.requirement.name for one in closure(wheels, [Requirement("app")], LINUX).missing] == ["a", "b"]


def test_an_extra_that_is_asked_for_brings_what_it_needs(there: Write) -> None:
    wheels = [there("app", "1.0", "py3-none-any", "Requires-Dist: ssh; extra == 'far'"), there("ssh", "1")]
    assert names(closure(wheels, [Requirement("app")], LINUX).wheels) == ["app"]
    assert names(closure(wheels, [Requirement("app"), Requirement("app[far]")], LINUX).wheels) == ["app", "ssh"]


@pytest.mark.parametrize(
    ("tag", "said", "fits"),
    [
        ("cp311-abi3-manylinux_2_17_x86_64", "", True),
        ("cp38-abi3-manylinux_2_28_x86_64.manylinux2014_x86_64", "", True),
        ("cp311-cp311-manylinux_2_34_x86_64", "", False),
        ("cp312-cp312-manylinux_2_17_x86_64", "", False),
        ("cp311-cp311-manylinux_2_17_aarch64", "", False),
        ("cp311-cp311-win_amd64", "", False),
        ("py3-none-any", "Requires-Python: >=3.12", False),
        ("py3-none-any", "Requires-Python: >=3.9, !=3.9.0", True),
    ],
)
def test_a_wheel_for_another_pc_is_no_wheel_for_it(there: Write, tag: str, said: str, fits: bool) -> None:
    found = closure([there("app", "1.0", tag, *([said] if said else []))], [Requirement("app")], LINUX)
    assert bool(found.wheels) is fits
    assert bool(found.missing) is not fits


def test_a_version_that_is_too_old_is_missing_with_who_asks_for_it(there: Write) -> None:
    wheels = [there("app", "1.0", "py3-none-any", "Requires-Dist: numpy>=2"), there("numpy", "1.26")]
    assert [str(one) for one in closure(wheels, [Requirement("app")], LINUX).missing] == ["numpy>=2 (for app)"]


def test_what_is_no_wheel_is_told(tmp_path: Path) -> None:
    (tmp_path / "numpy-2.0-py3-none-any.whl").write_bytes(b"cut off")
    with pytest.raises(ToolError, match="no whole wheel"):
        read_wheel(tmp_path / "numpy-2.0-py3-none-any.whl")


@given(st.dictionaries(st.sampled_from("abcdef"), st.sets(st.sampled_from("abcdef"), max_size=3)))
def test_a_closure_is_closed_but_for_what_it_says_is_missing(graph: dict[str, set[str]]) -> None:
    pure = read_tags()
    wheels = [
        Wheel(Path(name), name, pure.version, pure.tags, tuple(map(Requirement, sorted(needs))), pure.python)
        for name, needs in graph.items()
    ]
    found = closure(wheels, [Requirement("a")], LINUX)
    taken, missing = set(names(found.wheels)), {one.requirement.name for one in found.missing}
    asked = {"a"}.union(*(graph[name] for name in taken))
    assert asked == taken | missing
    assert missing == asked - graph.keys()


def read_tags() -> Wheel:
    from packaging.specifiers import SpecifierSet
    from packaging.tags import parse_tag
    from packaging.version import Version

    return Wheel(Path(), "pure", Version("1"), parse_tag("py3-none-any"), (), SpecifierSet())
