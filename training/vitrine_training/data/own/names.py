"""Names of files and arrays: the words in them that say of which part and kind they are."""

import re

PART_WORDS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
    "t10k": "test",
}
"""Parts by the words for them in names of files and arrays, and by the names of folders."""

IMAGE_WORDS = ("x", "images", "image", "imgs", "img", "pixels", "data")
LABEL_WORDS = ("y", "labels", "label", "targets", "target", "class")


def tokens(name: str) -> list[str]:
    """Returns the words of a name in lower case: "X_train" has x and train."""
    return [token for token in re.split(r"[\W_]+", name.lower()) if token]


def parts(name: str) -> list[str]:
    """Returns the parts that the words of a name say."""
    return [PART_WORDS[token] for token in tokens(name) if token in PART_WORDS]
