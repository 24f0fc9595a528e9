"""Boosted trees of other libraries: read into one form, and written from it as ONNX."""
