"""What the launcher of the kit starts: the model's own commands, in a venv that is made at the first start."""

import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.dont_write_bytecode = True  # the kit stays as it was made

import installing  # noqa: E402  an isolated Python does not look here


def main():
    """Become the program, or on Windows, which knows no such thing, wait for it."""
    words = sys.argv[1:]
    launcher = installing.LAUNCHER
    marked = any((launcher.parent / mark).exists() for mark in ("portable", "portable.txt"))
    python = installing.installed("run.txt", say, portable="--portable" in words or marked)
    environment = {**os.environ, "HAKOBU_KIT": str(launcher)}
    command = [str(python), "-I", *([] if os.name == "nt" else ["-X", "utf8"]), "-m", "hakobu_runtime.frozen", *words]
    if os.name != "nt":
        os.execve(python, command, environment)  # noqa: S606  no shell is wanted
    with subprocess.Popen(command, env=environment) as process:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:  # it got that, too, and ends as it thinks right
                continue


def say():
    """Tell why the first start takes longer."""
    name, version = installing.TOLD["model"], installing.TOLD["version"]
    sys.stderr.write(f"{name}: the first start of {name} {version} here: installing it, once, with no network\n")
    sys.stderr.flush()


installing.run_main(main)
