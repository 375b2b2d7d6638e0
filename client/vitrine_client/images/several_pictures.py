"""Several pictures: a folder, or an iterable; errors name the right call for all else."""

import os
from collections.abc import Iterable
from glob import has_magic
from pathlib import Path

from PIL import Image

from vitrine_client.errors import NotAPicture
from vitrine_client.images import Picture
from vitrine_client.images.given import named, refuse_address

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


def as_iterable(pictures: object) -> Iterable[Picture]:
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
