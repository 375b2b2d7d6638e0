"""Tensor bundle: how many bytes of variables a SavedModel has, from its `variables.index`.

The index is a table of LevelDB's format without compression
(https://github.com/google/leveldb/blob/main/doc/table_format.md) whose values are TensorFlow's
`BundleEntryProto`.
"""

from collections.abc import Iterator

_FOOTER = 48
_MAGIC = bytes.fromhex("57fb808b247547db")
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_SHARD, _OFFSET, _SIZE = 3, 4, 5


def shard_sizes(index: bytes) -> dict[int, int]:
    """Returns the least size in bytes of each shard by its number. Raises `ValueError` for
    an incomplete index."""
    if len(index) < _FOOTER or index[-len(_MAGIC) :] != _MAGIC:
        raise ValueError("it does not end as an index does")
    try:
        return _shard_sizes(index)
    except IndexError as error:
        raise ValueError("it is cut off") from error


def _shard_sizes(index: bytes) -> dict[int, int]:
    position = len(index) - _FOOTER
    for _ in range(2):  # the handle of the meta index, which has nothing for us
        _, position = _varint(index, position)
    sizes: dict[int, int] = {}
    for handle in _values(_block(index, position)):
        for key_value in _values(_block(index, 0, handle)):
            fields = dict(_fields(key_value))
            end = fields.get(_OFFSET, 0) + fields.get(_SIZE, 0)
            shard = fields.get(_SHARD, 0)
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
