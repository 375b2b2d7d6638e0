"""Classification extension: the largest values of an output in its stead, as `value:index:label`.

https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_classification.md
"""

import math
from collections.abc import Sequence

import numpy as np

from vitrine_client.errors import InvalidRequest
from vitrine_client.open_inference.messages import RequestedOutput, V2Tensor
from vitrine_client.tfserving.tensors import Array

_NUMBERS = (
    *("UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64"),
    *("FP32", "FP64"),
)


def counts(outputs: Sequence[RequestedOutput]) -> dict[str, int]:
    """Returns the number of classes that each output is asked for, of those that are asked for
    any; where one is there twice, the first counts. Raises `InvalidRequest` where that is no
    number."""
    asked = dict[str, int]()
    for output in outputs:
        asked.setdefault(output.name, output.classification)
    return {name: count for name, count in asked.items() if count}


def classified(tensor: V2Tensor, count: int, labels: Sequence[str] = ()) -> V2Tensor:
    """Returns the `count` largest values of each row, or all if there are fewer: BYTES
    [rows, count], or [count] for an output of fewer than two dimensions, which is one row.

    Each is `value:index`, and `:label` where `labels` has the index; values have six digits, as
    Triton's. Of equal ones the first comes first, and NaN comes last. Raises `InvalidRequest` for
    a datatype that Triton has no classification for either.
    """
    if tensor.datatype not in _NUMBERS:
        raise InvalidRequest(
            f"Output {tensor.name!r} is {tensor.datatype}, which has no classification; ask for it "
            "without"
        )
    array = tensor.array
    counted = array.shape if array.ndim > 1 else (1, array.size)
    rows = array.reshape(counted[0], math.prod(counted[1:]))
    order = _descending(rows)[:, :count]
    values = np.take_along_axis(rows, order, axis=1)
    shape = order.shape if array.ndim > 1 else order.shape[1:]
    strings = np.empty(order.size, object)
    strings[:] = [
        _string(value, index, labels)
        for value, index in zip(values.ravel().tolist(), order.ravel().tolist(), strict=True)
    ]
    return V2Tensor(tensor.name, "BYTES", strings.reshape(shape), tensor.parameters)


def _descending(rows: Array) -> Array:
    """Returns the indices of each row's values, from the largest on."""
    if rows.dtype.kind == "f":
        return (-rows).argsort(axis=1, kind="stable")
    # Whole numbers have no negative of the least one: sorted from the end, and turned around.
    last = rows.shape[1] - 1
    return last - rows[:, ::-1].argsort(axis=1, kind="stable")[:, ::-1]


def _string(value: float, index: int, labels: Sequence[str]) -> bytes:
    number = f"{value:f}" if isinstance(value, float) else str(value)
    label = f":{labels[index]}" if index < len(labels) else ""
    return f"{number}:{index}{label}".encode()
