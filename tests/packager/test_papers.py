"""The papers in the box, where its sources come from, and building it again."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from huggingface_hub import ModelCard

from hakobu.cli.main import main
from hakobu.pack.build import build
from hakobu.pack.packages import closure
from hakobu.project import read_project
from hakobu_runtime.bundle import Bundle, open_bundle
from hakobu_runtime.format.manifest import Provenance
from hakobu_runtime.trust import Keyring, PrivateKey


def test_the_bill_of_materials_is_valid_cyclonedx_and_names_the_model_and_exact_packages(machines: Bundle) -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(machines.sbom.decode()) is None
    bill = json.loads(machines.sbom)
    model = bill["metadata"]["component"]
    assert model["type"] == "machine-learning-model"
    assert model["hashes"] == [{"alg": "SHA-256", "content": hashlib.sha256(machines.model).hexdigest()}]
    libraries = {one["name"]: one["version"] for one in bill["components"] if one["type"] == "library"}
    assert libraries == machines.manifest.provenance.packages
    assert {"hakobu", "hakobu-runtime", "scikit-learn", "onnx", "numpy"} <= libraries.keys()
    assert "pytest" not in libraries, "what merely is installed beside is no part of the model"


def test_a_broken_bill_is_seen_by_the_validator(machines: Bundle) -> None:
    bill = json.loads(machines.sbom)
    bill["metadata"]["component"]["type"] = "model"
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bill)) is not None


def test_the_model_card_has_the_header_of_hugging_face(machines: Bundle) -> None:
    card: Any = ModelCard(machines.card)
    assert card.data.pipeline_tag == "tabular-classification"
    assert card.data.library_name == "onnx"
    assert card.data.model_name == "machines"
    results = {one.metric_type: one.metric_value for one in card.data.eval_results or ()}
    assert results["roc_auc"] == pytest.approx(machines.manifest.metrics["roc_auc"].holdout, abs=1e-6)
    assert "## Gates" in card.text


def test_packages_are_what_is_needed_and_nothing_else() -> None:
    found = closure(("scikit-learn",))
    assert {"scikit-learn", "numpy", "scipy", "joblib", "threadpoolctl"} <= found.keys()
    assert "matplotlib" not in found, "that is one of its extras"
    assert closure(("no-such-package",)) == {}


@pytest.fixture
def copy(project: Path, tmp_path: Path) -> Path:
    return shutil.copytree(project, tmp_path / "copy", ignore=shutil.ignore_patterns("dist", "__pycache__"))


def provenance(folder: Path, key: PrivateKey, keyring: Keyring) -> Provenance:
    built = build(read_project(folder), key)
    assert built.path is not None
    return open_bundle(built.path, keyring).manifest.provenance


def git(folder: Path, *words: str) -> None:
    who = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
    subprocess.run(["git", "-C", str(folder), *words], check=True, capture_output=True, env=os.environ | who)


def test_the_commit_is_told_and_whether_files_differ_from_it(
    copy: Path, release_key: PrivateKey, keyring: Keyring
) -> None:
    git(copy, "init", "-q")
    assert provenance(copy, release_key, keyring).git is None, "nothing of it is in git yet"
    shutil.rmtree(copy / "dist")
    git(copy, "add", ".")
    git(copy, "commit", "-qm", "first")
    clean = provenance(copy, release_key, keyring).git
    assert clean is not None
    assert (len(clean.commit), clean.dirty) == (40, False), "what was built does not make it dirty"
    with (copy / "pipeline.py").open("a") as file:
        file.write("# changed\n")
    changed = provenance(copy, release_key, keyring).git
    assert changed is not None
    assert changed.dirty


def test_the_data_is_told_as_dvc_tracks_it(copy: Path, release_key: PrivateKey, keyring: Keyring) -> None:
    md5 = hashlib.md5((copy / "data.csv").read_bytes(), usedforsecurity=False).hexdigest()
    (copy / "data.csv.dvc").write_text(yaml.safe_dump({"outs": [{"md5": md5, "size": 5, "path": "data.csv"}]}))
    found = provenance(copy, release_key, keyring).dvc
    assert found is not None
    assert (found.file, found.md5, found.matches) == ("data.csv.dvc", md5, True)
    (copy / "data.csv.dvc").unlink()
    stages = {"stages": {"prepare": {"cmd": "x", "outs": [{"path": "data.csv", "md5": "0" * 32}]}}}
    (copy / "dvc.lock").write_text(yaml.safe_dump(stages))
    found = provenance(copy, release_key, keyring).dvc
    assert found is not None
    assert (found.file, found.matches) == ("dvc.lock", False)
    (copy / "dvc.lock").write_text("{ nothing: [")
    assert provenance(copy, release_key, keyring).dvc is None


def test_a_module_that_the_pipeline_imports_is_part_of_the_source(copy: Path, release_key: PrivateKey) -> None:
    (copy / "aside_of_pipeline.py").write_text("ROUNDS = 20\n")
    text = (copy / "pipeline.py").read_text().replace("max_iter=20", "max_iter=aside_of_pipeline.ROUNDS")
    (copy / "pipeline.py").write_text(f"import aside_of_pipeline\n{text}")
    key = copy / "key.pem"
    key.write_bytes(release_key.to_pem(None))
    script = (
        "import sys; from pathlib import Path; from hakobu.pack.build import build\n"
        "from hakobu.project import read_project; from hakobu.keys import read_private_key\n"
        "root = Path(sys.argv[1]); built = build(read_project(root), read_private_key(root / 'key.pem', None))\n"
        "from hakobu_runtime.bundle import open_bundle; from hakobu_runtime.trust import Keyring, Pin\n"
        "key = read_private_key(root / 'key.pem', None).public\n"
        "print(open_bundle(built.path, Keyring((Pin(key),))).manifest.provenance.source)"
    )
    sources = []
    for note in ("", "# a note\n"):
        with (copy / "aside_of_pipeline.py").open("a") as file:
            file.write(note)
        command = [sys.executable, "-c", script, str(copy)]
        sources.append(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert sources[0] != sources[1]


def rebuild(folder: Path, file: Path, key: Path) -> tuple[int, str]:
    told = CliRunner().invoke(main, ["rebuild", str(folder), "--check", str(file), "--key", str(key)])
    return told.exit_code, told.stdout


@pytest.fixture
def public(tmp_path: Path, release_key: PrivateKey) -> Path:
    path = tmp_path / "release.pub"
    path.write_bytes(release_key.public.pem)
    return path


def test_a_rebuild_elsewhere_is_bit_identical_and_writes_nothing(machines_box: Path, copy: Path, public: Path) -> None:
    code, words = rebuild(copy, machines_box, public)
    assert (code, words.startswith("bit-identical: machines 1.2.3, sha256 ")) == (0, True)
    assert not (copy / "dist").exists()


@pytest.mark.parametrize(
    ("file", "before", "after", "words"),
    [
        ("data.csv", ",yes\n", ",yes\n", ""),
        ("data.csv", "maker 1", "maker 9", "the data file is another one"),
        ("pipeline.py", "max_iter=20", "max_iter=21", "files of the project are others: pipeline.py "),
        ("hakobu.toml", 'version = "1.2.3"', 'version = "1.2.4"', "files of the project are others: hakobu.toml "),
    ],
)
def test_the_first_thing_that_differs_is_named(
    machines_box: Path, copy: Path, public: Path, file: str, before: str, after: str, words: str
) -> None:
    path = copy / file
    path.write_text(path.read_text().replace(before, after))
    code, told = rebuild(copy, machines_box, public)
    assert code == (3 if words else 0)
    assert words in told


def test_other_packages_are_named(
    machines_box: Path, copy: Path, public: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hakobu.pack.seal.packages_of", lambda estimator: {"hakobu": "0.1.0", "numpy": "1.0"})
    code, told = rebuild(copy, machines_box, public)
    assert code == 3
    assert "packages are others" in told
    assert "there, none here" in told


def test_a_bundle_of_another_project_is_refused(copy: Path, tiny_box: Path, public: Path) -> None:
    told = CliRunner().invoke(main, ["rebuild", str(copy), "--check", str(tiny_box), "--key", str(public)])
    assert told.exit_code == 9
    assert "is a bundle of 'tiny', and this project builds 'machines'" in told.stderr
