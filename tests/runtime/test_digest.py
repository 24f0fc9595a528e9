import hashlib
import subprocess
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from hakobu_runtime.device.state import change_keyring, open_state
from hakobu_runtime.digest import sha256, sha256_hex
from hakobu_runtime.trust import Pin, PrivateKey

SCORE = """
import sys
from hakobu_runtime.cli import main
sys.argv = ["hakobu-run", *sys.argv[1:]]
try:
    main()
except SystemExit as end:
    print(end.code or 0, sorted({"_hashlib", "_ssl", "lzma", "tempfile"} & set(sys.modules)), file=sys.stderr)
"""


@given(st.binary())
def test_the_digests_are_those_of_python(content: bytes) -> None:
    assert sha256(content) == hashlib.sha256(content).digest()
    assert sha256_hex(content) == hashlib.sha256(content).hexdigest()


def test_a_scoring_process_loads_openssl_but_once(tmp_path: Path, tiny_box: Path, release_key: PrivateKey) -> None:
    state = open_state(tmp_path / "state")
    change_keyring(state, lambda keyring: keyring.add(Pin(release_key.public)))
    table = tmp_path / "table.csv"
    table.write_text("temp,load\n3.0,1.0\n", encoding="utf-8")
    out = tmp_path / "out.csv"
    words = ["--state", state.root, "score", table, "-o", out, "--bundle", tiny_box]
    command = [sys.executable, "-c", SCORE, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1:] == ["0 []"], done.stderr
    assert out.is_file()
