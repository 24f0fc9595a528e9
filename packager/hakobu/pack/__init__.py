"""Packing: from a project to one signed bundle."""
