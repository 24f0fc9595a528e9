"""Scoring rows in memory: checked, predicted, counted."""
