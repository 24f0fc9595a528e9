"""The gates: what every build must pass before a bundle is written."""
