"""An image is what the OCI specification says, the same bytes each time, and holds what the program needs alone."""

import gzip
import io
import json
import os
import shutil
import stat
import struct
import subprocess
import sys
import tarfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from numpy.random import mtrand

from hakobu.cli.main import main
from hakobu.container import context, image, libraries
from hakobu.container.elf import read_program
from hakobu.container.libraries import INTERNAL, system_libraries
from hakobu.container.tag import Tag
from hakobu.container.tree import Entry, File, Folder, Link, write_tar
from hakobu.freeze.executable import Frozen, Shape
from hakobu.freeze.inside import write_inside
from hakobu.freeze.tool import Tell
from hakobu.freeze.trial import Tried
from hakobu_runtime.bundle import Bundle, open_bundle, pack_files
from hakobu_runtime.errors import ToolError, UsageError
from hakobu_runtime.format.codec import encode
from hakobu_runtime.format.follow import Follow
from hakobu_runtime.format.manifest import Manifest
from hakobu_runtime.trust import Keyring, PrivateKey, sign

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="images are made on Linux")

Make = Callable[..., Path]
TRUE = Path(shutil.which("true") or "/bin/true").resolve()
SYSTEM_1980 = 315532800


def fake(bundle: Bundle, keyring: Keyring, shape: Shape, folder: Path, tell: Tell, follow: Follow | None) -> Frozen:
    """Play freeze: a folder build of a small program, one library, and the box."""
    tell("freezing")
    root = folder / f"{bundle.manifest.name}-{bundle.manifest.version}"
    inner = root / INTERNAL
    (inner / "sub").mkdir(parents=True)
    program = Path(shutil.copy(TRUE, root / bundle.manifest.name))
    program.chmod(0o700)
    shutil.copy(mtrand.__file__, inner / "sub" / "library.so")
    (inner / "link.so").symlink_to("sub/library.so")
    (inner / "words 箱.txt").write_text("x")
    write_inside(bundle, keyring, inner / "hakobu_inside", follow)
    return Frozen(root, program, shape, 1, 0.1, Tried("tiny 1.0.0", 14, 3))


@pytest.fixture(autouse=True)
def _frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image, "freeze", fake)
    monkeypatch.setattr(context, "freeze", fake)
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)


@pytest.fixture
def key(tmp_path: Path, release_key: PrivateKey) -> Path:
    path = tmp_path / "release.pub"
    path.write_bytes(release_key.public.pem)
    return path


def container(box: Path, key: Path, out: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["container", str(box), "--key", str(key), "-o", str(out), *words])


@pytest.fixture
def make(tmp_path: Path, tiny_box: Path, key: Path) -> Make:
    def make(name: str = "image.tar", *words: str, box: Path = tiny_box) -> Path:
        ended = container(box, key, tmp_path / "out" / name, *words)
        assert ended.exit_code == 0, ended.output
        return tmp_path / "out" / name

    return make


