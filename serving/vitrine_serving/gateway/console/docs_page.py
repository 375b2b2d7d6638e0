"""API reference page: the OpenAPI document, arranged for people.

What is asked of a model by its newest version, by a version or by a label is one entry here with
three addresses; the document has an operation for each.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

URL = "http://127.0.0.1:8080"
"""Address in the document's commands: where a gateway is that was just started."""

_HOST = re.compile(r"[\w.-]+(:\d+)?|\[[\da-fA-F:.]+\](:\d+)?", re.ASCII)
_PATH = re.compile(r"(/[\w.~-]+)*", re.ASCII)
_TWINS = ("Version", "Label")
"""Ends of the names of operations that are the same one at another address."""


@dataclass(frozen=True)
class Entry:
    """An operation: `operation` is the document's, `parameters` are those of its path as well,
    `others` are the names and paths of its twins."""

    method: str
    path: str
    operation: Json
    parameters: list[Json]
    others: list[tuple[str, str]]


def content(document: Json, address: str) -> Json:
    """Returns what the template shows; commands have the `address` that the page is served from."""
    return {"document": document, "sections": sections(document), "url": URL, "address": address}


def sections(document: Json) -> list[tuple[Json, list[Entry]]]:
    """Returns the tags of the document, each with its entries, in their order."""
    entries = list(_entries(document))
    return [
        (tag, [entry for entry in entries if tag["name"] in entry.operation["tags"]])
        for tag in document["tags"]
    ]


def address(headers: Mapping[str, str], *, tls: bool) -> str:
    """Returns the address that a request was sent to, by its Host header; `tls` where the gateway
    itself speaks HTTPS. The default one where that is no host.

    A proxy may say that it speaks HTTPS, and below which path the gateway is. Anybody may send
    these headers: nothing in them gets into a command but a scheme and a plain path, and never
    another host than the one that was asked.
    """
    host = headers.get("Host", "")
    if not _HOST.fullmatch(host):
        return URL
    secure = tls or headers.get("X-Forwarded-Proto", "").lower() == "https"
    prefix = headers.get("X-Forwarded-Prefix", "").rstrip("/")
    path = prefix if _PATH.fullmatch(prefix) else ""
    return f"{'https' if secure else 'http'}://{host}{path}"


def _entries(document: Json) -> Iterator[Entry]:
    operations: dict[str, tuple[str, str, Json, list[Json]]] = {}
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method != "parameters":
                name = operation["operationId"]
                operations[name] = method, path, operation, item.get("parameters", [])
    for name, (method, path, operation, _) in operations.items():
        if name.endswith(_TWINS):
            continue
        twins = [name + end for end in _TWINS if name + end in operations]
        shared = [each for it in (name, *twins) for each in operations[it][3]]
        parameters = _distinct([*shared, *operation.get("parameters", [])])
        others = [(twin, operations[twin][1]) for twin in twins]
        yield Entry(method, path, operation, parameters, others)


def _distinct(parameters: list[Json]) -> list[Json]:
    return list({each["$ref"]: each for each in parameters}.values())
