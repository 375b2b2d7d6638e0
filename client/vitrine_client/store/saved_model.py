"""SavedModel: why a version directory can't be loaded, found without TensorFlow."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from vitrine_client.store.layout import Fault, aside, quoted, without_graph
from vitrine_client.store.shared_files import content_of

_SHARD = re.compile(r"variables\.data-(\d{5})-of-(\d{5})")

_FOOTER = 48
_MAGIC = bytes.fromhex("57fb808b247547db")
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_SHARD_ID, _OFFSET, _SIZE = 3, 4, 5


def wrong_version(version: Path) -> Fault | None:
    """Returns why a version directory can't be loaded and advice, None where that can't be seen."""
    for each in _walk(version):
        if not os.access(each, os.R_OK):
            todo = f"have its owner `chmod -R a+rX {quoted(version)}`"
            return Fault(f"{each} may not be read by this user, or leads nowhere", todo)
    if fault := without_graph(version):
        return Fault(fault.seen, f"{fault.todo}; or set it aside: {aside(version)}")
    todo = f"publish another, and set this one aside: {aside(version)}"
    reason = _wrong_graph(version) or _wrong_variables(version / "variables")
    return Fault(reason, todo) if reason else None


def _walk(folder: Path) -> Iterator[Path]:
    yield folder
    for parent, folders, files in os.walk(folder):
        for each in (*folders, *files):
            yield Path(parent) / each


def _wrong_graph(version: Path) -> str:
    names = ("saved_model.pb", "saved_model.pbtxt")
    graphs = [path for name in names if (path := version / name).exists()]
    if not graphs[0].is_file():
        return f"{graphs[0].name} is no regular file"
    return "" if graphs[0].stat().st_size else f"{graphs[0].name} is empty"


def _wrong_variables(folder: Path) -> str:
    try:
        least = _least_sizes(content_of(folder / "variables.index"))
    except FileNotFoundError:
        return "no variables/variables.index in it"
    except OSError as error:
        if isinstance(error, PermissionError):
            raise
        return f"variables/variables.index cannot be read ({error.strerror})"
    except ValueError as error:
        return f"variables/variables.index is damaged: {error}"
    shards = {
        int(found[1]): path for path in folder.iterdir() if (found := _SHARD.fullmatch(path.name))
    }
    for number, size in least.items():
        if number not in shards:
            return f"no variables/variables.data-{number:05}-of-… in it"
        found_size = shards[number].stat().st_size
        if found_size < size:
            name = shards[number].name
            return f"variables/{name} is cut off: {found_size:,} bytes, of {size:,}"
    return ""


def _least_sizes(index: bytes) -> dict[int, int]:
    """Returns the least size in bytes of each shard of variables by its number, from the content
    of `variables.index`. Raises `ValueError` where that is incomplete.

    The index is a table of LevelDB's format without compression
    (https://github.com/google/leveldb/blob/main/doc/table_format.md) whose values are TensorFlow's
    `BundleEntryProto`.
    """
    if len(index) < _FOOTER or index[-len(_MAGIC) :] != _MAGIC:
        raise ValueError("it does not end as an index does")
    try:
        return _sizes_in(index)
    except IndexError as error:
        raise ValueError("it is cut off") from error


def _sizes_in(index: bytes) -> dict[int, int]:
    position = len(index) - _FOOTER
    for _ in range(2):  # the handle of the meta index, which has nothing for us
        _, position = _varint(index, position)
    sizes: dict[int, int] = {}
    for handle in _values(_block(index, position)):
        for key_value in _values(_block(index, 0, handle)):
            fields = dict(_fields(key_value))
            end = fields.get(_OFFSET, 0) + fields.get(_SIZE, 0)
            shard = fields.get(_SHARD_ID, 0)
            sizes[shard] = max(sizes.get(shard, 0), end)
    return sizes


def _block(index: bytes, position: int, handle: bytes | None = None) -> bytes:
    """The block that a handle at a position, or in `handle`, leads to."""
    source = index if handle is None else handle
    offset, position = _varint(source, position)
    size, _ = _varint(source, position)
    if offset + size > len(index):
        raise IndexError
    return index[offset : offset + size]


def _values(block: bytes) -> Iterator[bytes]:
    """The values of a block's entries, whose keys share their beginnings."""
    restarts = int.from_bytes(block[-4:], "little")
    position, end = 0, len(block) - 4 * (restarts + 1)
    while position < end:
        _, position = _varint(block, position)
        unshared, position = _varint(block, position)
        length, position = _varint(block, position)
        position += unshared
        yield block[position : position + length]
        position += length


def _fields(message: bytes) -> Iterator[tuple[int, int]]:
    """The whole numbers in a protocol buffer, by field."""
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        kind = tag & 7
        if kind == _VARINT:
            value, position = _varint(message, position)
            yield tag >> 3, value
        elif kind == _BYTES:
            length, position = _varint(message, position)
            position += length
        elif kind in (_FIXED32, _FIXED64):
            position += 4 if kind == _FIXED32 else 8
        else:
            raise IndexError


def _varint(source: bytes, position: int) -> tuple[int, int]:
    """A number of 7 bits a byte, the lowest first, and the position after it."""
    value = shift = 0
    while True:
        byte = source[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
