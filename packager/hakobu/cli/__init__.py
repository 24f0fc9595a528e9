"""The command `hakobu`."""
