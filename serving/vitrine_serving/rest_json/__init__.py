"""Codec of TensorFlow Serving's JSON, to NumPy arrays and back; knows no TensorFlow, no HTTP.

The embedded model server and the gateway answer with it. Nonsense raises a `ServingError` in the
words of TensorFlow Serving's json_tensor.cc.
"""
