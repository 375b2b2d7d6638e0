"""Which model is asked, and for what: TensorFlow Serving's grammar of addresses."""

import re
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote

from vitrine_client.errors import InvalidRequest

_ADDRESS = re.compile(
    r"/v1/models/([^/:]+)(?:/versions/(\d+)|/labels/([^/:]+))?(?::(predict|classify|regress)|/(metadata))?",
    re.ASCII,
)


class Target(NamedTuple):
    """Which model, and which of its versions: by number, by version label, or the newest."""

    model: str
    version: int | None = None
    label: str | None = None


@lru_cache(1024)
def parse(path: str) -> tuple[Target, str] | None:
    """Returns what an undecoded path names, and what is asked: a verb, "metadata" or "status".

    None if it is no such address; raises `InvalidRequest` for a version beyond int64.
    """
    found = _ADDRESS.fullmatch(path)
    if not found:
        return None
    model, version, label, verb, metadata = found.groups()
    number = None if version is None else int(version.lstrip("0")[:20] or "0")
    if number is not None and number >= 2**63:
        raise InvalidRequest(f"Failed to convert version: {version} to numeric.")
    return Target(unquote(model), number, label and unquote(label)), verb or metadata or "status"
