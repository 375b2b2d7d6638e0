"""How pictures become the inputs of models of other servers, and their answers are read."""

from typing import Any

import numpy as np
import pytest

from vitrine_client import errors
from vitrine_client.open_inference.client.metadata import ModelMetadata, TensorMetadata
from vitrine_client.open_inference.client.picture_model import PictureModel, picture_model
from vitrine_client.open_inference.messages import V2Response, V2Tensor
from vitrine_client.results.profiles.completion import ProfileLayer


def model(
    shape: tuple[int, ...],
    datatype: str = "FP32",
    answered: tuple[int, ...] = (-1, 5),
    layers: tuple[ProfileLayer, ...] = (),
    name: str = "x",
) -> PictureModel:
    """Returns a model with one input and one output."""
    inputs = (TensorMetadata(name, datatype, shape),)
    outputs = (TensorMetadata("y", "FP32", answered),)
    return picture_model(ModelMetadata("it", inputs, outputs), layers)


def levels(made: PictureModel, count: int) -> list[np.ndarray]:
    """Returns pictures as the model's profile has them, each of other levels."""
    shape = [size or 40 for size in made.profile.shape]
    size = int(np.prod(shape))
    return [(np.arange(size).reshape(shape) + number).astype(np.uint8) for number in range(count)]


def told(**members: Any) -> tuple[ProfileLayer, ...]:
    return (ProfileLayer("profile.json", members),)


LAYOUTS = {
    "grey": ((-1, 28, 28), (), (2, 28, 28)),
    "one channel": ((-1, 28, 28, 1), (), (2, 28, 28, 1)),
    "colours last": ((-1, 40, 50, 3), (), (2, 40, 50, 3)),
    "colours first": ((-1, 3, 40, 50), (), (2, 3, 40, 50)),
    "one channel first": ((-1, 1, 28, 28), (), (2, 1, 28, 28)),
    "both could be": ((-1, 3, 40, 3), (), None),
    "one picture, colours first": ((3, 40, 50), (), (3, 40, 50)),
    "one picture, colours last": ((40, 50, 3), (), (40, 50, 3)),
    "one picture, free": ((-1, -1, 3), (), (40, 40, 3)),
    "one picture, grey": ((40, 50), (), (40, 50)),
    "one grey picture, or a row": ((1, 28, 28), (), (1, 28, 28)),
    "flat": ((-1, 784), (), (2, 784)),
    "flat, of a shape": ((-1, 2000), told(shape=(40, 50)), (2, 2000)),
    "flat, of one picture": ((784,), (), (784,)),
    "eight rows": ((8, 28, 28), (), (8, 28, 28)),
    "free sides, colours first": ((-1, 3, -1, -1), (), (1, 3, 40, 40)),
}


@pytest.mark.parametrize(("shape", "layers", "expected"), LAYOUTS.values(), ids=LAYOUTS)
def test_layouts(shape, layers, expected):
    """Of as many pictures as a request can have, two at most."""
    if expected is None:
        with pytest.raises(errors.TakesNoPictures, match="takes `x`"):
            model(shape, layers=layers)
        return
    made = model(shape, layers=layers)
    tensor = made.tensor(levels(made, min(2, made.most_rows or 2)))
    assert (tensor.name, tensor.datatype) == ("x", "FP32")
    assert tensor.array.shape == expected
    assert tensor.array.flags.c_contiguous


def test_colours_first_are_the_same_colours():
    """And the scaling is that of floats, unless something else is said."""
    made = model((-1, 3, 40, 50))
    (picture,) = levels(made, 1)
    np.testing.assert_array_equal(
        made.tensor([picture]).array[0], (picture.transpose(2, 0, 1) / np.float32(255))
    )


@pytest.mark.parametrize(
    ("datatype", "dtype", "most"),
    [
        *[("FP32", "f4", 1), ("FP16", "f2", 1), ("FP64", "f8", 1)],
        *[("UINT8", "u1", 255), ("INT32", "i4", 255), ("INT64", "i8", 255)],
    ],
)
def test_datatypes(datatype: str, dtype: str, most: float):
    """Floats are 0..1, whole numbers 0..255."""
    array = model((-1, 28, 28), datatype).tensor([np.full((28, 28), 255, np.uint8)]).array
    assert (array.dtype, array.max()) == (np.dtype(dtype), most)


