"""The runtime's wheel, alone in a venv, verifies and scores: no scikit-learn, no pandas, no builder."""

import subprocess
import sys
import venv
from pathlib import Path

import pytest

from hakobu_runtime.trust import PrivateKey

ROOT = Path(__file__).resolve().parents[2]
ALLOWED = {
    "arro3-core", "arro3-io", "backports.zstd", "cffi", "click", "cryptography", "flatbuffers", "hakobu-runtime",
    "msgspec", "numpy", "onnxruntime", "packaging", "platformdirs", "protobuf", "pycparser", "securesystemslib", "tuf",
    "typing-extensions", "urllib3",
}  # fmt: skip

SCRIPT = """
import importlib.util, sys
from hakobu_runtime import load
assert importlib.util.find_spec("sklearn") is None and importlib.util.find_spec("hakobu") is None
scorer = load(sys.argv[1], trust=sys.argv[2])
row = {"load": 60, "shifts": 2, "hot": True, "line": "A", "maker": "maker 1", "when": "2026-01-05T10:00"}
print(scorer.score_one(row).verdict)
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A venv that holds the runtime's wheel and what it depends on."""
    folder = tmp_path_factory.mktemp("alone")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT / "runtime")]
    subprocess.run(build, check=True, capture_output=True)
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / "bin" / "python"
    wheel = next(folder.glob("*.whl"))
    constraints = ROOT / "build" / "constraints.txt"
    install = [str(python), "-m", "pip", "install", "-q", "-c", str(constraints), str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    return python


def test_the_wheel_brings_only_what_the_runtime_needs(python: Path) -> None:
    listed = subprocess.run(
        [str(python), "-m", "pip", "list", "--format=freeze"], capture_output=True, text=True, check=True
    )
    names = {line.partition("==")[0].lower().replace("_", "-") for line in listed.stdout.split()}
    assert names - {"pip", "setuptools"} <= ALLOWED


def test_the_wheel_alone_scores(python: Path, machines_box: Path, release_key: PrivateKey, tmp_path: Path) -> None:
    key = tmp_path / "release.pub"
    key.write_bytes(release_key.public.pem)
    command = [str(python), "-c", SCRIPT, str(machines_box), str(key)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "ok"), done.stderr
