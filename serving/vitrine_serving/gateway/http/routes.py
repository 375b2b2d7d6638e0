"""Which model is asked, and for what: TensorFlow Serving's grammar of addresses, and ours."""

import re
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote

from vitrine_client.errors import InvalidRequest

_ADDRESS = re.compile(
    r"/v1/models/([^/:]+)(?:/versions/(\d+)|/labels/([^/:]+))?(?::(predict|classify|regress|explain)|/(metadata|drift))?",
    re.ASCII,
)


_OTHERS = {
    "/": "page",
    "/docs": "docs",
    "/openapi.json": "openapi",
    "/healthz": "healthz",
    "/readyz": "readyz",
    "/metrics": "metrics",
    "/v1/models": "models",
    "/v1/instances": "instances",
}


class Target(NamedTuple):
    """Which model, and which of its versions: by number, by version label, or the newest."""

    model: str
    version: int | None = None
    label: str | None = None


@lru_cache(1024)
def parse(path: str) -> tuple[Target, str] | None:
    """Returns what an undecoded path names, and what is asked: a verb, "metadata", "drift" or
    "status".

    None if it is no such address; raises `InvalidRequest` for a version beyond int64.
    """
    found = _ADDRESS.fullmatch(path)
    if not found:
        return None
    model, version, label, verb, below = found.groups()
    if label and below == "drift":
        return None  # it is watched by version
    number = None if version is None else int(version.lstrip("0")[:20] or "0")
    if number is not None and number >= 2**63:
        raise InvalidRequest(f"Failed to convert version: {version} to numeric.")
    return Target(unquote(model), number, label and unquote(label)), verb or below or "status"


def recognise(path: str) -> tuple[str, Target | None]:
    """Returns what `Request.endpoint` is for an undecoded path, "other" if there is no such
    address, and which model it is about."""
    try:
        found = parse(path)
    except InvalidRequest:
        return "other", None
    if found:
        target, asked = found
        return asked, target
    return _OTHERS.get(path, "static" if path.startswith("/static/") else "other"), None
