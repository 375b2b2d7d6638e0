"""What is no picture, or not one: each is told what to pass instead, before anything is asked."""

import asyncio
import io
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from harness.paths import SAMPLES
from harness.ports import free_port
from tests.client.fake_gateway import KINDS, FakeGateway, Kind
from vitrine_client import Client, InvalidImage, errors
from vitrine_client.aio import AsyncClient
from vitrine_client.errors import ClientClosed, NotAPicture
from vitrine_client.images import find_item
from vitrine_client.images.pictures import encoded

both = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
BAG = SAMPLES[1]


class Tensor:
    """What PyTorch's tensors are to NumPy, on a device of this machine or of a GPU."""

    def __init__(self, array: np.ndarray, device: str = "cpu") -> None:
        self._array, self._device = array, device
        self.shape = array.shape

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        if self._device != "cpu":
            raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu()")
        return self._array

    def __iter__(self):
        return (Tensor(row, self._device) for row in self._array)


class Response:
    """What `requests.get` returns."""

    content = b"..."

    def __iter__(self):
        return iter((self.content,))


class AsyncFile:
    """What aiofiles opens."""

    async def read(self) -> bytes:
        return b""


async def coroutine() -> bytes:
    return b""


async def stream():
    yield b""


def closed(path: Path) -> io.BufferedReader:
    file = path.open("rb")
    file.close()
    return file


def at_its_end(path: Path) -> io.BytesIO:
    file = io.BytesIO(path.read_bytes())
    file.read()
    return file


NOT_ONE = {
    "None": (lambda: None, "None is not a picture: pass a path"),
    "a number": (lambda: 7, "An int is not a picture"),
    "paths": (lambda: [BAG, BAG], "for several pictures ask predict_many"),
    "a generator": (lambda: (path for path in [BAG]), "for several pictures ask predict_many"),
    "rows of numbers": (lambda: [[0, 255], [255, 0]], r"np\.array\(pixels, np\.uint8\)"),
    "an answer": (Response, "pass its content"),
    "an async file": (AsyncFile, r"read\(\) is asynchronous; await it"),
    "a text file": (lambda: BAG.open(encoding="latin-1"), r"open\(path, 'rb'\)"),
    "text in memory": (lambda: io.StringIO("x"), "opened in text mode"),
    "a closed file": (lambda: closed(BAG), "closed file"),
    "a file that was read": (lambda: at_its_end(BAG), "seek"),
    "http": (lambda: "http://example.org/a.png", "is a URL, not a file; download it first"),
    "https": (lambda: "HTTPS://example.org/a.png", "download it first"),
    "s3": (lambda: "s3://bucket/a.png", "download it first"),
    "a file URL": (lambda: BAG.resolve().as_uri(), "pass the path in it"),
    "a data URL": (lambda: "data:image/png;base64,iVBORw0KGgo=", "Base64"),
    "an empty path": (lambda: "", "path is empty"),
    "a NUL": (lambda: "a\0b", "null byte"),
    "a folder": (lambda: BAG.parent, "is a folder; predict_many takes its pictures"),
    "channels first": (lambda: np.zeros((3, 8, 9), np.uint8), r"transpose\(1, 2, 0\)"),
    "one channel first": (lambda: np.zeros((1, 8, 9), np.uint8), r"come last: array\[0\]"),
    "one channel last": (lambda: np.zeros((8, 9, 1), np.uint8), r"array\[\.\.\., 0\]"),
    "a batch": (lambda: np.zeros((5, 28, 28), np.uint8), "ask predict_many"),
    "a row": (lambda: np.zeros(784, np.uint8), r"\[h, w, 4\], not \[784\]"),
    "integers": (lambda: np.zeros((8, 8), np.int64), r"astype\(np\.uint8\)"),
    "words": (lambda: np.full((8, 8), "a"), "must be uint8"),
    "floats of 0..255": (lambda: np.full((8, 8), 255.0), "array / 255"),
    "a tensor's channels": (lambda: Tensor(np.zeros((3, 8, 9), np.float32)), "transpose"),
    "a tensor elsewhere": (lambda: Tensor(np.zeros((8, 8)), "cuda"), r"Use Tensor\.cpu\(\)"),
}


