"""Serving: the gateway that people talk to, and an embedded stand-in for TensorFlow Serving."""

from importlib.metadata import version as _version

__all__ = ["__version__"]

__version__ = _version("vitrine-serving")
