"""Classes in the place of an output's numbers, as Triton writes them."""

import numpy as np
import pytest

from tests.serving.open_inference.asked_service import Asked, request, tensor
from tests.serving.open_inference.test_shared_rows import images
from tests.serving.open_inference.typed_servers import Version, classifier, echo, signature
from vitrine_client.errors import InvalidRequest, Unavailable
from vitrine_client.open_inference.classification import classified
from vitrine_client.open_inference.messages import V2Tensor
from vitrine_client.tfserving import wire_pb2 as wire


def strings(array: np.ndarray, count: int, labels=(), *, is_batching: bool = True, datatype="FP32"):
    made = classified(V2Tensor("y", datatype, array), count, labels, is_batching=is_batching)
    assert (made.name, made.datatype) == ("y", "BYTES")
    return made.array.tolist()


def test_values():
    rows = np.float32([[0.1, 0.246967, 0.0000001], [1e10, -1, np.nan]])
    assert strings(rows, 2) == [
        [b"0.246967:1", b"0.100000:0"],
        [b"10000000000.000000:0", b"-1.000000:1"],
    ]
    assert strings(rows[1:], 3)[0][2] == b"nan:2"
    assert strings(np.int64([[1, 2**63 - 1, -(2**63)]]), 9, datatype="INT64") == [
        [b"9223372036854775807:1", b"1:0", b"-9223372036854775808:2"]
    ]
    assert strings(np.uint8([[0, 255]]), 1, datatype="UINT8") == [[b"255:1"]]
    assert strings(np.array([[False, True]]), 1, datatype="BOOL") == [[b"1:1"]]


def test_equal_values_keep_their_order():
    assert strings(np.float32([[2, 1, 2]]), 3) == [[b"2.000000:0", b"2.000000:2", b"1.000000:1"]]
    assert strings(np.int32([[2, 1, 2]]), 2, datatype="INT32") == [[b"2:0", b"2:2"]]


def test_rows():
    """A row is all numbers of one of the batch, and without a batch all there are."""
    deep = np.arange(8, dtype=np.float32).reshape(2, 2, 2)
    assert strings(deep, 1) == [[b"3.000000:3"], [b"7.000000:3"]]
    assert strings(deep, 1, is_batching=False) == [b"7.000000:7"]
    assert strings(np.int64([5, 4]), 3, datatype="INT64") == [[b"5:0"], [b"4:0"]]
    assert strings(np.float32(3), 3) == [b"3.000000:0"]
    empty = classified(V2Tensor("y", "FP32", np.empty((0, 3), np.float32)), 2, (), is_batching=True)
    assert empty.array.shape == (0, 2)
    none = classified(V2Tensor("y", "FP32", np.empty((2, 0), np.float32)), 2, (), is_batching=True)
    assert none.array.shape == (2, 0)


def test_labels_of_another_number_are_left_out():
    row = np.float32([[0.5, 0.25]])
    assert strings(row, 1, ["hat", "café"]) == [[b"0.500000:0:hat"]]
    assert strings(row[:, ::-1], 1, ["hat", "café"]) == [["0.500000:1:café".encode()]]
    assert strings(row, 1, ["hat"]) == [[b"0.500000:0"]]


@pytest.mark.parametrize("datatype", ["BYTES", "FP16", "BF16"])
def test_outputs_that_are_no_classes(datatype):
    with pytest.raises(InvalidRequest, match=f"'y' is {datatype}, which no classes are made of"):
        strings(np.zeros((1, 2), np.uint16), 1, datatype=datatype)


def test_a_classifier(runner):
    """Its own output has labels, and others have none; what is not asked as classes is as ever."""
    asked = Asked(runner, classifier())
    given = tensor("images", images(3, 4))
    wanted = {"probabilities": {"classification": 1}}
    found = asked.outputs(request(given, outputs=wanted))
    assert found == {
        "probabilities": [[b"0.763158:3:class 3"], [b"0.763158:4:class 4"]],
    }
    both = {"probabilities": {"classification": 99}, "class_ids": {}}
    found = asked.outputs(request(given, outputs=both))
    assert [len(row) for row in found["probabilities"]] == [10, 10]
    assert found["class_ids"] == [3, 4]
    found = asked.outputs(request(given, outputs={"class_ids": {"classification": 1}}))
    assert found == {"class_ids": [[b"3:0"], [b"4:0"]]}


def test_models_without_labels(runner):
    """Also where a model server does not say them."""
    asked = Asked(runner, echo(wire.DT_FLOAT, [-1, 2], "y"))
    given = request(tensor("y", np.float32([[1, 2]])), outputs={"y": {"classification": 1}})
    assert asked.outputs(given) == {"y": [[b"2.000000:1"]]}
    unbatched = Asked(runner, echo(wire.DT_FLOAT, [1, 2], "y"))
    assert unbatched.outputs(given) == {"y": [b"2.000000:1"]}

    async def unsaid(*_, **__):
        raise Unavailable("gone")

    asked.servers.describe = unsaid
    assert asked.outputs(given) == {"y": [[b"2.000000:1"]]}


def test_many_classes_are_made_elsewhere(runner):
    """As they take long."""
    specs = {"y": (wire.DT_FLOAT, [-1, -1])}
    asked = Asked(runner, Version({"serving_default": signature(specs, specs)}, dict))
    rows = np.arange(10_000, dtype=np.float32).reshape(10, 1000)
    given = request(tensor("y", rows), outputs={"y": {"classification": 1}})
    assert asked.outputs(given)["y"][9] == [b"9999.000000:999"]
