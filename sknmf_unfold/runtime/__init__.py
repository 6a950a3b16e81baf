"""Fitted models frame by frame in numpy, without torch: masks, streams and ONNX."""
