"""Serving: the gateway that people talk to, and an embedded stand-in for TensorFlow Serving."""
