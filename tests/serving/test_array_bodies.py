"""What the gateway makes of arrays in a body, and what it refuses by their header."""

import io
import warnings
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vitrine_client.errors import InvalidRequest, PayloadTooLarge
from vitrine_client.images import from_array, to_instance
from vitrine_serving.gateway.api.bodies import read_npy

IMAGES = np.random.default_rng(5).integers(0, 256, (3, 28, 28), np.uint8)


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def npy_saying(descr: str, shape: str, data: bytes = b"", order: str = "False") -> bytes:
    header = f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data


ARRAYS = {
    "uint8": IMAGES,
    "float32": (IMAGES / 255).astype(np.float32),
    "float64": IMAGES / 255,
    "float16": (IMAGES / 255).astype(np.float16),
    "Fortran order": np.asfortranarray(IMAGES),
    "Fortran order, float": np.asfortranarray((IMAGES / 255).astype(np.float32)),
    "one image": IMAGES[0],
    "one image, Fortran order": np.asfortranarray(IMAGES[0]),
}


@pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS)
def test_arrays(array):
    """What numpy saves comes back as uint8 [n, 28, 28], floats as pictures of floats do."""
    read = read_npy(npy(array), max_images=3)
    images = array if array.ndim == 3 else array[None]
    expected = np.stack([np.asarray(from_array(image)) for image in images])
    np.testing.assert_array_equal(read, expected)
    assert (read.dtype, read.flags.c_contiguous) == (np.uint8, True)


def test_bytes_are_not_copied():
    """uint8 in C order is a view of the body."""
    body = npy(IMAGES)
    assert np.shares_memory(read_npy(body, max_images=3), np.frombuffer(body, np.uint8))


def test_an_array_is_what_its_pictures_are():
    """Rows of the data set say the same as array and as pictures."""
    rows = IMAGES // 2
    rows[:, [0, -1], :] = rows[:, :, [0, -1]] = 0
    np.testing.assert_array_equal(
        read_npy(npy(rows), max_images=3), np.stack([to_instance(row) for row in rows])
    )


ONE = bytes(784)
BAD_ARRAYS = {
    "nothing": (b"", ".npy"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + ONE, ".npy"),
    "magic alone": (b"\x93NUMPY", ".npy"),
    "version 9": (b"\x93NUMPY\x09\x00" + npy(IMAGES)[8:], ".npy"),
    "cut in the header": (npy(IMAGES)[:60], ".npy"),
    "long header": (b"\x93NUMPY\x01\x00\xff\xff" + b" " * 70_000, ".npy"),
    "code": (npy_saying("__import__('os')", "(1, 28, 28)", ONE), ".npy"),
    "nested": (npy_saying("[" * 400, "(1, 28, 28)", ONE), ".npy"),
    "objects": (npy_saying("'|O'", "(1, 28, 28)", ONE * 8), r"dtype \|O"),
    "bool": (npy(IMAGES > 9), "uint8 or"),
    "int64": (npy(IMAGES.astype(np.int64)), "uint8 or"),
    "big-endian": (npy((IMAGES / 255).astype(">f4")), "little-endian"),
    "structured": (npy(np.zeros((1, 28, 28), [("a", "u1")])), "uint8 or"),
    "subarray": (npy_saying("('|u1', (2,))", "(1, 28, 14)", ONE), "dtype"),
    "flat": (npy(IMAGES.reshape(3, 784)), "28, 28"),
    "colours": (npy(np.zeros((1, 28, 28, 3), np.uint8)), "28, 28"),
    "large": (npy(np.zeros((1, 64, 64), np.uint8)), "28, 28"),
    "none": (npy(IMAGES[:0]), "28, 28"),
    "scalar": (npy_saying("'|u1'", "()", b"\0"), "28, 28"),
    "truth": (npy_saying("'|u1'", "(True, 28, 28)", ONE), "28, 28"),
    "Python 2": (npy_saying("'|u1'", "(1L, 28, 28)", ONE), ".npy"),
    "Python 2, with a space": (npy_saying("'|u1'", "(1 L, 28, 28)", ONE), ".npy"),
    "huge": (npy_saying("'|u1'", f"(1, 28, {10**400})", ONE), "28, 28"),
    "a float": (npy_saying("'|u1'", "(1, 28.0, 28)", ONE), ".npy"),
    "within": (npy_saying("'|u1'", "((1, 28), 28)", ONE), ".npy"),
    "order that is none": (npy_saying("'|u1'", "(1, 28, 28)", ONE, order="0"), ".npy"),
    "not ASCII": (npy_saying("'\xe9'", "(1, 28, 28)", ONE), ".npy"),
    "negative": (npy_saying("'|u1'", "(-1, 28, 28)", ONE), "28, 28"),
    "short": (npy(IMAGES)[:-1], "promises"),
    "long": (npy(IMAGES) + b"\0", "promises"),
    "above 1": (npy(IMAGES / 254), "0..1"),
    "below 0": (npy(IMAGES / 255 - 0.5), "0..1"),
    "NaN": (npy(np.where(IMAGES == 0, np.nan, IMAGES / 255)), "0..1"),
    "infinite": (npy(np.where(IMAGES == 0, np.inf, IMAGES / 255)), "0..1"),
}


