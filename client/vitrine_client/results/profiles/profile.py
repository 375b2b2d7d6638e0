"""Model profile: the pictures that a model takes, and how its answers are read.

Its JSON is that of `assets.extra/profile.json`, of the key `profile` of the signature `describe`,
and of `GET /v1/models/<model>/profile`: docs/your-own-model.md has a table of the members.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any

from vitrine_client.process.visible import visible
from vitrine_client.results import json_values
from vitrine_client.results.strict_json import JsonRecord

Shape = tuple[int | None, ...]
"""Height and width of a picture, and its channels where the model has an axis for them; None for a
size that is free."""

SCALINGS = ("0..1", "0..255", "-1..1", "mean/std")
"""What the levels of a picture, 0..255, become; the last is (level / 255 - mean) / std."""

FITS = ("item", "crop", "pad", "stretch")
"""How a picture gets a model's size: its item alone, centred, as in Fashion-MNIST; the largest part
of the model's proportions; all of it between black bars; all of it, whatever its proportions."""

RESIZES = (
    *("bilinear", "bilinear-antialias", "bicubic-antialias", "lanczos3-antialias"),
    *("nearest", "pillow-bilinear", "pillow-bicubic", "pillow-draft"),
)
"""Filters by which a picture is made smaller or larger. `bilinear` is `tf.image.resize`, and so
Keras' `image_dataset_from_directory`; `-antialias` is the same with `antialias=True`; `nearest` is
Keras' `load_img`; `pillow-` is Pillow's on whole levels, and so torchvision's on its images;
`pillow-draft` is its bilinear one, of a JPEG that is made smaller while it is decoded."""

POLARITIES = ("as is", "negative")

KINDS = ("probabilities", "logits", "scores", "binary")
"""Kinds of outputs: shares that sum to 1, numbers whose softmax they are, a number of its own in
0..1 for each class, or a single one in 0..1 for the second of two classes."""

DTYPES = MappingProxyType(
    {
        "DT_FLOAT": "float32",
        "DT_HALF": "float16",
        "DT_DOUBLE": "float64",
        "DT_UINT8": "uint8",
        "DT_INT32": "int32",
        "DT_INT64": "int64",
        "DT_STRING": "string",
    }
)
"""Dtypes of inputs that pictures are made for, by TensorFlow's names. A `string` is an encoded
picture, which the model decodes: it gets PNG."""

MOST_SIDE = 4096
MOST_NUMBERS = 2**22
MOST_LABELS = 100_000
MOST_LETTERS = 200
"""Bounds of what a model may say: pixels of a side, numbers of a picture, labels, and letters of a
name."""

FREE_SIDES = (64, 128, 224, 299)
"""Pixels of the sides of made-up pictures where those are free: a model may refuse small ones."""

LABELS_MEMBER = "labels"

_MOST_CHANNELS, _MOST_LEVEL, _LEAST_DEVIATION = 4, 1_000_000, 1e-6
"""Of `mean` and `std`: numbers that pictures are made by stay far from the bounds of floats."""

_MOST_TOLD = 1000


class ProfileError(ValueError):
    """Profile that is broken, or does not fit the signatures of its model; the message names the
    member and the reason, in one line that is not too long, whatever names a model has."""

    def __init__(self, message: str) -> None:
        told = visible(message)
        super().__init__(f"{told[:_MOST_TOLD]}…" if len(told) > _MOST_TOLD else told)


@dataclass(frozen=True, eq=False)
class ModelProfile(JsonRecord):
    """Profile of a version of a model.

    `signature` takes `input`, `shape` of `dtype`, and answers `output` of a `kind`. A picture's
    `polarity` is changed first, it is made to `fit` by the filter `resize`, and its levels become
    those of `scaling`; `mean` and `std`, one for each channel, are for `mean/std` alone. Rows of
    several callers may share a call where it is `batchable`. `sources` says where each member is
    from, such as `describe`, `profile.json`, `signature`, `trial` or `assumed`.
    """

    signature: str = "serving_default"
    input: str = "images"
    shape: Shape = (28, 28)
    dtype: str = "float32"
    scaling: str = "0..1"
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    polarity: str = "as is"
    fit: str = "item"
    resize: str = "bilinear"
    output: str = "probabilities"
    kind: str = "probabilities"
    batchable: bool = True
    sources: Mapping[str, str] = field(default_factory=dict)

    @property
    def height(self) -> int | None:
        """Rows of a picture, None where they are free."""
        return self.shape[0]

    @property
    def width(self) -> int | None:
        """Columns of a picture, None where they are free."""
        return self.shape[1]

    @property
    def channels(self) -> int:
        """Channels of a picture: 1 for grey, 3 for RGB, 4 for RGBA; RGB where they are free."""
        return 1 if len(self.shape) == 2 else self.shape[2] or 3

    @property
    def has_fixed_size(self) -> bool:
        """Whether all pictures become equally large."""
        return None not in self.shape[:2] and self.dtype != "string"

    @property
    def shares_calls(self) -> bool:
        """Whether pictures of several callers may share a call."""
        return self.batchable and (self.has_fixed_size or self.dtype == "string")

    @property
    def assumptions(self) -> list[str]:
        """Sentences about what nothing says, and how to change it."""
        assumed = [name for name, source in self.sources.items() if source == "assumed"]
        told = self.to_dict()
        return [
            f"{name} {_shown(told[name])} assumed: write profile.json to change it"
            if name in told
            else f"{name} 0, 1, 2… assumed: write labels.txt to name the classes"
            for name in assumed
        ]

    def takes_the_same(self, other: "ModelProfile") -> bool:
        """Says whether a picture becomes the same for both, and is asked and answered the same."""
        return self is other or self._members() == other._members()

    def _members(self) -> tuple[Any, ...]:
        return tuple(value for name, value in vars(self).items() if name != "sources")


