"""Makes an executable of this kit, for PCs like this one that have no Python; needs no network either."""

import argparse
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.dont_write_bytecode = True  # the kit stays as it was made

from installing import KIT, TOLD, KitError, installed, run, run_main  # noqa: E402  an isolated Python does not look here

_EPOCH = "315532800"


def main():
    """Make it, try it, and only then put it where it was asked for."""
    parser = argparse.ArgumentParser(prog="freeze", description=__doc__)
    parser.add_argument("--one-file", action="store_true", help="one file, which unpacks at each start, not a folder")
    parser.add_argument("-o", "--output", type=Path, default=Path(), metavar="DIR", help="where to put it (here)")
    asked = parser.parse_args()
    name = TOLD["model"]
    program = f"{name}.exe" if os.name == "nt" else name
    target = asked.output.absolute() / (program if asked.one_file else f"{name}-{TOLD['version']}")
    if os.path.lexists(target):
        raise KitError(f"{target}: is there already; move it away, or name another folder with -o", 2)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".freeze-") as work:
            python = installed(
                "freeze.txt", lambda: tell("installing PyInstaller from this kit, once, with no network")
            )
            made = freeze(python, Path(work), "" if asked.one_file else target.name) / target.name
            try_out(made if asked.one_file else made / program, Path(work))
            made.rename(target)
    except OSError as error:
        raise KitError(
            f"{error.filename or target.parent}: {error.strerror or error}; name another folder with -o", 10
        ) from error
    sys.stdout.write(f"frozen: {target}\n")
    return 0


def freeze(python, work, folder):
    """Let PyInstaller make the executable of the runtime, the bundle and the keys in this kit; return where it is."""
    with zipfile.ZipFile(next((KIT / "wheels").glob("hakobu_runtime-*.whl"))) as wheel:
        wheel.extractall(work / "runtime")
    command = [python, "-m", "PyInstaller", "--noconfirm", "--log-level", "WARN"]
    command += ["--workpath", work / "work", "--distpath", work / "dist", KIT / "build" / "freeze.spec", "--"]
    command += ["--name", TOLD["model"], "--runtime", work / "runtime", "--inside", KIT / "hakobu_inside"]
    command += ["--folder", folder] if folder else []
    variables = {
        "SOURCE_DATE_EPOCH": os.environ.get("SOURCE_DATE_EPOCH", _EPOCH),
        "PYTHONHASHSEED": "0",
        "PYTHONNOUSERSITE": "1",
        "PYINSTALLER_CONFIG_DIR": str(work / "config"),
    }
    tell("making the executable, which takes a minute")
    run("PyInstaller", command, "mend what it says, and run this again", work, **variables)
    return work / "dist"


def try_out(program, work):
    """Let the executable try the golden rows on this PC, with nothing in its environment."""
    nothing = {"SYSTEMROOT": os.environ.get("SYSTEMROOT", "C:\\Windows")} if os.name == "nt" else {}
    for words in (["--version"], ["--state", str(work / "state"), "doctor"]):
        done = subprocess.run(
            [str(program), *words], env=nothing, capture_output=True, encoding="utf-8", errors="replace", check=False
        )
        if done.returncode:
            said = (done.stdout + done.stderr).strip()
            raise KitError(f"{program.name} {words[-1]}: was made, but failed when it was tried. It said:\n{said}", 10)


def tell(words):
    """Say what is going on."""
    sys.stderr.write(f"freeze: {words}\n")
    sys.stderr.flush()


run_main(main)
