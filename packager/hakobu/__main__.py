"""`python -m hakobu` is `hakobu`."""

from hakobu.cli.main import main

main(prog_name="hakobu")
