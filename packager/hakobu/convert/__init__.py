"""Convert: a fitted model on disk, proven row by row on its way to ONNX, or refused with a reason."""