DESCRIBE = "describe"

FASHION_MNIST = ModelProfile(
    sources=dict.fromkeys(
        (each.name for each in fields(ModelProfile) if each.name != "sources"), DESCRIBE
    )
)
"""Profile of the classifiers that Vitrine trains, and of all that were published before there were
profiles: pictures as rows of Fashion-MNIST."""


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _named(value: Any) -> str:
    text = _text(value)
    if not 0 < len(text) <= MOST_LETTERS:
        raise ValueError(f"a name has 1 to {MOST_LETTERS} letters")
    return text


def _text(value: Any) -> str:
    """Returns a text that UTF-8 has: JSON's escapes can also be half a surrogate pair."""
    text = json_values.text(value)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError("half a surrogate pair is no text") from error
    return text


def _one_of(known: tuple[str, ...]) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in known:
            text = repr(value)[:MOST_LETTERS]
            raise ValueError(f"{text} is none of {', '.join(map(repr, known))}")
        return str(value)

    return read


def read_shape(value: Any) -> Shape:
    """Returns the shape of a picture. Raises `ValueError` where it is none, or too large."""
    sizes = json_values.items(value)
    if len(sizes) not in (2, 3):
        raise ValueError("write [height, width] or [height, width, channels]")
    found = tuple(None if size is None else json_values.whole(size) for size in sizes)
    if any(size is not None and not 1 <= size <= MOST_SIDE for size in found[:2]):
        raise ValueError(f"height and width are 1 to {MOST_SIDE}, or null where they are free")
    if len(found) == 3 and found[2] not in (None, 1, 3, 4):
        raise ValueError("the channels come last, and are 1, 3 or 4, or null where they are free")
    if math.prod(size or 1 for size in found) > MOST_NUMBERS:
        raise ValueError(f"a picture has {MOST_NUMBERS:,} numbers at most")
    return found


def _levels(value: Any) -> tuple[float, ...]:
    levels = tuple(map(json_values.number, json_values.items(value)))
    if len(levels) > _MOST_CHANNELS or not all(abs(level) <= _MOST_LEVEL for level in levels):
        raise ValueError(f"write at most {_MOST_CHANNELS} numbers, none above {_MOST_LEVEL:,}")
    return levels


def _deviations(value: Any) -> tuple[float, ...]:
    levels = _levels(value)
    if not all(level >= _LEAST_DEVIATION for level in levels):
        raise ValueError(f"a deviation is {_LEAST_DEVIATION:f} or more")
    return levels


def _labels(value: Any) -> tuple[str, ...]:
    labels = tuple(map(_text, json_values.items(value)))
    if len(labels) > MOST_LABELS:
        raise ValueError(f"there are {len(labels):,}, and {MOST_LABELS:,} are the most")
    for place, label in enumerate(labels):
        if len(label) > MOST_LETTERS:
            raise ValueError(
                f"that of class {place} has {len(label):,} letters, and {MOST_LETTERS} are the most"
            )
    return labels


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("write true or false")
    return value


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "signature": _named,
    "input": _named,
    "shape": read_shape,
    "dtype": _one_of(tuple(DTYPES.values())),
    "scaling": _one_of(SCALINGS),
    "mean": _levels,
    "std": _deviations,
    "polarity": _one_of(POLARITIES),
    "fit": _one_of(FITS),
    "resize": _one_of(RESIZES),
    "output": _named,
    "kind": _one_of(KINDS),
    "batchable": _flag,
    LABELS_MEMBER: _labels,
}

MEMBERS = tuple(_READERS)
"""Members that a profile may have, `labels` included; each may be left out."""


def read_members(content: Any) -> dict[str, Any]:
    """Returns the members of a profile's JSON that are there, checked one by one; `sources` and
    members that are null are left out. Raises `ProfileError`."""
    if not isinstance(content, dict):
        raise ProfileError("a profile is a JSON object")
    found = {}
    for name, value in content.items():
        if name == "sources" or value is None:
            continue
        if name not in _READERS:
            known = ", ".join(MEMBERS)
            raise ProfileError(f"`{str(name)[:MOST_LETTERS]}` is no member; there are {known}")
        try:
            found[name] = _READERS[name](value)
        except (ValueError, TypeError, OverflowError) as error:
            raise ProfileError(f"`{name}`: {error}") from error
    return found
