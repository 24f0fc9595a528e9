"""Depots: the static files that releases are published in, signed with The Update Framework."""
