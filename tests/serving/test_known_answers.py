"""Known answers: what is read of a response is what is in it, whatever came before."""

import tracemalloc

import numpy as np
import pytest

from vitrine_client.errors import ServerError
from vitrine_client.tfserving import messages
from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_client.tfserving.tensors import to_tensor
from vitrine_serving.gateway.inference.known_answers import KnownAnswers

RANDOM = np.random.default_rng(0)


def response(outputs, version=1, name="m", listed=True) -> bytes:
    """As TensorFlow Serving writes it: floats as a list, or as their bytes."""
    made = wire.PredictResponse()
    made.model_spec.name = name
    made.model_spec.version.value = version
    for key, array in outputs.items():
        tensor = to_tensor(array)
        field = {"float32": "float_val", "float64": "double_val"}.get(array.dtype.name)
        if listed and field:
            tensor.tensor_content = b""
            getattr(tensor, field).extend(array.ravel().tolist())
        made.outputs[key].CopyFrom(tensor)
    return made.SerializeToString()


def assert_read(known: KnownAnswers, content: bytes, wanted=()) -> None:
    """As `read_answer` reads it."""
    found, expected = known.read(content, wanted), messages.read_answer(content, wanted)
    assert found.version == expected.version
    assert found.outputs.keys() == expected.outputs.keys()
    for name, array in expected.outputs.items():
        assert (found.outputs[name].dtype, found.outputs[name].shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(found.outputs[name], array)


def numbers(dtype: str, *shape: int) -> np.ndarray:
    return (RANDOM.random(shape) * 200 - 50).astype(dtype)


@pytest.mark.parametrize("listed", [True, False], ids=["listed", "as bytes"])
@pytest.mark.parametrize("dtype", ["f4", "f8", "f2", "i8", "u1", "?"])
def test_the_same_again(dtype, listed):
    """Of each number of rows, with other numbers each time; of zeros and of no rows, too."""
    known = KnownAnswers()
    for rows in (1, 3, 1, 0, 3, 2):
        for made in (
            np.zeros((rows, 10), dtype),
            numbers(dtype, rows, 10),
            numbers(dtype, rows, 10),
        ):
            assert_read(known, response({"p": made}, listed=listed), ("p",))


def test_others_of_the_same_size():
    """Versions, names, shapes and dtypes that differ are told apart."""
    known = KnownAnswers()
    many = [
        response({name: numbers(dtype, *shape)}, version, model)
        for _ in range(3)
        for name in "pq"
        for dtype, shape in (("f4", (2, 10)), ("f4", (10, 2)), ("f4", (20,)), ("i4", (2, 10)))
        for version in (1, 2)
        for model in "mn"
    ]
    for each in [*many, *many[::-1]]:
        assert_read(known, each)


def test_some_of_several():
    """What is wanted is read; what is beside it may change at any time."""
    known = KnownAnswers()
    for _ in range(5):
        content = response({"p": numbers("f4", 2, 3), "q": numbers("f4", 2, 3)})
        for wanted in (("p",), ("q",), ("p", "q"), (), ("r",)):
            assert_read(known, content, wanted)


def test_the_last_number_repeated():
    """A list that is shorter than its shape is no array as it lies there."""
    known, made = KnownAnswers(), wire.PredictResponse()
    for value in (1.0, 2.0, 3.0):
        tensor = wire.Tensor(dtype=wire.DT_FLOAT, float_val=[value])
        tensor.tensor_shape.dim.add(size=4)
        made.outputs["p"].CopyFrom(tensor)
        assert_read(known, made.SerializeToString())


def test_lists_of_small_numbers():
    """Numbers of a byte are listed as one byte, or two: as many bytes may be fewer numbers."""
    known = KnownAnswers()
    for values in ([5, 6], [133], [7, 8], [255]):
        made = wire.PredictResponse()
        made.outputs["p"].dtype = wire.DT_UINT8
        made.outputs["p"].int_val.extend(values)
        made.outputs["p"].tensor_shape.dim.add(size=2)
        assert_read(known, made.SerializeToString())


def test_strings():
    known = KnownAnswers()
    for text in (b"a", b"b", b"c"):
        assert_read(known, response({"s": np.array([text], object)}))


def test_what_makes_no_sense():
    """Is an error each time, also of a size that is known."""
    known = KnownAnswers()
    good = response({"p": numbers("f4", 2, 3)})
    known.read(good, ("p",))
    for _ in range(2):
        with pytest.raises(ServerError):
            known.read(b"\xff" * len(good), ("p",))
    assert_read(known, good, ("p",))


def test_many_models_alike(monkeypatch):
    """Those whose answers are of one size are all known."""
    known, names = KnownAnswers(), "abcdefghij"
    for name in names:
        known.read(response({"p": numbers("f4", 1, 10)}, name=name), ("p",), name)
    monkeypatch.setattr(messages, "read_answer", lambda *_: pytest.fail("read once more"))
    for name in names:
        known.read(response({"p": numbers("f4", 1, 10)}, name=name), ("p",), name)


def test_more_sizes_than_are_kept():
    known = KnownAnswers()
    for rows in [*range(1, 1200), *range(1, 1200)]:
        assert_read(known, response({"p": numbers("f4", rows)}))


def test_numbers_are_not_kept():
    """What is remembered of large responses, or of what is beside an output, is little."""
    known, many = KnownAnswers(), [numbers("f4", 64, 64 * rows) for rows in (16, 24, 32)]
    read = [(response({"p": each}), ()) for each in many]
    read += [(response({"p": each[0], "q": each}), ("p",)) for each in many]
    assert_read(KnownAnswers(), *read[0])  # which imports what is traced otherwise
    tracemalloc.start()
    try:
        for each in read:
            assert_read(known, *each)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 2**17
