"""Rehearsal of a load: a Keras model is first built without memory for its weights.

How large a model becomes is known only once it is built, as its weights go with products of its
layers' numbers and of what comes before them. In Keras' stateless scope they have shapes alone.
"""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import keras

_ITEM = 4  # bytes of a float32


def bytes_of_weights(load: Callable[[], Any]) -> int:
    """Returns the bytes that the weights of a model would take, in float32. Raises what `load`
    raises.

    In a thread of its own, as Keras keeps for each thread what is still to be initialized.
    """
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(_rehearsed, load).result()


def _rehearsed(load: Callable[[], Any]) -> int:
    with keras.StatelessScope(initialize_variables=False):
        weights = getattr(load(), "variables", [])
        return sum(math.prod(each.shape) for each in weights) * _ITEM
