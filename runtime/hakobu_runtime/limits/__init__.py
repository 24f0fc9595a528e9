"""Limits, verdicts and reasons: pure functions from a block of rows and a manifest."""
