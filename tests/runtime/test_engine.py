"""What onnxruntime says of its own when it is imported, and of what it must not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HIDDEN = "import hakobu_runtime.engine as engine, pathlib, os, sys; engine._PROCESSOR = pathlib.Path('/nowhere'); "
NOISY = "import os\nos.write(2, b'Error in cpuinfo\\n')\n"


def said(tmp_path: Path, module: str, script: str, *, closed: bool = False) -> subprocess.CompletedProcess[str]:
    """Run `script` with `module` in the place of onnxruntime."""
    (tmp_path / "onnxruntime.py").write_text(module)
    command = [sys.executable, "-c", script]
    return subprocess.run(
        ["sh", "-c", '"$@" 2>&-', "sh", *command] if closed else command,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(tmp_path), *sys.path))},
        capture_output=True,
        text=True,
    )


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a processor that hides")
def test_no_word_on_a_hidden_processor_reaches_stderr_and_later_words_do(tmp_path: Path) -> None:
    ended = said(tmp_path, NOISY, f"{HIDDEN}engine.onnxruntime(); os.write(2, b'later')")
    assert (ended.returncode, ended.stderr) == (0, "later")


def test_where_the_processor_is_known_nothing_is_held_back(tmp_path: Path) -> None:
    script = "import hakobu_runtime.engine as engine; engine.hides_processor = lambda: False; engine.onnxruntime()"
    assert said(tmp_path, NOISY, script).stderr == "Error in cpuinfo\n"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a processor that hides")
def test_an_import_that_fails_is_told(tmp_path: Path) -> None:
    ended = said(tmp_path, "raise ImportError('libx is missing')", f"{HIDDEN}engine.onnxruntime()")
    assert ended.stderr.splitlines()[-1] == "ImportError: libx is missing"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a processor that hides")
def test_a_closed_stderr_changes_nothing(tmp_path: Path) -> None:
    ended = said(tmp_path, "name = 'x'", f"{HIDDEN}print(engine.onnxruntime().name)", closed=True)
    assert (ended.returncode, ended.stdout) == (0, "x\n")