def unpack(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as tar:
        return {head.name: tar.extractfile(head).read() for head in tar if head.isfile()}  # type: ignore[union-attr]


def manifest_of(files: Mapping[str, bytes]) -> dict[str, Any]:
    named = json.loads(files["index.json"])["manifests"][0]
    found: dict[str, Any] = json.loads(blob(files, named))
    return found


def blob(files: Mapping[str, bytes], descriptor: Mapping[str, Any]) -> bytes:
    """Return a blob, held against its descriptor."""
    content = files["blobs/sha256/" + descriptor["digest"].removeprefix("sha256:")]
    assert f"sha256:{sha256(content).hexdigest()}" == descriptor["digest"]
    assert len(content) == descriptor["size"]
    return content


def layers_of(archive: Path) -> list[dict[str, tarfile.TarInfo]]:
    files = unpack(archive)
    tars = [gzip.decompress(blob(files, layer)) for layer in manifest_of(files)["layers"]]
    return [{head.name: head for head in tarfile.open(fileobj=io.BytesIO(tar))} for tar in tars]


DIGEST = {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"}
TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
TIME = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"}


def strict(**fields: object) -> dict[str, object]:
    """Return the schema of an object that has these fields, all of them, and no others."""
    return {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}


def descriptor(kind: str, **more: object) -> dict[str, object]:
    return strict(mediaType={"const": f"application/vnd.oci.image.{kind}"}, digest=DIGEST, size={"minimum": 1}, **more)


PLATFORM = strict(architecture={"enum": ["amd64", "arm64"]}, os={"const": "linux"})
INDEX = strict(
    schemaVersion={"const": 2},
    mediaType={"const": "application/vnd.oci.image.index.v1+json"},
    manifests={
        "type": "array",
        "items": descriptor("manifest.v1+json", platform=PLATFORM, annotations=TEXTS),
        "minItems": 1,
        "maxItems": 1,
    },
)
MANIFEST = strict(
    schemaVersion={"const": 2},
    mediaType={"const": "application/vnd.oci.image.manifest.v1+json"},
    config=descriptor("config.v1+json"),
    layers={"type": "array", "items": descriptor("layer.v1.tar+gzip"), "minItems": 1},
)
CONFIG = strict(
    created=TIME,
    architecture={"enum": ["amd64", "arm64"]},
    os={"const": "linux"},
    config=strict(
        User={"type": "string"},
        Env={"type": "array", "items": {"pattern": "^[A-Z_]+=.+$"}},
        Entrypoint={"type": "array", "items": {"type": "string"}},
        WorkingDir={"type": "string"},
        Volumes={"type": "object", "additionalProperties": {"const": {}}},
        Labels=TEXTS,
    ),
    rootfs=strict(type={"const": "layers"}, diff_ids={"type": "array", "items": DIGEST}),
    history={"type": "array", "items": strict(created=TIME, created_by={"type": "string"})},
)


def test_an_image_is_what_the_specification_says_down_to_each_digest(make: Make) -> None:
    files = unpack(make())
    assert json.loads(files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    jsonschema.validate(json.loads(files["index.json"]), INDEX)
    manifest = manifest_of(files)
    jsonschema.validate(manifest, MANIFEST)
    config = json.loads(blob(files, manifest["config"]))
    jsonschema.validate(config, CONFIG)
    tars = [gzip.decompress(blob(files, layer)) for layer in manifest["layers"]]
    assert config["rootfs"]["diff_ids"] == [f"sha256:{sha256(tar).hexdigest()}" for tar in tars]
    assert len(config["history"]) == len(tars)
    assert len(files) == 3 + 2 + len(tars), "nothing else lies in the layout"


def test_a_container_runs_the_model_as_nobody_with_a_state_volume(make: Make, tiny_manifest: Manifest) -> None:
    files = unpack(make())
    config = json.loads(blob(files, manifest_of(files)["config"]))
    run = config["config"]
    assert run["User"] == "65532:65532"
    assert run["Entrypoint"] == ["/bin/tiny"]
    assert run["WorkingDir"] == "/data"
    assert run["Volumes"] == {"/state": {}}
    assert run["Env"] == ["PATH=/bin", "HAKOBU_STATE=/state", "ORT_DISABLE_TELEMETRY=1"]
    assert run["Labels"]["org.opencontainers.image.title"] == "tiny"
    assert run["Labels"]["org.opencontainers.image.version"] == tiny_manifest.version
    assert run["Labels"]["org.opencontainers.image.created"] == config["created"] == "1980-01-01T00:00:00Z"


def test_older_dockers_find_the_same_image(make: Make) -> None:
    files = unpack(make("image.tar", "--tag", "registry.example.com/a/tiny:7"))
    (saved,) = json.loads(files["manifest.json"])
    manifest = manifest_of(files)
    assert saved["Config"] == "blobs/sha256/" + manifest["config"]["digest"][7:]
    assert saved["Layers"] == ["blobs/sha256/" + layer["digest"][7:] for layer in manifest["layers"]]
    assert saved["RepoTags"] == ["registry.example.com/a/tiny:7"]
    names = json.loads(files["index.json"])["manifests"][0]["annotations"]
    assert set(names.values()) == {"registry.example.com/a/tiny:7"}


def test_the_same_bundle_gives_the_same_bytes(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    first = make("a.tar").read_bytes()
    assert make("b.tar").read_bytes() == first
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    moved = make("c.tar")
    assert moved.read_bytes() != first
    assert {head.mtime for layer in layers_of(moved) for head in layer.values()} == {1700000000}
    files = unpack(moved)
    assert json.loads(blob(files, manifest_of(files)["config"]))["created"] == "2023-11-14T22:13:20Z"


def test_another_model_brings_only_a_small_layer_of_its_own(
    make: Make, tiny_files: Mapping[str, bytes], tiny_manifest: Manifest, release_key: PrivateKey, tmp_path: Path
) -> None:
    other = msgspec.structs.replace(tiny_manifest, name="other", version="2.0.0")
    files = {**tiny_files, "manifest.json": encode(other)}
    box = tmp_path / "other.hako"
    box.write_bytes(pack_files({**files, "model.sig": sign(files, release_key)}))
    ours, theirs = (manifest_of(unpack(path))["layers"] for path in (make(), make("other.tar", box=box)))
    assert ours[0] == theirs[0]
    assert ours[1] != theirs[1]
    _, own = layers_of(make("again.tar", box=box))
    inside = "opt/hakobu/_internal/hakobu_inside"
    assert {name for name, head in own.items() if not head.isdir()} == {
        "bin/other",
        *(f"{inside}/{name}" for name in ("floor.hako", "inside.json", "trust.json")),
    }
    assert own["bin/other"].linkname == "/opt/hakobu/program"


def test_what_it_follows_lies_in_the_layer_of_the_model(tiny_box: Path, keyring: Keyring, tmp_path: Path) -> None:
    follow = Follow("hakobu.follow/1", "tiny", "stable", "{}", "2026-01-31T12:00:00+00:00")
    bundle, path = open_bundle(tiny_box, keyring), tmp_path / "image.tar"
    image.make_image(bundle, keyring, path, Tag("tiny:1"), lambda words: None, follow)
    base, own = layers_of(path)
    assert f"opt/hakobu/{INTERNAL}/hakobu_inside/follow.json" in own.keys() - base.keys()


def test_all_belongs_to_root_and_only_three_folders_can_be_written_to(make: Make) -> None:
    heads = [head for layer in layers_of(make()) for head in layer.values()]
    assert {(head.uid, head.gid, head.uname, head.gname, head.mtime) for head in heads} == {(0, 0, "", "", SYSTEM_1980)}
    writable = {head.name: head.mode for head in heads if not head.issym() and head.mode & 0o022}
    assert writable == {"data": 0o1777, "state": 0o1777, "tmp": 0o1777}
    assert not [head.name for head in heads if head.mode & (stat.S_ISUID | stat.S_ISGID)]
    assert not [head.name for head in heads if head.name.endswith(("/sh", "/bash"))]


def test_programs_links_and_files_stay_what_they_are_whatever_the_umask_was(make: Make) -> None:
    base, _ = layers_of(make())
    home = "opt/hakobu"
    assert base[f"{home}/program"].mode == 0o755
    assert base[f"{home}/_internal/words 箱.txt"].mode == 0o644
    assert base[f"{home}/_internal/link.so"].linkname == "sub/library.so"
    assert not [name for name in base if "hakobu_inside" in name]


def test_its_loader_and_c_library_lie_where_the_program_looks_for_them(make: Make) -> None:
    base, _ = layers_of(make())
    program = read_program(TRUE)
    assert base[str(program.loader)[1:]].isfile()
    assert any(Path(name).name == "libc.so.6" and head.isfile() for name, head in base.items())


def test_every_file_stands_after_its_folder_and_in_order() -> None:
    entries: list[Entry] = [File("b/c/d", b"1"), Link("b/a", "c"), Folder("b", 0o1777), File("a", TRUE, program=True)]
    target = io.BytesIO()
    write_tar(entries, 7, target)
    with tarfile.open(fileobj=io.BytesIO(target.getvalue())) as tar:
        assert [(head.name, head.mode) for head in tar] == [
            ("a", 0o755),
            ("b", 0o1777),
            ("b/a", 0o777),
            ("b/c", 0o755),
            ("b/c/d", 0o644),
        ]


def test_what_a_program_needs_is_what_ldd_says() -> None:
    program = read_program(Path(sys.executable).resolve())
    said = subprocess.run(["ldd", str(program.path)], capture_output=True, text=True, check=True).stdout
    needed = {line.split()[0] for line in said.splitlines() if " => " in line}
    found = system_libraries(program)
    assert {place.name for place in found} == needed | {program.loader.name}
    assert len({place.parent for place in found if place != program.loader}) == 1
    assert all(source.is_file() and not source.is_symlink() for source in found.values())


@pytest.fixture
def build(tmp_path: Path) -> Path:
    """A folder build of one program."""
    (tmp_path / "build" / INTERNAL).mkdir(parents=True)
    return Path(shutil.copy(TRUE, tmp_path / "build" / "program"))


def test_a_library_that_the_folder_has_itself_is_not_taken_from_the_system(build: Path) -> None:
    inner = build.parent / INTERNAL
    (inner / "numbers.so").symlink_to(mtrand.__file__)
    found = system_libraries(read_program(build))
    (libm,) = (source for place, source in found.items() if place.name == "libm.so.6")
    shutil.copy(libm, inner / "libm.so.6")
    assert "libm.so.6" not in {place.name for place in system_libraries(read_program(build))}


def test_a_library_that_is_missing_is_named(build: Path) -> None:
    library = build.parent / INTERNAL / "numbers.so"
    library.write_bytes(Path(mtrand.__file__).read_bytes().replace(b"libm.so.6", b"libx.so.6"))
    with pytest.raises(ToolError, match=r"numbers\.so: cannot be loaded on this system: libx\.so\.6: cannot open"):
        system_libraries(read_program(build))


def test_a_library_that_is_damaged_is_named(build: Path) -> None:
    (build.parent / INTERNAL / "broken.so").write_bytes(b"\x7fELF\x02\x01 and no more")
    with pytest.raises(ToolError, match=r"broken\.so: cannot be loaded on this system: "):
        system_libraries(read_program(build))


def test_a_variant_for_this_processor_gives_way_to_the_library_itself(tmp_path: Path) -> None:
    variant = tmp_path / "glibc-hwcaps" / "x86-64-v3" / "libm.so.6"
    assert libraries._for_every_processor(variant) == variant
    (tmp_path / "libm.so.6").touch()
    assert libraries._for_every_processor(variant) == tmp_path / "libm.so.6"


def elf(number: int, kind: int = 3, loader: bytes = b"/lib/ld.so\0", *, start: int = 64) -> bytes:
    """Return a program of nothing but a head, one segment and the name of a loader."""
    head = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01", 3, number, 1, 0, start, 0, 0, 64, 56, 1, 0, 0, 0)
    return head + struct.pack("<IIQQQQQQ", kind, 4, 120, 0, 0, len(loader), len(loader), 1) + loader


@pytest.mark.parametrize(("number", "name"), [(62, "amd64"), (183, "arm64")])
def test_a_program_says_its_processor_and_its_loader(tmp_path: Path, number: int, name: str) -> None:
    (tmp_path / "program").write_bytes(elf(number))
    found = read_program(tmp_path / "program")
    assert (found.processor, found.loader) == (name, Path("/lib/ld.so"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"#!/bin/sh\n", "no 64-bit program of Linux"),
        (b"", "no 64-bit program of Linux"),
        (elf(62)[:60], "damaged program"),
        (elf(62, start=5000), "damaged program"),
        (elf(62, loader=b"\xff/"), "damaged program"),
        (elf(40), "ELF machine 40"),
        (elf(62, kind=1), "names no loader"),
        (elf(62, loader=b"ld.so"), "names no loader"),
    ],
)
def test_what_is_no_program_for_images_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "program").write_bytes(content)
    with pytest.raises(ToolError, match=words):
        read_program(tmp_path / "program")


@given(start=st.integers(0, 2**64 - 1), count=st.integers(0, 200), cut=st.integers(0, 140))
def test_a_damaged_program_never_does_more_than_be_refused(
    tmp_path_factory: pytest.TempPathFactory, start: int, count: int, cut: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged program"
    content = bytearray(elf(62, start=start))
    content[56:58] = count.to_bytes(2, "little")
    path.write_bytes(bytes(content[:cut]))
    with suppress(ToolError):
        assert read_program(path).loader.is_absolute()


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("tiny:1.0.0", "docker.io/library/tiny:1.0.0"),
        ("team/tiny:1.0.0", "docker.io/team/tiny:1.0.0"),
        ("registry.example.com/models/tiny:1.0.0-rc.1", "registry.example.com/models/tiny:1.0.0-rc.1"),
        ("localhost/tiny:latest", "localhost/tiny:latest"),
        ("hub:5000/tiny:1", "hub:5000/tiny:1"),
        ("a--b:1", "docker.io/library/a--b:1"),
    ],
)
def test_a_tag_has_the_registry_that_docker_takes(text: str, full: str) -> None:
    assert Tag(text).full == full


@pytest.mark.parametrize(
    "text", ["", "tiny", "Tiny:1", "tiny:", ":1", "tiny:1 0", "a//b:1", "tiny:1\n", "-a:1", "箱:1"]
)
def test_a_tag_that_no_tool_would_take_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--tag"):
        Tag(text)


def test_json_says_what_was_made(tiny_box: Path, key: Path, tmp_path: Path) -> None:
    out = tmp_path / "image.tar"
    told = json.loads(container(tiny_box, key, out, "--json").stdout)
    assert told["schema"] == "hakobu.container/1"
    assert (told["path"], told["tag"], told["bytes"]) == (str(out), "tiny:1.0.0", out.stat().st_size)
    files = unpack(out)
    assert told["digest"] == json.loads(files["index.json"])["manifests"][0]["digest"]
    assert [layer["digest"] for layer in told["layers"]] == [layer["digest"] for layer in manifest_of(files)["layers"]]


def test_a_person_is_told_how_to_run_it(tiny_box: Path, key: Path, tmp_path: Path) -> None:
    said = container(tiny_box, key, tmp_path / "image.tar", "--tag", "a/tiny:2").stdout
    assert f"podman load -i {tmp_path / 'image.tar'}\n" in said
    assert said.endswith('podman run --rm -v "$PWD:/data" -v tiny:/state a/tiny:2 score in.csv -o out.csv\n')


def test_what_is_there_already_is_not_replaced(tiny_box: Path, key: Path, tmp_path: Path) -> None:
    (tmp_path / "image.tar").write_text("mine")
    ended = container(tiny_box, key, tmp_path / "image.tar")
    assert ended.exit_code == 2
    assert "is there already" in ended.stderr
    assert (tmp_path / "image.tar").read_text() == "mine"


@pytest.mark.parametrize("words", [(), ("--containerfile",)])
def test_what_freeze_refuses_is_passed_on_and_leaves_nothing(
    tiny_box: Path, key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    def fail(*_: object) -> None:
        raise ToolError("PyInstaller failed with 3")

    monkeypatch.setattr(image, "freeze", fail)
    monkeypatch.setattr(context, "freeze", fail)
    ended = container(tiny_box, key, tmp_path / "out" / "image", *words)
    assert ended.exit_code == 10
    assert "PyInstaller failed with 3" in ended.stderr
    assert list((tmp_path / "out").iterdir()) == []


def test_a_disk_that_fills_up_while_it_is_packed_leaves_nothing(
    tiny_box: Path, key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", str(tmp_path))

    monkeypatch.setattr(image, "write_archive", full)
    ended = container(tiny_box, key, tmp_path / "out" / "image.tar")
    assert ended.exit_code == 10
    assert "free some space" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("words", [(), ("--containerfile",)])
def test_a_disk_without_room_is_told_by_the_folder_that_was_named(
    tiny_box: Path, key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    free = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: free)
    ended = container(tiny_box, key, tmp_path / "out" / "image", *words)
    assert ended.exit_code == 10
    assert f"{tmp_path / 'out'}: its disk has 0 MB free" in ended.stderr


@pytest.mark.parametrize("words", [(), ("--containerfile",)])
def test_other_systems_are_told_where_to_make_it(
    tiny_box: Path, key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    ended = container(tiny_box, key, tmp_path / "out" / "image", *words)
    assert ended.exit_code == 10
    assert "run this on a Linux machine" in ended.stderr
    assert "hakobu kit BUNDLE --target linux-x86_64" in ended.stderr
    assert not (tmp_path / "out").exists()


def test_a_linux_without_glibc_is_refused(
    tiny_box: Path, key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(name: str) -> str:
        raise ValueError("unrecognized configuration name")

    monkeypatch.setattr(os, "confstr", unknown)
    ended = container(tiny_box, key, tmp_path / "image.tar")
    assert ended.exit_code == 10
    assert "is not glibc" in ended.stderr


@pytest.mark.parametrize("text", ["yesterday", "-1", "1.5", "99999999999999"])
def test_a_time_that_is_none_is_refused_before_anything_is_made(
    tiny_box: Path, key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", text)
    ended = container(tiny_box, key, tmp_path / "image.tar")
    assert ended.exit_code == 2
    assert f"SOURCE_DATE_EPOCH: '{text}'" in ended.stderr


def test_a_bundle_of_another_key_gets_no_image(tiny_box: Path, tmp_path: Path) -> None:
    key = tmp_path / "other.pub"
    key.write_bytes(PrivateKey.generate().public.pem)
    assert container(tiny_box, key, tmp_path / "image.tar").exit_code == 5


def test_a_folder_for_a_base_of_ones_own_has_the_program_and_how_to_build(make: Make) -> None:
    folder = make("context", "--containerfile")
    assert sorted(path.name for path in folder.iterdir()) == [
        ".containerignore",
        "Containerfile",
        "state",
        "tiny-1.0.0",
    ]
    text = (folder / "Containerfile").read_text()
    assert "\nFROM ${BASE}\n" in text
    assert "\nCOPY tiny-1.0.0/ /opt/tiny/\n" in text
    assert "\nUSER 65532:65532\n" in text
    assert text.endswith('\nENTRYPOINT ["/opt/tiny/tiny"]\n')
    assert (folder / "tiny-1.0.0" / "tiny").read_bytes() == TRUE.read_bytes()
    kept = (folder / ".containerignore").read_text().splitlines()[1:]
    assert kept == ["*", "!tiny-1.0.0", "!state"]


@pytest.mark.parametrize(
    ("library", "base"),
    [
        ("glibc 2.28", "debian:12-slim"),
        ("glibc 2.36", "debian:12-slim"),
        ("glibc 2.39", "debian:13-slim"),
        ("glibc 2.99", "debian:testing-slim"),
    ],
)
def test_the_base_is_never_older_than_the_system_here(library: str, base: str) -> None:
    assert context.base_for(library) == base