@both
@pytest.mark.parametrize(("make", "hint"), NOT_ONE.values(), ids=NOT_ONE)
@pytest.mark.parametrize("local", [False, True], ids=["there", "here"])
def test_what_is_not_one_picture(kind: Kind, make, hint, local):
    """The error is an `InvalidImage` whose message says what to do, whoever makes the pixels."""
    with pytest.raises(InvalidImage, match=hint):
        kind.ask(f"http://127.0.0.1:{free_port()}", "predict", make(), local=local)


@both
def test_a_coroutine(kind: Kind):
    """It was not awaited."""
    unawaited = coroutine()
    with pytest.raises(NotAPicture, match="await it first"):
        kind.ask("http://127.0.0.1", "predict", unawaited)
    unawaited.close()


@both
def test_one_of_many(kind: Kind):
    """What is no picture among others fails in its place."""
    with FakeGateway() as gateway:
        given = [b"Bag", None, "http://example.org/a.png", BAG.parent, [BAG], b"Coat"]
        found = kind.ask(gateway.url, "predict_many", given)
    assert [isinstance(each, InvalidImage) for each in found] == [False, *[True] * 4, False]
    assert "None is not a picture" in str(found[1])


NOT_MANY = {
    "None": (lambda: None, "None holds no pictures; give a folder"),
    "a number": (lambda: 7, "An int holds no pictures"),
    "bytes": (lambda: b"one picture", "is one picture; give a folder"),
    "a bytearray": (lambda: bytearray(b"one"), "is one picture"),
    "a file": (lambda: BAG.open("rb"), "is one picture"),
    "a PIL image": (lambda: Image.new("L", (8, 8)), "is one picture"),
    "a path": (lambda: BAG, "is one picture, and no folder; give a folder, or several"),
    "a path as text": (lambda: str(BAG), "or ask `predict`"),
    "an array": (lambda: np.zeros((8, 8), np.uint8), r"\[8, 8\] is one picture"),
    "a colour array": (lambda: np.zeros((8, 8, 3), np.uint8), r"\[8, 8, 3\] is one picture"),
    "a tensor": (lambda: Tensor(np.zeros((8, 8), np.uint8)), "is one picture"),
    "an address": (lambda: "https://example.org/photos/", "download it first"),
    "a pattern": (lambda: "photos/*.png", r"is a pattern, and no folder; Path\(\)\.glob"),
    "an empty path": (lambda: "", "path is empty"),
}


@both
@pytest.mark.parametrize(("make", "hint"), NOT_MANY.values(), ids=NOT_MANY)
def test_what_is_not_many_pictures(kind: Kind, make, hint):
    """It is told by the call, before anything is asked; `TypeError` is caught, too, as ever."""
    with pytest.raises(NotAPicture, match=hint) as caught:
        kind.ask("http://127.0.0.1", "predict_many", make())
    assert isinstance(caught.value, TypeError)


def test_an_asynchronous_iterable():
    """The client that blocks says which one takes it."""
    with Client() as client, pytest.raises(NotAPicture, match="AsyncClient"):
        client.predict_many(stream())


def test_what_is_taken_all_the_same():
    """A tensor, a bytearray and a memoryview are the picture that they hold."""
    pixels = np.asarray(Image.open(BAG))
    content = BAG.read_bytes()
    expected = find_item(pixels).instance
    with Image.open(BAG) as image:  # one that is left open fails whatever test comes later
        for given in (Tensor(pixels), bytearray(content), memoryview(content), image):
            np.testing.assert_array_equal(find_item(given).instance, expected)
            np.testing.assert_array_equal(find_item(encoded(given)).instance, expected)


@both
def test_arrays_of_many(kind: Kind):
    """A batch of pixels, a batch of tensors and an array of paths are several pictures."""
    batch = np.zeros((3, 28, 28), np.uint8)
    with FakeGateway() as gateway:
        for many in (batch, Tensor(batch), np.array([str(BAG)] * 3)):
            assert len(kind.ask(gateway.url, "predict_many", many)) == 3


