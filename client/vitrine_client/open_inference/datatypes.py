"""Datatypes of the Open Inference Protocol, and NumPy's dtypes for them.

Sizes are those of the binary tensor extension, little-endian:
https://github.com/kserve/open-inference-protocol (inference_rest.md, "Tensor Data Types").
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from vitrine_client.errors import InvalidRequest

Array = npt.NDArray[Any]


class Datatype(NamedTuple):
    """Datatype: its name, NumPy's dtype, and the field of gRPC's contents.

    BF16, which NumPy lacks, is uint16 with its bits; BYTES is an object array of `bytes`. Those
    without a `field` travel as raw bytes alone, as JSON has no form for them either.
    """

    name: str
    dtype: np.dtype[Any]
    field: str = ""


DATATYPES = {
    each.name: each
    for each in (
        Datatype("BOOL", np.dtype(np.bool_), "bool_contents"),
        Datatype("UINT8", np.dtype(np.uint8), "uint_contents"),
        Datatype("UINT16", np.dtype("<u2"), "uint_contents"),
        Datatype("UINT32", np.dtype("<u4"), "uint_contents"),
        Datatype("UINT64", np.dtype("<u8"), "uint64_contents"),
        Datatype("INT8", np.dtype(np.int8), "int_contents"),
        Datatype("INT16", np.dtype("<i2"), "int_contents"),
        Datatype("INT32", np.dtype("<i4"), "int_contents"),
        Datatype("INT64", np.dtype("<i8"), "int64_contents"),
        Datatype("FP16", np.dtype("<f2")),
        Datatype("BF16", np.dtype("<u2")),
        Datatype("FP32", np.dtype("<f4"), "fp32_contents"),
        Datatype("FP64", np.dtype("<f8"), "fp64_contents"),
        Datatype("BYTES", np.dtype(object), "bytes_contents"),
    )
}

_BY_DTYPE = {each.dtype: each for each in DATATYPES.values() if each.name != "BF16"}


def named(name: str) -> Datatype:
    """Returns the datatype of a name. Raises `InvalidRequest` where there is none."""
    found = DATATYPES.get(name)
    if found is None:
        raise InvalidRequest(f"{name!r} is no datatype; they are {', '.join(DATATYPES)}")
    return found


def of_dtype(dtype: np.dtype[Any]) -> Datatype:
    """Returns the datatype of an array. Raises `InvalidRequest` where the protocol has none."""
    if dtype.kind in "SU":
        return DATATYPES["BYTES"]
    found = _BY_DTYPE.get(dtype)
    if found is None:
        raise InvalidRequest(f"The Open Inference Protocol has no dtype {dtype}; convert the array")
    return found
