"""Pictures on their way: found in folders, gathered into batches, made bytes or items."""

import io
import os
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from glob import has_magic
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

from vitrine_client.errors import EmptyPicture, InvalidImage, NotAPicture
from vitrine_client.images import NOTHING, Item, Picture, find_item, from_array
from vitrine_client.images.depths import scaled
from vitrine_client.images.given import named, read, refuse_address
from vitrine_client.results.predictions import Prediction

Pictures = Iterable[Picture] | str | os.PathLike[str]
"""Pictures in any order, or the folder that they are in."""

Batch = list[Picture | InvalidImage]
"""Pictures that go together; one that could not even be taken is what is wrong with it."""

T = TypeVar("T")

_PNG_MODES = frozenset(("1", "L", "LA", "I;16", "P", "RGB", "RGBA"))

BATCH_BYTES = 16 * 2**20
"""Pictures that lie in memory make no batch larger than this, nor bodies: half of what a gateway
takes by default."""

_SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".gif", ".bmp"),
    *(".tif", ".tiff", ".avif"),
    *(".heic", ".heif", ".jxl"),  # not read: each is refused with what to do
)

_SEVERAL = "give a folder, or several pictures: predict_many([one, two])"


def in_folder(folder: str | os.PathLike[str]) -> list[Path]:
    """Returns the files of a folder that are named as pictures are (`.png`, `.JPG`, ...), sorted by
    name, without hidden ones and those of folders in it.

    Raises `OSError` (`FileNotFoundError`, `NotADirectoryError`, ...).
    """
    return [path for path in _listed(folder) if _is_picture(path)]


def left_out(folder: str | os.PathLike[str]) -> list[Path]:
    """Returns the other files of a folder, sorted by name, without hidden ones; raises the same."""
    return [path for path in _listed(folder) if not _is_picture(path)]


def _listed(folder: str | os.PathLike[str]) -> list[Path]:
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.name[0] != "." and entry.is_file()]
    base = Path(folder)
    return [base / name for name in sorted(names)]


def _is_picture(path: Path) -> bool:
    return path.name.lower().endswith(_SUFFIXES)


def _as_iterable(pictures: object) -> Iterable[Picture]:
    """Returns several pictures as an iterable: those of a folder, or what is one already. Raises
    `NotAPicture` for a single picture and for what holds none, `OSError` for a folder that cannot
    be read."""
    if isinstance(pictures, str | os.PathLike):
        return in_folder(_checked_folder(pictures))
    if isinstance(pictures, bytes | bytearray | memoryview | Image.Image) or hasattr(
        pictures, "read"
    ):
        raise NotAPicture(f"{named(pictures)} is one picture; {_SEVERAL}, or ask `predict`")
    shape = getattr(pictures, "shape", None)
    if isinstance(shape, tuple) and (len(shape) == 2 or shape[2:] in {(3,), (4,)}):
        raise NotAPicture(
            f"An array of the shape {list(shape)} is one picture; give [n, h, w] or "
            "[n, h, w, 3], or ask `predict`"
        )
    if hasattr(pictures, "__aiter__"):
        raise NotAPicture(
            f"{named(pictures)} is asynchronous, which AsyncClient.predict_many takes; {_SEVERAL}"
        )
    if not isinstance(pictures, Iterable):
        raise NotAPicture(f"{named(pictures)} holds no pictures; {_SEVERAL}")
    return pictures


def _checked_folder(path: str | os.PathLike[str]) -> str | os.PathLike[str]:
    refuse_address(path)
    found = Path(path)
    if not os.fspath(path):
        raise NotAPicture(f"The path is empty; {_SEVERAL}")
    if found.is_file():
        raise NotAPicture(f"{path} is one picture, and no folder; {_SEVERAL}, or ask `predict`")
    if has_magic(str(path)) and not found.exists():
        raise NotAPicture(
            f"{path} is a pattern, and no folder; Path().glob(pattern) finds its files"
        )
    return path


def encoded(picture: Picture) -> bytes:
    """Returns a picture as it travels: the bytes of a file as they are, pixels as PNG.

    Raises `OSError` where a file cannot be read, `InvalidImage` for pixels that are no picture.
    """
    given = read(picture)
    if isinstance(given, bytes):
        return given
    return _as_png(given if isinstance(given, Image.Image) else from_array(given))


def _as_png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    try:
        exif = _exif(image)
        if image.mode not in _PNG_MODES:
            image = _in_png_mode(image)
        image.save(buffer, "PNG", exif=exif)
    except InvalidImage:
        raise
    except Exception as error:  # Pillow decodes at the last moment, and its decoders raise much
        raise InvalidImage(f"The picture is damaged ({error}); save it again") from error
    return buffer.getvalue()


