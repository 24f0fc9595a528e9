"""Executables with a model inside, for PCs that have no Python."""
