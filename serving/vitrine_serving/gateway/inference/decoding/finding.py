"""Finding of a picture's item, or fitting of it to a model's profile, as a decoding job."""

import json
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from vitrine_client.errors import InvalidImage
from vitrine_client.images import Item
from vitrine_client.images.preprocessing import fit_picture, plain_png
from vitrine_client.results.profiles.profile import FASHION_MNIST, ModelProfile, read_members
from vitrine_client.tfserving.tensors import Array
from vitrine_serving.gateway.inference.decoding.jobs import Head

TASK = "find"

Box = Sequence[float] | None
"""Where the item is in a picture: x, y, width and height in pixels."""

_ENCODED = "png"


def find_job(box: Box, max_pixels: int, profile: ModelProfile = FASHION_MNIST) -> Head:
    """Returns the head of the job; its content is the file."""
    head = {"task": TASK, "box": box, "max_pixels": max_pixels}
    return head if profile is FASHION_MNIST else {**head, "profile": _written(profile)}


@lru_cache(256)
def _written(profile: ModelProfile) -> str:
    return json.dumps({name: told for name, told in profile.to_dict().items() if name != "sources"})


@lru_cache(256)
def _read(written: str) -> ModelProfile:
    return ModelProfile(**read_members(json.loads(written)))


def find(head: Head, content: bytes) -> tuple[Head, bytes]:
    """Does the job; what it returns is for `found`. Raises `InvalidImage` and `InvalidRequest`."""
    profile = _read(head["profile"]) if "profile" in head else FASHION_MNIST
    try:
        item = fit_picture(content, profile, max_pixels=head["max_pixels"], box=head["box"])
        told = {"box": item.box, "warnings": item.warnings}
        if profile.dtype == "string":
            return {**told, "dtype": _ENCODED}, plain_png(item.instance)
    except MemoryError as error:
        raise InvalidImage(
            "The picture takes more memory than a picture may; scale it down"
        ) from error
    levels = item.instance
    return {**told, "dtype": levels.dtype.name, "shape": levels.shape}, levels.tobytes()


def found(head: Head, content: bytes) -> Item:
    """Returns the item of an answer: its instance is levels, or an encoded picture, `bytes` []."""
    box = None if head["box"] is None else tuple(head["box"])
    return Item(_instance(head, content), box, tuple(head["warnings"]))


def _instance(head: Head, content: bytes) -> Array:
    if head["dtype"] == _ENCODED:
        return np.array(content, object)
    return np.frombuffer(content, head["dtype"]).reshape(head["shape"])
