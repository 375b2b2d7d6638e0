"""Shared calls: which rows of several callers may go out together, and in which queue they wait."""

from collections.abc import Iterator, Sequence

import numpy as np

from vitrine_client.results.profiles.profile import FASHION_MNIST
from vitrine_client.tfserving.tensors import Array
from vitrine_serving.gateway.inference.requests import SignatureCall
from vitrine_serving.gateway.models.reference import ModelRef

_BATCH_BYTES = 16 * 2**20
"""Of the levels of pictures that share a call."""


def most_rows(call: SignatureCall, rows: Array) -> int | None:
    """Returns how many rows may share a call, None for as many as of any."""
    profile = call.profile
    if profile is FASHION_MNIST:
        return None
    if not profile.batchable:
        return 1
    largest = max(map(len, rows), default=0) if rows.dtype == object else rows[:1].nbytes
    return max(1, _BATCH_BYTES // max(1, largest))


def parts_of(call: SignatureCall, rows: Array | Sequence[Array]) -> Iterator[Array]:
    """Yields as many rows as may share a call; each alone where they may not."""
    if not isinstance(rows, np.ndarray):
        yield from (row[None] for row in rows)
        return
    size = (most_rows(call, rows) or len(rows)) if call.profile.shares_calls else 1
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def bytes_of(rows: Array) -> int:
    """Returns the bytes of rows: of their numbers, or of the encoded pictures that they are."""
    return sum(map(len, rows)) if rows.dtype == object else rows.nbytes


def queue_name(call: SignatureCall) -> SignatureCall:
    """Returns the call that stands for all that wait with it: of another model than ours those of
    every version and size, as one server computes them all."""
    if call.profile is FASHION_MNIST:
        return call
    return call._replace(model=ModelRef(call.model.model), shape=())
