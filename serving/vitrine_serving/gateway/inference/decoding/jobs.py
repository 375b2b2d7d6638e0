"""Decoding jobs as they travel between processes: a JSON head and bytes, there and back.

No pickles: what a decoding process answers is only data, whatever has become of it.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vitrine_client import errors
from vitrine_client.errors import InvalidImage, VitrineError
from vitrine_client.images import SIDE, Item, find_item

LENGTHS = 12
"""Bytes before each message: the length of its head in 4, and of what follows that in 8."""

Head = Mapping[str, Any]


def message(head: Head, content_bytes: int) -> bytes:
    """Returns the beginning of a message, which its content follows."""
    encoded = json.dumps(head).encode()
    return len(encoded).to_bytes(4, "big") + content_bytes.to_bytes(8, "big") + encoded


def lengths(first: bytes) -> tuple[int, int]:
    """Returns how many bytes the head and the content of a message have, by its first bytes."""
    return int.from_bytes(first[:4], "big"), int.from_bytes(first[4:], "big")


def parsed(encoded: bytes) -> Head:
    """Returns the head of a message."""
    head: Head = json.loads(encoded)
    return head


def find_job(box: Sequence[float] | None, max_pixels: int) -> Head:
    """Returns the head of a job, to find the item in a picture; its content is the file."""
    return {"box": box, "max_pixels": max_pixels}


def done(head: Head, content: bytes) -> tuple[Head, bytes]:
    """Does a job, and returns the answer: in a decoding process, which may end in it."""
    try:
        item = find_item(content, max_pixels=head["max_pixels"], box=head["box"])
    except VitrineError as error:
        return {"error": type(error).__name__, "message": str(error)}, b""
    except MemoryError:
        message = "The picture takes more memory than a picture may; scale it down"
        return {"error": InvalidImage.__name__, "message": message}, b""
    return {"box": item.box, "warnings": item.warnings}, item.instance.tobytes()


def found(head: Head, content: bytes) -> Item:
    """Returns the item that an answer tells of. Raises the `VitrineError` that it tells of."""
    if name := head.get("error"):
        raise getattr(errors, name)(head["message"])
    box = head["box"]
    instance = np.frombuffer(content, np.uint8).reshape(SIDE, SIDE)
    return Item(instance, None if box is None else tuple(box), tuple(head["warnings"]))
