import io
import json
import os
import stat
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, load_from_string

from hakobu_runtime.bundle import MAX_BUNDLE_SIZE, MAX_SIZES, open_bundle, pack_files, read_bundle
from hakobu_runtime.errors import BundleError, HakobuError, TrustError
from hakobu_runtime.format.archive import write_archive
from hakobu_runtime.trust import Keyring, Pin, PrivateKey, sign

Files = Mapping[str, bytes]


@pytest.fixture(autouse=True)
def no_onnxruntime(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any import of onnxruntime while a box is opened fails the test with an ImportError."""
    monkeypatch.setitem(sys.modules, "onnxruntime", None)


def signed(files: Files, key: PrivateKey) -> dict[str, bytes]:
    return {**files, "model.sig": sign(files, key)}


def refusal(content: bytes, ring: Keyring) -> HakobuError:
    with pytest.raises((BundleError, TrustError)) as caught:
        read_bundle(content, "/stick/x.hako", ring)
    assert str(caught.value).startswith("/stick/x.hako: ")
    assert "\n" not in str(caught.value)
    return caught.value


def test_a_good_box_opens_with_all_its_parts(tiny_box: Path, tiny_files: Files, keyring: Keyring) -> None:
    bundle = open_bundle(tiny_box, keyring)
    assert bundle.path == tiny_box
    assert bundle.digest == sha256(tiny_box.read_bytes()).hexdigest()
    assert bundle.manifest.name == "tiny"
    assert bundle.model == tiny_files["model.onnx"]
    assert len(bundle.golden) == 3
    assert not bundle.validation.failed
    assert bundle.card.startswith("---")
    assert json.loads(bundle.sbom)["bomFormat"] == "CycloneDX"
    assert bundle.pin == keyring.pins[0]
    assert len(repr(bundle)) < 5_000


def test_the_same_files_give_the_same_bytes_in_any_order(tiny_files: Files, release_key: PrivateKey) -> None:
    files = signed(tiny_files, release_key)
    assert pack_files(files) == pack_files(signed({name: tiny_files[name] for name in sorted(tiny_files)}, release_key))


def test_other_zip_readers_agree_and_see_stored_entries_of_1980(tiny_box: Path, tiny_files: Files) -> None:
    with zipfile.ZipFile(tiny_box) as box:
        assert box.testzip() is None
        assert box.namelist() == sorted([*tiny_files, "model.sig"])
        for entry in box.infolist():
            assert (entry.compress_type, entry.date_time) == (zipfile.ZIP_STORED, (1980, 1, 1, 0, 0, 0))
            assert not entry.extra
            if entry.filename in tiny_files:
                assert box.read(entry) == tiny_files[entry.filename]


def test_packing_refuses_a_wrong_set_of_files(tiny_files: Files) -> None:
    with pytest.raises(BundleError, match=r"lacks model\.sig"):
        pack_files(tiny_files)


def test_a_box_cut_short_anywhere_is_refused(tiny_box: Path, keyring: Keyring) -> None:
    content = tiny_box.read_bytes()
    for size in {0, 1, 3, 4, 21, 22, *range(30, len(content), 97), len(content) - 1}:
        error = refusal(content[:size], keyring)
        assert error.exit_code == 4
        assert any(words in str(error) for words in ("cut short", "is empty", "not a .hako bundle")), error


@pytest.fixture(scope="module")
def box_bytes(tiny_files: Files, release_key: PrivateKey) -> bytes:
    return pack_files(signed(tiny_files, release_key))


@given(where=st.integers(0), change=st.integers(1, 255))
@settings(max_examples=500, deadline=None)
def test_no_byte_of_a_box_can_be_changed(box_bytes: bytes, keyring: Keyring, where: int, change: int) -> None:
    content = bytearray(box_bytes)
    content[where % len(content)] ^= change
    refusal(bytes(content), keyring)


@given(where=st.integers(0), change=st.integers(1, 255), name=st.sampled_from(sorted(MAX_SIZES)))
@settings(max_examples=300, deadline=None)
def test_no_byte_of_any_file_can_be_changed_even_with_a_good_checksum(
    tiny_files: Files, release_key: PrivateKey, keyring: Keyring, where: int, change: int, name: str
) -> None:
    files = signed(tiny_files, release_key)
    content = bytearray(files[name])
    content[where % len(content)] ^= change
    error = refusal(write_archive({**files, name: bytes(content)}), keyring)
    assert isinstance(error, TrustError)
    if name != "model.sig":
        assert f"changed after signing: {name}" in str(error)


@given(st.binary(max_size=300) | st.binary(max_size=300).map(lambda rest: b"PK\x03\x04" + rest))
def test_rubbish_is_no_box(keyring: Keyring, content: bytes) -> None:
    assert refusal(content, keyring).exit_code == 4


def zipped(files: Files, change: Callable[[zipfile.ZipInfo], object] | None = None) -> bytes:
    """The files as another program would zip them, each entry changed a little."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as box:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            if change and name == "golden.json":
                change(entry)
            box.writestr(entry, files[name])
    return target.getvalue()


def with_name(files: Files, name: str) -> bytes:
    """A box whose card goes by another name of the same length."""
    return write_archive(files).replace(b"MODEL_CARD.md", name.ljust(13, "_").encode())


def twice(files: Files) -> bytes:
    return write_archive({**files, "golden.jsom": b"{}"}).replace(b"golden.jsom", b"golden.json")


def encrypted(files: Files) -> bytes:
    content = bytearray(write_archive(files))
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


def many(files: Files) -> bytes:
    return write_archive({**files, **{f"f{number}": b"" for number in range(100)}})


def commented(files: Files) -> bytes:
    target = io.BytesIO(write_archive(files))
    with zipfile.ZipFile(target, "a") as box:
        box.comment = b"hello"
    return target.getvalue()


def overlapping(files: Files) -> bytes:
    """Every entry points at the first one's bytes, claims nearly all there are, and has the right checksum for it."""
    content = bytearray(write_archive(files))
    start = content.index(b"PK\x01\x02")
    at, size = start, start - 64
    for _ in files:
        name_size = int.from_bytes(content[at + 28 : at + 30], "little")
        checksum = zlib.crc32(content[30 + name_size : 30 + name_size + size])
        content[at + 16 : at + 28] = b"".join(number.to_bytes(4, "little") for number in (checksum, size, size))
        content[at + 42 : at + 46] = bytes(4)
        at += 46 + name_size
    return bytes(content)


ZIPS: dict[str, tuple[Callable[[Files], bytes], str]] = {
    "extra file": (lambda files: write_archive({**files, "extra.txt": b"x"}), "it holds extra.txt"),
    "missing file": (lambda files: write_archive({n: c for n, c in files.items() if n != "golden.json"}), "it lacks"),
    "duplicate": (twice, "it holds 'golden.json' twice"),
    "compressed": (
        lambda files: zipped(files, lambda e: setattr(e, "compress_type", zipfile.ZIP_DEFLATED)),
        "is compressed",
    ),
    "encrypted": (encrypted, "is encrypted"),
    "dot dot": (lambda files: with_name(files, "../evil"), "'..'"),
    "dot dot within": (lambda files: with_name(files, "a/../../evil"), "'..'"),
    "dot dot of Windows": (lambda files: with_name(files, "..\\evil"), "'..'"),
    "absolute": (lambda files: with_name(files, "/etc/passwd"), "absolute path"),
    "drive": (lambda files: with_name(files, "C:evil"), "absolute path"),
    "folder in a name": (lambda files: with_name(files, "a/b"), "odd name"),
    "not ascii": (lambda files: write_archive(files).replace(b"MODEL_CARD.md", b"MODEL_CARD.\xc3\xa9"), "odd name"),
    "control characters": (lambda files: with_name(files, "a\nb"), "odd name"),
    "link": (
        lambda files: zipped(files, lambda e: setattr(e, "external_attr", (stat.S_IFLNK | 0o777) << 16)),
        "golden.json is a link",
    ),
    "device": (
        lambda files: zipped(files, lambda e: setattr(e, "external_attr", (stat.S_IFCHR | 0o777) << 16)),
        "a folder or a device",
    ),
    "extra field": (lambda files: zipped(files, lambda e: setattr(e, "extra", b"\x99\x99\x00\x00")), "extra fields"),
    "entry comment": (lambda files: zipped(files, lambda e: setattr(e, "comment", b"hi")), "a comment"),
    "comment": (commented, "a comment"),
    "trailing bytes": (lambda files: write_archive(files) + b"x", "bytes after its end"),
    "leading bytes": (lambda files: b"PK\x03\x04" + write_archive(files), "damaged"),
    "too many entries": (many, "it holds 108 entries"),
    "overlapping entries": (overlapping, "its table of contents is damaged"),
    "damaged file": (
        lambda files: write_archive(files).replace(b"CycloneDX", b"CycloneDY"),
        "sbom.cdx.json is damaged, its checksum does not fit",
    ),
    "other dates": (
        lambda files: zipped(files, lambda e: setattr(e, "date_time", (2020, 1, 1, 0, 0, 0))),
        "not as hakobu writes it",
    ),
    "other rights": (lambda files: zipped(files, lambda e: setattr(e, "external_attr", 0)), "not as hakobu writes it"),
}


@pytest.mark.parametrize(("make", "words"), ZIPS.values(), ids=ZIPS)
def test_a_hostile_zip_is_refused_before_its_signature_is_looked_at(
    tiny_files: Files, release_key: PrivateKey, make: Callable[[Files], bytes], words: str
) -> None:
    error = refusal(make(signed(tiny_files, release_key)), Keyring())
    assert error.exit_code == 4
    assert words in str(error)


def test_a_huge_file_is_refused_before_it_is_read(
    tmp_path: Path, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "huge.hako"
    path.touch()
    os.truncate(path, MAX_BUNDLE_SIZE + 1)
    monkeypatch.delattr(Path, "open")
    with pytest.raises(BundleError, match=rf"{path}: it is {MAX_BUNDLE_SIZE + 1:,} bytes long"):
        open_bundle(path, keyring)


def test_a_file_in_the_box_beyond_its_size_is_refused(
    tiny_files: Files, release_key: PrivateKey, keyring: Keyring
) -> None:
    files = {**tiny_files, "MODEL_CARD.md": bytes(MAX_SIZES["MODEL_CARD.md"] + 1)}
    error = refusal(write_archive(signed(files, release_key)), keyring)
    assert (error.exit_code, "MODEL_CARD.md is 4,194,305 bytes long" in str(error)) == (4, True)


def test_what_is_no_readable_file_is_refused_with_a_remedy(
    tmp_path: Path, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    locked = tmp_path / "locked.hako"
    locked.touch()
    with pytest.raises(BundleError, match=r"none\.hako: there is no such file: check the name"):
        open_bundle(tmp_path / "none.hako", keyring)
    with pytest.raises(BundleError, match="a folder or a device, not a file"):
        open_bundle(tmp_path, keyring)
    with pytest.raises(BundleError, match="pipe: this is a folder or a device"):
        open_bundle(pipe, keyring)
    with pytest.raises(BundleError, match="it cannot be read"):
        open_bundle(locked / "x", keyring)

    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(BundleError, match=r"it cannot be read \(Permission denied\): check its permissions"):
        open_bundle(locked, keyring)


def test_a_box_of_an_unknown_key_is_refused(tiny_files: Files, keyring: Keyring) -> None:
    error = refusal(pack_files(signed(tiny_files, PrivateKey.generate())), keyring)
    assert (error.exit_code, "not trusted here" in str(error)) == (5, True)


def test_a_box_with_the_signature_of_another_box_is_refused(
    tiny_files: Files, release_key: PrivateKey, keyring: Keyring
) -> None:
    other = {name: content + b"\n" for name, content in tiny_files.items()}
    error = refusal(pack_files({**tiny_files, "model.sig": sign(other, release_key)}), keyring)
    assert (error.exit_code, "belongs to another box" in str(error)) == (5, True)


def test_a_signature_written_anew_is_refused_for_it_would_change_the_digest(
    tiny_files: Files, release_key: PrivateKey, keyring: Keyring
) -> None:
    rewritten = json.dumps(json.loads(sign(tiny_files, release_key))).encode()
    error = refusal(pack_files({**tiny_files, "model.sig": rewritten}), keyring)
    assert (error.exit_code, "written anew" in str(error)) == (5, True)


@pytest.mark.parametrize("curve", ["P-256", "P-384"])
def test_any_of_several_pinned_keys_opens_a_box(tiny_files: Files, keyring: Keyring, curve: str) -> None:
    key = PrivateKey.generate(curve)
    content = pack_files(signed(tiny_files, key))
    assert read_bundle(content, "x", keyring.add(Pin(key.public))).pin.key == key.public
    assert refusal(content, keyring).exit_code == 5


def test_a_key_for_other_models_is_refused(tiny_box: Path, release_key: PrivateKey) -> None:
    with pytest.raises(TrustError, match=rf"{tiny_box}: the key .* may sign late-\*, other, but .* 'tiny'"):
        open_bundle(tiny_box, Keyring((Pin(release_key.public, ("late-*", "other")),)))
    assert open_bundle(tiny_box, Keyring((Pin(release_key.public, ("t*",)),))).manifest.name == "tiny"


def swap(name: str, old: bytes, new: bytes) -> Callable[[Files], Files]:
    def change(files: Files) -> Files:
        assert old in files[name]
        return {**files, name: files[name].replace(old, new)}

    return change


def external(files: Files) -> Files:
    model = load_from_string(files["model.onnx"])
    model.graph.initializer[0].data_location = TensorProto.EXTERNAL
    model.graph.initializer[0].external_data.add(key="location", value="../../etc/passwd")
    return {**files, "model.onnx": model.SerializeToString()}


def loop(files: Files) -> Files:
    model = load_from_string(files["model.onnx"])
    body = helper.make_graph([], "body", [], [])
    model.graph.node.append(helper.make_node("Loop", ["", ""], ["out"], body=body))
    return {**files, "model.onnx": model.SerializeToString()}


def custom_domain(files: Files) -> Files:
    model = load_from_string(files["model.onnx"])
    model.opset_import.append(helper.make_opsetid("com.evil", 1))
    model.graph.node.append(helper.make_node("Run", ["numbers"], ["out"], domain="com.evil"))
    return {**files, "model.onnx": model.SerializeToString()}


CONTENTS: dict[str, tuple[Callable[[Files], Files], str]] = {
    "old format": (swap("manifest.json", b"hakobu.manifest/1", b"hakobu.manifest/0"), "has the format 'hakobu.man"),
    "new format": (swap("manifest.json", b"hakobu.manifest/1", b"hakobu.manifest/2"), "build the bundle again"),
    "newer runtime": (swap("manifest.json", b'"0.1.0"', b'"9.0.0"'), "needs hakobu-runtime 9.0.0"),
    "damaged manifest": (lambda files: {**files, "manifest.json": b"{"}, "manifest.json: "),
    "unknown field": (swap("manifest.json", b'"target"', b'"tarqet"'), "tarqet"),
    "odd name": (swap("manifest.json", b'"tiny"', b'"../x"'), "model name '../x'"),
    "golden rows of another table": (swap("golden.json", b'"temp"', b'"tmep"'), "golden.json lacks the column 'temp'"),
    "old golden format": (swap("golden.json", b"golden/1", b"golden/0"), "golden.json: "),
    "damaged validation": (lambda files: {**files, "validation.json": b"[]"}, "validation.json: "),
    "card in Latin-1": (lambda files: {**files, "MODEL_CARD.md": b"\xe9"}, "MODEL_CARD.md is not UTF-8"),
    "no model": (lambda files: {**files, "model.onnx": b"MZ\x90\x00"}, "model.onnx: "),
    "external data": (external, "model.onnx: it keeps weights in a file outside"),
    "Loop": (loop, "model.onnx: operator 'Loop' of ai.onnx is not allowed: it can run without end"),
    "custom domain": (custom_domain, "model.onnx: it uses the operator domain 'com.evil'"),
    "other inputs": (swap("model.onnx", b"numbers", b"nombres"), "takes the inputs nombres"),
}


@pytest.mark.parametrize(("change", "words"), CONTENTS.values(), ids=CONTENTS)
def test_a_well_signed_box_with_bad_content_is_still_refused(
    tiny_files: Files, release_key: PrivateKey, keyring: Keyring, change: Callable[[Files], Files], words: str
) -> None:
    error = refusal(pack_files(signed(change(tiny_files), release_key)), keyring)
    assert error.exit_code == 4
    assert words in str(error)


def test_nothing_is_parsed_before_the_signature_holds(tiny_files: Files, keyring: Keyring) -> None:
    rubbish = dict.fromkeys(tiny_files, b"\xff")
    assert refusal(pack_files(signed(rubbish, PrivateKey.generate())), keyring).exit_code == 5


OPEN_ALL = """
import sys
from pathlib import Path
from hakobu_runtime.bundle import open_bundle
from hakobu_runtime.errors import HakobuError
from hakobu_runtime.trust import Keyring
ring = Keyring.from_json(Path(sys.argv[1]).read_bytes(), "trust.json")
for path in sys.argv[2:]:
    try:
        open_bundle(Path(path), ring)
        code = 0
    except HakobuError as error:
        code = error.exit_code
    print(Path(path).stem, code, sorted({"onnxruntime", "onnx", "google.protobuf"} & set(sys.modules)))
"""


def test_opening_never_imports_onnxruntime_nor_onnx(tiny_box: Path, tiny_files: Files, release_key: PrivateKey) -> None:
    bad = tiny_box.parent / "bad.hako"
    bad.write_bytes(pack_files(signed(loop(tiny_files), release_key)))
    trust = tiny_box.parent / "trust.json"
    trust.write_bytes(Keyring((Pin(release_key.public),)).to_json())
    done = subprocess.run(
        [sys.executable, "-c", OPEN_ALL, trust, tiny_box, bad], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.splitlines() == ["tiny-1.0.0 0 []", "bad 4 []"]
