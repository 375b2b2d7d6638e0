"""Packed strings, as TensorFlow Serving answers them with `tensor_content`."""

import pytest

from vitrine_client.errors import ServerError
from vitrine_client.tfserving import packed_strings, tensors
from vitrine_client.tfserving import wire_pb2 as wire

LABELS = [b"a", b"", b"x" * 300]


def _message(content: bytes, count: int) -> wire.Tensor:
    shape = wire.TensorShape(dim=[wire.TensorShape.Dim(size=count)])
    return wire.Tensor(dtype=wire.DT_STRING, tensor_shape=shape, tensor_content=content)


def test_there_and_back():
    """Lengths come first, in seven bits a byte, and then all bytes."""
    content = packed_strings.pack(LABELS)
    assert content == b"\x01\x00\xac\x02a" + b"x" * 300
    assert packed_strings.unpack(content, 3) == LABELS
    assert packed_strings.unpack(b"", 0) == []


def test_an_answer_of_packed_strings_is_read():
    """With --enable_serialization_as_tensor_content a model's labels come so."""
    assert tensors.from_tensor(_message(packed_strings.pack(LABELS), 3)).tolist() == LABELS


@pytest.mark.parametrize(
    ("content", "count"),
    [(b"\x02a", 1), (b"\x01ab", 1), (b"\x01a", 2), (b"\xff" * 12, 1), (b"\x01a", 1 << 40)],
)
def test_what_is_no_packed_strings_is_said_so(content, count):
    """Neither read beyond its end, nor given room for what it has not."""
    with pytest.raises(ServerError, match="makes no sense"):
        tensors.from_tensor(_message(content, count))
