"""Serving: the gateway that people talk to, and an embedded stand-in for TensorFlow Serving."""

from typing import Any

__all__ = ["__version__"]

__version__: str


def __getattr__(name: str) -> Any:
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # Here, as it takes 30 ms, before which no command has its handlers of signals.
    from importlib.metadata import version

    return version("vitrine-serving")
