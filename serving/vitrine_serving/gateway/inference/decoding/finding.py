"""Finding of a picture's item, as a decoding job."""

from collections.abc import Sequence

import numpy as np

from vitrine_client.errors import InvalidImage
from vitrine_client.images import SIDE, Item, find_item
from vitrine_serving.gateway.inference.decoding.jobs import Head

TASK = "find"

Box = Sequence[float] | None
"""Where the item is in a picture: x, y, width and height in pixels."""


def find_job(box: Box, max_pixels: int) -> Head:
    """Returns the head of the job; its content is the file."""
    return {"task": TASK, "box": box, "max_pixels": max_pixels}


def find(head: Head, content: bytes) -> tuple[Head, bytes]:
    """Does the job; what it returns is for `found`. Raises `InvalidImage` and `InvalidRequest`."""
    try:
        item = find_item(content, max_pixels=head["max_pixels"], box=head["box"])
    except MemoryError as error:
        raise InvalidImage(
            "The picture takes more memory than a picture may; scale it down"
        ) from error
    return {"box": item.box, "warnings": item.warnings}, item.instance.tobytes()


def found(head: Head, content: bytes) -> Item:
    """Returns the item of an answer."""
    box = head["box"]
    instance = np.frombuffer(content, np.uint8).reshape(SIDE, SIDE)
    return Item(instance, None if box is None else tuple(box), tuple(head["warnings"]))
