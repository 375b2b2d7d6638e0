"""Limits of model files, checked before any of it is loaded: zip bombs, huge tensors, damage."""

import json
import math
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import h5py

from vitrine_training.imports import ImportRefused

MOST_BYTES = 4 << 30
"""Most that a model may take once it is unpacked."""

MOST_CONFIG_BYTES = 64 << 20
MOST_MEMBERS = 10_000

_CONFIG, _WEIGHTS = "config.json", "model.weights.h5"
_SQUEEZED = 200
"""How many times as large as in its archive a member may be, beyond `_SMALL` bytes: weights do not
become smaller by much."""

_SMALL = 1 << 20
_USUAL = 1 << 14
"""Bytes, and the width of a layer, that do no harm."""

ROOM = 64 << 20
"""Bytes of weights that a model may have beyond twice those in its file."""

_WIDTHS = ("units", "filters", "input_dim", "output_dim", "key_dim", "value_dim")
"""Members of layers' configurations that say how wide a weight is."""


def check_keras(path: Path) -> int:
    """Checks a `.keras` archive by its directory, and the weights in it by their shapes. Returns
    the bytes of those. Raises `ImportRefused`, or `OSError`."""
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(path, archive.infolist())
            config = json.loads(archive.read(_CONFIG))
            with archive.open(_WEIGHTS) as weights:
                size, widest = _check_weights(path, weights)
            _check_widths(path, config, widest)
            return size
    except (zipfile.BadZipFile, KeyError, NotImplementedError, EOFError) as error:
        raise ImportRefused(f"{path} is no Keras model, or it is damaged: {error}") from error
    except (ValueError, RecursionError) as error:
        raise ImportRefused(f"{path} is damaged: its {_CONFIG} is no JSON ({error})") from error


def check_h5(path: Path) -> int:
    """Checks an HDF5 file by the shapes in it. Returns the bytes of its weights. Raises
    `ImportRefused`, or `OSError`."""
    with path.open("rb") as file:
        size, widest = _check_weights(path, file)
        file.seek(0)
        with h5py.File(file, "r") as content:
            config = content.attrs.get("model_config")
    if config is None:
        raise ImportRefused(
            f'{path} has weights and no model: save all of it, with `model.save("model.keras")`'
        )
    try:
        _check_widths(path, json.loads(config), widest)
    except (ValueError, TypeError, RecursionError) as error:
        raise ImportRefused(f"{path} is damaged: its model_config is no JSON") from error
    return size


def check_saved_model(directory: Path) -> None:
    """Checks a SavedModel by the sizes of its files, and that they are files: TensorFlow waits for
    pipes. Raises `ImportRefused`, or `OSError`."""
    entries = [each for each in directory.rglob("*") if not each.is_dir()]
    for each in entries:
        if each.exists() and not each.is_file():
            raise ImportRefused(f"{each} is no file: a pipe or a device")
    sizes = [each.stat().st_size for each in entries if each.is_file()]
    if len(sizes) > MOST_MEMBERS:
        raise ImportRefused(f"{directory} has {len(sizes):,} files, which no model has")
    check_size(directory, sum(sizes))


def _check_members(path: Path, members: list[zipfile.ZipInfo]) -> None:
    if len(members) > MOST_MEMBERS:
        raise ImportRefused(f"{path} has {len(members):,} files in it, which no model has")
    check_size(path, sum(each.file_size for each in members))
    for each in members:
        most = _SQUEEZED * max(each.compress_size, 1)
        if each.file_size > max(most, _SMALL):
            raise ImportRefused(
                f"{path} unpacks `{each.filename[:80]}` from {each.compress_size:,} bytes to "
                f"{each.file_size:,}, as no weights do"
            )
        if each.filename == _CONFIG and each.file_size > MOST_CONFIG_BYTES:
            raise ImportRefused(f"{path} has a {_CONFIG} of {each.file_size:,} bytes")


def check_size(path: Path, size: int) -> None:
    """Raises `ImportRefused` where a model takes more bytes than any may."""
    if size > MOST_BYTES:
        raise ImportRefused(
            f"{path} takes {size / 1e9:,.1f} GB once it is unpacked, and {MOST_BYTES / 1e9:.1f} GB "
            "are the most that are loaded"
        )


def check_built(path: Path, built: int, stored: int) -> None:
    """Checks the bytes of the weights that a model would have by those that its file has. Raises
    `ImportRefused`."""
    check_size(path, built)
    if built > 2 * stored + ROOM:
        raise ImportRefused(
            f"{path} is damaged: its layers would have weights of {built:,} bytes, and {stored:,} "
            "are there"
        )


def _check_weights(path: Path, file: Any) -> tuple[int, int]:
    """Returns the bytes of all weights, and the largest size of a dimension of any."""
    try:
        with h5py.File(file, "r") as content:
            tensors = _tensors(content)
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise ImportRefused(f"{path} has no readable weights: {reason}") from error
    size = sum(tensor.size for tensor in tensors)
    stored = sum(tensor.stored for tensor in tensors)
    check_size(path, size)
    if size > max(_SQUEEZED * stored, _SMALL):
        raise ImportRefused(
            f"{path} has weights of {size:,} bytes, of which {stored:,} are there, as no model has"
        )
    return size, max((width for tensor in tensors for width in tensor.shape), default=0)


class _Tensor(NamedTuple):
    """Shape of a weight, its bytes, and those of them that are in the file."""

    shape: tuple[int, ...]
    size: int
    stored: int


def _tensors(content: h5py.File) -> list[_Tensor]:
    """Returns all weights of a file. Raises `ValueError` where one is in another file."""
    found: list[_Tensor] = []

    def look(_: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.shape is not None:
            if item.external or item.is_virtual:
                raise ValueError("a weight is in another file")
            stored = item.id.get_storage_size()
            size = math.prod(item.shape) * item.dtype.itemsize
            found.append(_Tensor(item.shape, size, stored))
            if len(found) > MOST_MEMBERS * 10:
                raise ValueError("there are too many weights")

    content.visititems(look)
    return found


def _check_widths(path: Path, config: Any, widest: int) -> None:
    """Refuses a configuration that would build wider layers than there are weights for: they
    would be allocated before anybody compares."""
    waiting = [config]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            for name in _WIDTHS:
                width = one.get(name)
                if isinstance(width, int | float) and width > max(widest, _USUAL):
                    raise ImportRefused(
                        f"{path} is damaged: its `{name}` is {width:,}, and no weight is so large"
                    )
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