@pytest.mark.parametrize(
    "mode", ["1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "LAB", "LA", "La", "RGBa"]
)
def test_modes(mode):
    """A PIL image of any mode travels as a picture."""
    by_way_of = {"1": ["L"], "LA": ["L"], "La": ["LA"], "RGBa": ["RGBA"]}
    image = Image.open(BAG).convert("RGB")
    for step in (*by_way_of.get(mode, []), mode):
        image = _converted(image, step)
    assert image.mode == mode
    assert encoded(image).startswith(b"\x89PNG")


def _converted(image: Image.Image, mode: str) -> Image.Image:
    if mode != "LAB":
        return image.convert(mode)
    profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    converted = ImageCms.applyTransform(image, ImageCms.buildTransform(*profiles, "RGB", "LAB"))
    assert converted
    return converted


@pytest.mark.parametrize(
    ("mode", "most"),
    [("F", 1.0), *((m, x) for m in ("F", "I", "I;16", "I;16B") for x in (255, 65535))],
)
def test_deep_modes(mode, most):
    """Levels of more than 8 bits keep what they show: none is cut off at 255."""
    levels = np.asarray(Image.open(BAG), np.float64) / 255 * most
    kind = {"F": "<f4", "I": "<i4", "I;16": "<u2", "I;16B": ">u2"}[mode]
    image = Image.frombytes(mode, (28, 28), levels.astype(kind).tobytes())
    sent = np.asarray(Image.open(io.BytesIO(encoded(image))), np.float64)
    shown = np.asarray(Image.open(BAG), np.float64) / 255
    np.testing.assert_allclose(sent / sent.max(), shown / shown.max(), atol=0.01)


@both
def test_a_closed_client_says_so(kind: Kind):
    """Whatever is asked of it, and also by a `with` that would open it again; closing twice is
    fine."""
    calls = {
        "predict": (b"Bag",),
        "explain": (b"Bag",),
        "models": (),
        "status": ("mlp",),
        "metadata": ("mlp",),
        "drift": ("mlp",),
    }

    def ask_closed_client() -> list[BaseException]:
        client = Client(gateway.url)
        client.close()
        client.close()
        raised = [_raised(getattr(client, name), *given) for name, given in calls.items()]
        raised.append(_raised(client.predict_many, [b"Bag"]))
        return [*raised, _raised(client.__enter__)]

    async def ask_closed_async_client() -> list[BaseException]:
        client = AsyncClient(gateway.url)
        await client.predict(b"Bag")
        await client.close()
        await client.close()
        made = [getattr(client, name)(*given) for name, given in calls.items()]
        raised = await asyncio.gather(*made, client.__aenter__(), return_exceptions=True)
        return [*raised, _raised(client.predict_many, [b"Bag"])]

    with FakeGateway() as gateway:
        if kind.name == "Client":
            found = ask_closed_client()
        else:
            found = asyncio.run(ask_closed_async_client())
    for error in found:
        assert isinstance(error, ClientClosed), found
        assert isinstance(error, RuntimeError)
        assert "make another" in str(error)
        assert isinstance(pickle.loads(pickle.dumps(error)), ClientClosed)  # noqa: S301
    assert len(found) == len(calls) + 2


def _raised(call, *given) -> BaseException | None:
    try:
        call(*given)
    except Exception as error:
        return error
    return None


def test_statuses_stay_what_they_are():
    """A closed client is no answer of a server."""
    assert type(errors.for_status(500, "why")) is errors.ServerError


@both
@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"version": -1}, "whole number from 0 on, not -1"),
        ({"version": "3"}, "not '3'"),
        ({"version": 2.5}, r"not 2\.5"),
        ({"version": True}, "not True"),
        ({"label": ""}, "version label is named by text"),
        ({"label": 3}, "version label is named by text"),
        ({"model": ""}, "A model is named by text"),
        ({"model": Path("mlp")}, "A model is named by text"),
        ({"box": (1, 2, 3)}, "four numbers"),
        ({"box": "1,2,3,4"}, "four numbers"),
        ({"box": (1, 2, 3, None)}, "four numbers"),
        ({"box": (1, 2, 3, float("nan"))}, "four numbers"),
        ({"box": 5}, "four numbers"),
    ],
    ids=str,
)
def test_other_arguments(kind: Kind, options, hint):
    """They are told before anything is asked."""
    with pytest.raises(errors.InvalidRequest, match=hint):
        kind.ask(f"http://127.0.0.1:{free_port()}", "predict", BAG, **options)


@both
@pytest.mark.parametrize("timeout_s", [0, -1, float("nan"), float("inf"), 1e10, None, "5"])
def test_time_outs_that_are_none(kind: Kind, timeout_s):
    """A client is not made with one."""
    with pytest.raises(errors.InvalidRequest, match="number of seconds above 0"):
        kind.ask("http://127.0.0.1", "models", client={"timeout_s": timeout_s})