@pytest.mark.parametrize("datatype", ["BOOL", "INT8", "UINT16", "BF16", "UINT64", "FP8"])
def test_datatypes_that_no_picture_is_made_for(datatype: str):
    with pytest.raises(errors.TakesNoPictures, match="it takes `x`"):
        model((-1, 28, 28), datatype)


def test_a_mean_and_a_deviation():
    layers = told(scaling="mean/std", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    made = model((-1, 3, 40, 50), layers=layers)
    array = made.tensor([np.full((40, 50, 3), 255, np.uint8)]).array
    np.testing.assert_allclose(array, 1)
    assert made.assumed == "fit stretch, resize bilinear, polarity as is"


def answer(array: Any, name: str = "y") -> V2Response:
    return V2Response("it", "1", [V2Tensor(name, "FP32", np.asarray(array, np.float32))])


@pytest.mark.parametrize(
    ("shape", "answered", "array"),
    [
        ((-1, 28, 28), (-1, 5), np.ones((2, 5))),
        ((-1, 28, 28), (-1, 5, 1, 1), np.ones((2, 5, 1, 1))),
        ((-1, 28, 28), (-1, 5), np.ones((2, 5, 1))),
        ((8, 28, 28), (8, 5), np.ones((8, 5))),
        ((-1, 28, 28), (-1, -1), np.ones((2, 5))),
    ],
)
def test_answers(shape, answered, array):
    """Axes of one are left out, and rows that only filled a request."""
    assert model(shape, answered=answered).numbers(answer(array), 2).shape == (2, 5)


@pytest.mark.parametrize("shape", [(3, 40, 50), (1, 3, 40, 50), (1, 28, 28), (28, 28), (784,)])
@pytest.mark.parametrize("answered", [(5,), (1, 5), (-1, 5), (5, 1, 1), (1, 5, 1, 1)])
def test_the_answer_to_one_picture(shape, answered):
    """With or without an axis for several."""
    made = model(shape, answered=answered)
    array = np.ones([1 if size < 0 else size for size in answered])
    assert made.most_rows == 1
    assert made.numbers(answer(array), 1).shape == (1, 5)


@pytest.mark.parametrize("shape", [(1, 5), (4, 5), (2, 5, 5), (0, 5), (10,), (5, 2)])
def test_answers_that_are_no_rows(shape):
    with pytest.raises(errors.ModelFault, match="with a row of numbers for each picture"):
        model((-1, 28, 28)).numbers(answer(np.ones(shape)), 2)


@pytest.mark.parametrize(
    ("shape", "expected"), [((-1,), (2,)), ((-1, 1), (2, 1)), ((1,), (1,)), ((1, 1), (1, 1))]
)
def test_files(shape, expected):
    """In the shape that the input has."""
    made = model(shape, "BYTES", name="image_bytes")
    files = [b"a", b"bc"][: made.most_rows or 2]
    tensor = made.tensor(files)
    assert (tensor.array.shape, tensor.array.ravel().tolist()) == (expected, files)
    in_json = made.request(tensor, is_binary=False).inputs[0]
    assert in_json.parameters == {"content_type": "base64"}
    assert in_json.array.ravel()[0] == b"YQ=="


def test_a_profile_that_does_not_fit():
    with pytest.raises(errors.TakesNoPictures, match="no `z`"):
        model((-1, 28, 28), layers=told(output="z"))
    with pytest.raises(errors.TakesNoPictures, match="not one input"):
        model((-1, 28, 28), layers=told(input="z"))


def test_the_one_of_several_inputs_that_is_told():
    inputs = (TensorMetadata("a", "FP32", (-1, 28, 28)), TensorMetadata("b", "FP32", (-1, 28, 28)))
    outputs = (TensorMetadata("y", "FP32", (-1, 5)), TensorMetadata("z", "FP32", (-1, 6)))
    found = picture_model(ModelMetadata("it", inputs, outputs), told(input="b", output="z"))
    assert (found.taken.name, found.answered.name) == ("b", "z")