def _in_png_mode(image: Image.Image) -> Image.Image:
    if image.mode == "La":  # which Pillow converts to nothing else
        return image.convert("LA")
    if image.mode.startswith(("I", "F")):  # which Pillow would cut off at 255
        return scaled(image).convert("L")
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _exif(image: Image.Image) -> Image.Exif | None:
    """Says which way is up; without it a photo would arrive lying on its side."""
    try:
        return image.getexif()
    except Exception:  # EXIF is often damaged, where the pixels are well
        return None


def attempted(make: Callable[[Picture], T], picture: Picture | InvalidImage) -> T | InvalidImage:
    """Returns what `make` makes of a picture, or why it can't, a file's `OSError` included."""
    if isinstance(picture, InvalidImage):
        return picture
    try:
        return make(picture)
    except InvalidImage as error:
        return error
    except (OSError, ValueError) as error:  # a file that was closed is a ValueError
        return InvalidImage(f"The file cannot be read: {error}")


def item_in(picture: Picture, box: Sequence[float] | None = None) -> Item:
    """Returns the item in a picture, or what lies in `box`. Raises what `find_item` does, and
    `EmptyPicture` where there is none."""
    item = find_item(picture, box=box)
    if item.empty:
        raise EmptyPicture(NOTHING, warnings=item.warnings)
    return item


def items(batch: Batch) -> list[Item | InvalidImage]:
    """Returns the item in each picture, or its `InvalidImage`, which may be an `EmptyPicture`."""
    return [attempted(item_in, picture) for picture in batch]


def answered(
    made: Sequence[Item | InvalidImage], ask: Callable[[list[Item]], Iterable[T]]
) -> list[T | InvalidImage]:
    """Returns what `ask` returns for each of the items, and each error in its place; nothing is
    asked without an item."""
    good = [each for each in made if isinstance(each, Item)]
    found = iter(ask(good) if good else ())
    return [next(found) if isinstance(each, Item) else each for each in made]


def with_item(prediction: Prediction, item: Item) -> Prediction:
    """Returns the prediction for an item that was found here, with its box and its warnings."""
    return replace(prediction, box=item.box, warnings=item.warnings)


class _Gathering:
    """Fills one batch after the other, each of `size` pictures or `BATCH_BYTES`."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._batch: Batch = []
        self._bytes = 0

    def add(self, picture: Picture) -> bool:
        """Takes one more, and says whether the batch is full."""
        taken = attempted(_taken, picture)
        self._batch.append(taken)
        self._bytes += _bytes_in_memory(taken)
        return len(self._batch) >= self._size or self._bytes >= BATCH_BYTES

    def take(self) -> Batch:
        batch, self._batch, self._bytes = self._batch, [], 0
        return batch


def batches(pictures: Pictures, size: int) -> Iterator[Batch]:
    """Returns the pictures in batches, and takes no more of them than it needs to. Raises `OSError`
    for a folder that is none, and `NotAPicture` for a single picture, or for no pictures at all."""
    return _batches(_as_iterable(pictures), size)


def _batches(pictures: Iterable[Picture], size: int) -> Iterator[Batch]:
    gathering = _Gathering(size)
    for picture in pictures:
        if gathering.add(picture):
            yield gathering.take()
    if rest := gathering.take():
        yield rest


def batches_async(pictures: Pictures | AsyncIterable[Picture], size: int) -> AsyncIterator[Batch]:
    """Returns them for an event loop; raises the same."""
    if isinstance(pictures, AsyncIterable):
        return _batches_async(pictures, size)
    return _in_loop(batches(pictures, size))


async def _batches_async(pictures: AsyncIterable[Picture], size: int) -> AsyncIterator[Batch]:
    gathering = _Gathering(size)
    async for picture in pictures:
        if gathering.add(picture):
            yield gathering.take()
    if rest := gathering.take():
        yield rest


async def _in_loop(batches: Iterator[Batch]) -> AsyncIterator[Batch]:
    for batch in batches:
        yield batch


def _taken(picture: Picture) -> Picture:
    """Reads what may be closed as soon as the next one is asked for."""
    if isinstance(picture, str | os.PathLike):
        return picture
    if isinstance(picture, Image.Image):
        try:
            picture.load()
        except Exception as error:
            raise InvalidImage(f"The picture is damaged ({error}); save it again") from error
    return read(picture)


def _bytes_in_memory(picture: Picture | InvalidImage) -> int:
    match picture:
        case bytes():
            return len(picture)
        case np.ndarray():
            return picture.nbytes
        case Image.Image():
            return picture.width * picture.height * len(picture.getbands())
    return 0


def parcels(batch: Sequence[Picture | InvalidImage]) -> Iterator[list[bytes | InvalidImage]]:
    """Yields the pictures of a batch as they travel, as many at a time as `BATCH_BYTES` allow."""
    parcel: list[bytes | InvalidImage] = []
    held = 0
    for picture in batch:
        body = attempted(encoded, picture)
        size = len(body) if isinstance(body, bytes) else 0
        if held and held + size > BATCH_BYTES:
            yield parcel
            parcel, held = [], 0
        parcel.append(body)
        held += size
    if parcel:
        yield parcel
