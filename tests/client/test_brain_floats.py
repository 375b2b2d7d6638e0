"""Answers in bfloat16, as models of mixed precision give them."""

import numpy as np
import pytest

from vitrine_client.errors import ServerError
from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_client.tfserving.tensors import from_tensor

BITS = (0x3F80, 0x3F00, 0xC000, 0x7FC0)
SHAPE = wire.TensorShape(dim=[wire.TensorShape.Dim(size=2), wire.TensorShape.Dim(size=2)])


@pytest.mark.parametrize(
    "content",
    [{"half_val": BITS}, {"tensor_content": np.array(BITS, np.uint16).tobytes()}],
    ids=["listed", "packed"],
)
def test_they_are_read_as_float32(content):
    """The numbers are the same, as float32 has them all."""
    found = from_tensor(wire.Tensor(dtype=wire.DT_BFLOAT16, tensor_shape=SHAPE, **content))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, [[1.0, 0.5], [-2.0, np.nan]])


def test_those_that_make_no_sense():
    """As of any other dtype."""
    with pytest.raises(ServerError, match="makes no sense"):
        from_tensor(wire.Tensor(dtype=wire.DT_BFLOAT16, tensor_shape=SHAPE, tensor_content=b"123"))
