"""The classification extension answers the largest values as Triton writes them."""

import numpy as np
import pytest

from vitrine_client.errors import InvalidRequest
from vitrine_client.open_inference.classification import classified
from vitrine_client.open_inference.messages import V2Tensor

LABELS = ["shirt", "coat", "bag"]


def strings(array, count: int, labels=(), datatype: str = "FP32") -> list:
    found = classified(V2Tensor("p", datatype, np.asarray(array)), count, labels, is_batching=True)
    assert found.datatype == "BYTES"
    return found.array.tolist()


def test_the_largest_come_first_with_six_digits_and_labels() -> None:
    rows = np.array([[0.25, 0.5, 0.246967], [0.1, 0.2, 0.7]], np.float32)
    assert strings(rows, 2, LABELS) == [
        [b"0.500000:1:coat", b"0.250000:0:shirt"],
        [b"0.700000:2:bag", b"0.200000:1:coat"],
    ]


def test_without_a_label_for_each_there_are_none() -> None:
    assert strings([[1.0, 2.0]], 5) == [[b"2.000000:1", b"1.000000:0"]]
    assert strings([[1.0, 2.0]], 5, ["a"]) == [[b"2.000000:1", b"1.000000:0"]]


def test_of_equal_values_the_first_comes_first_and_nan_last() -> None:
    assert strings([[np.nan, 1.0, 1.0, np.inf]], 4) == [
        [b"inf:3", b"1.000000:1", b"1.000000:2", b"nan:0"]
    ]


@pytest.mark.parametrize(
    ("datatype", "values", "expected"),
    [
        ("UINT8", [0, 255, 255], [b"255:1", b"255:2", b"0:0"]),
        ("INT8", [-128, 127, 0], [b"127:1", b"0:2", b"-128:0"]),
        ("INT64", [2**53, 2**53 + 1, -(2**63)], [b"9007199254740993:1", b"9007199254740992:0"]),
        ("UINT64", [0, 2**64 - 1], [b"18446744073709551615:1", b"0:0"]),
    ],
)
def test_whole_numbers_are_exact(datatype: str, values: list, expected: list) -> None:
    array = np.array(values, datatype.lower())
    assert strings([array], len(expected), datatype=datatype) == [expected]


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((), (1,)),
        ((3,), (3, 1)),
        ((4, 3), (4, 2)),
        ((4, 3, 5), (4, 2)),
        ((0, 3), (0, 2)),
        ((0,), (0, 1)),
    ],
)
def test_shapes_are_rows_and_classes(shape: tuple, expected: tuple) -> None:
    """Without a batch all is one row, as in Triton."""
    tensor = V2Tensor("p", "FP32", np.zeros(shape, np.float32))
    assert classified(tensor, 2, (), is_batching=True).array.shape == expected
    alone = classified(tensor, 2, (), is_batching=False).array.shape
    assert alone == (min(2, tensor.array.size),)


def test_rows_without_values_have_no_classes() -> None:
    assert classified(
        V2Tensor("p", "FP64", np.zeros((2, 0))), 3, (), is_batching=True
    ).array.shape == (2, 0)


@pytest.mark.parametrize("datatype", ["BYTES", "FP16", "BF16"])
def test_other_datatypes_have_no_classification(datatype: str) -> None:
    with pytest.raises(InvalidRequest, match=f"'p' is {datatype}, which no classes are made of"):
        classified(V2Tensor("p", datatype, np.zeros((1, 2))), 1, (), is_batching=True)
