"""Inference: decoding, batching and prediction, without HTTP."""
