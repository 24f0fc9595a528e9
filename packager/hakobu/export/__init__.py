"""Export: a fitted estimator becomes ONNX bytes that compute the same."""
