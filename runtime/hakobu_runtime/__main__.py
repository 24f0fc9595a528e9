"""`python -m hakobu_runtime` is `hakobu-run`."""

from hakobu_runtime.cli import main

main(prog_name="hakobu-run")
