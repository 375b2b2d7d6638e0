"""Bodies of requests: the samples, as single pictures and in batches."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness.paths import SAMPLES

BATCH = 32
PICTURES = [path.read_bytes() for path in SAMPLES]
_BOUNDARY = "vitrine-benchmark"


@dataclass(frozen=True)
class Body:
    """A request's content, its type, and what other headers it has."""

    content_type: str
    content: bytes
    more: Mapping[str, str] = field(default_factory=dict)

    @property
    def headers(self) -> dict[str, str]:
        """All of its headers but for its length."""
        return {"Content-Type": self.content_type, **self.more}


def png(picture: bytes) -> Body:
    """The picture as it is."""
    return Body("image/png", picture)


def form(pictures: Sequence[bytes]) -> Body:
    """A form with a file named `image` for each picture, as browsers and curl write it."""
    parts = [
        f"--{_BOUNDARY}\r\n"
        f'Content-Disposition: form-data; name="image"; filename="{number}.png"\r\n'
        "Content-Type: image/png\r\n\r\n".encode()
        + picture
        + b"\r\n"
        for number, picture in enumerate(pictures)
    ]
    content = b"".join([*parts, f"--{_BOUNDARY}--\r\n".encode()])
    return Body(f"multipart/form-data; boundary={_BOUNDARY}", content)


def form_of_one(picture: bytes) -> Body:
    """A form with one file, for those who take nothing else."""
    return form([picture])


def levels(pictures: Sequence[bytes]) -> NDArray[np.uint8]:
    """The pixels, uint8 [n, 28, 28]."""
    return np.stack([np.asarray(Image.open(io.BytesIO(one))) for one in pictures])


def npy(pictures: Sequence[bytes]) -> Body:
    """The pixels as `numpy.save` writes them, uint8 [n, 28, 28]."""
    file = io.BytesIO()
    np.save(file, levels(pictures))
    return Body("application/x-npy", file.getvalue())


def batch() -> list[bytes]:
    """The samples again and again, as many as a batch has."""
    return [PICTURES[number % len(PICTURES)] for number in range(BATCH)]