@pytest.mark.parametrize(("body", "hint"), BAD_ARRAYS.values(), ids=BAD_ARRAYS)
def test_bad_arrays_are_refused(body, hint):
    """All else is refused, the answer says what to send, and nothing is written to the log."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(InvalidRequest, match=hint):
            read_npy(body, max_images=3)


def test_headers_that_would_make_python_warn():
    """Python's parser writes warnings of odd literals to the log; it never sees them."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        for descr in (r"'\d'", "1if 1 else 2"):
            with pytest.raises(InvalidRequest):
                read_npy(npy_saying(descr, "(1, 28, 28)", ONE), max_images=3)
    assert not seen


@pytest.mark.parametrize("shape", ["(4, 28, 28)", "(10000000000000, 28, 28)"])
def test_too_many_images_in_an_array(shape):
    """More images than are allowed are refused by the header, whatever follows it."""
    with pytest.raises(PayloadTooLarge, match="at most 3"):
        read_npy(npy_saying("'<f8'", shape), max_images=3)


SIZES = st.one_of(
    *(st.sampled_from(each) for each in ((1, 2, 28, 784), (0, -1, True, False, None, 28.0, "28"))),
    st.integers(),
    st.floats(),
)
SHAPES = st.one_of(
    st.tuples(SIZES, SIZES, SIZES),
    st.sampled_from([(1, 28, 28), (28, 28), (True, 28, 28), (2, 28, 28)]),
    st.recursive(SIZES, lambda inner: st.lists(inner, max_size=4).map(tuple)),
)
DESCRIPTIONS = st.one_of(
    st.sampled_from(
        ["|u1", "<f2", "<f4", "<f8", "|O", ">f4", "|b1", "<c8", "<M8[s]", "|V0", "<U9"]
    ),
    st.lists(st.tuples(st.text(max_size=3), st.sampled_from(["|u1", "<f4"])), max_size=3),
    st.tuples(st.just("|u1"), SHAPES),
    st.text(max_size=9),
)
HEADERS = st.one_of(
    st.fixed_dictionaries(
        {}, optional={"descr": DESCRIPTIONS, "fortran_order": st.booleans(), "shape": SHAPES}
    ).map(repr),
    st.builds(
        lambda descr, order, shape: repr({"descr": descr, "fortran_order": order, "shape": shape}),
        DESCRIPTIONS,
        st.one_of(st.booleans(), st.integers(), st.none()),
        SHAPES,
    ),
    st.text(max_size=200),
)


@settings(max_examples=300, deadline=None)
@given(
    header=HEADERS,
    version=st.sampled_from([b"\1\0", b"\2\0", b"\3\0"]),
    data=st.one_of(st.sampled_from([784, 1568, 3136, 6272]).map(bytes), st.binary(max_size=99)),
)
def test_any_header_and_any_body(header, version, data):
    """Whatever a header says of whatever follows it, it is an array or it is refused."""
    text = header.encode(errors="replace")
    body = b"\x93NUMPY" + version + len(text).to_bytes(2, "little") + text + data
    with warnings.catch_warnings(), suppress(InvalidRequest, PayloadTooLarge):
        warnings.simplefilter("error")
        read = read_npy(body, max_images=3)
        assert (read.dtype, read.shape[1:]) == (np.uint8, (28, 28))
