"""Shapes that no array can have are refused, whatever carries them."""

import pytest

from vitrine_client.errors import InvalidRequest
from vitrine_client.open_inference import datatypes, json_values, packing
from vitrine_client.open_inference.messages import checked_count

SHAPES = [
    ((1,) * 65, "has 65 dimensions, and 64 are the most"),
    ((0,) * 65, "has 65 dimensions"),
    ((0, 2**62, 8), "more elements than fit"),
    ((2**61, 0), "more elements than fit"),
    ((2**63 - 1, 0), "more elements than fit"),
    ((2**32, 2**32), "more elements than fit"),
    ((0, -1), "has the dimension -1"),
    ((0, 2**63), "has the dimension 9223372036854775808"),
]


@pytest.mark.parametrize("datatype", datatypes.DATATYPES)
@pytest.mark.parametrize(("shape", "told"), SHAPES)
def test_a_shape_that_no_array_has_is_refused(shape: tuple, told: str, datatype: str) -> None:
    with pytest.raises(InvalidRequest, match=told):
        packing.unpacked("x", datatype, shape, b"")
    if datatypes.named(datatype).field:
        with pytest.raises(InvalidRequest, match=told):
            json_values.tensor_of("x", datatype, shape, [], {})


@pytest.mark.parametrize("datatype", datatypes.DATATYPES)
@pytest.mark.parametrize("shape", [(0,) * 64, (0, 2**60 - 1), (2**59, 0, 1)])
def test_the_largest_shapes_are_arrays(shape: tuple, datatype: str) -> None:
    assert packing.unpacked("x", datatype, shape, b"").array.shape == shape


def test_elements_are_counted() -> None:
    assert checked_count((), "x") == 1
    assert checked_count((2, 3, 4), "x") == 24
    assert checked_count((2, 0, 4), "x") == 0
