"""Imports of thousands of modules at once, such as TensorFlow's."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def at_a_stretch() -> Iterator[None]:
    """Keeps the garbage collector off in its block: it would look through all that was imported so
    far, again and again, and find next to nothing; that is a sixth of what TensorFlow takes."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
