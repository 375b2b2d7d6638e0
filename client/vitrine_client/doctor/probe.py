"""HTTP probe: one GET whose exchange has an end, also where a server never ends its answer."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests
import urllib3

from vitrine_client.connections import BoundedAdapter, Exchange

_LARGEST = 4 * 1024 * 1024


@dataclass(frozen=True)
class Reply:
    """An answer, whatever its status; names in `headers` are found whatever their case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """Returns the object in the body, an empty one where there is none."""
        try:
            content = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return content if isinstance(content, dict) else {}


def get(url: str, wait_s: float, headers: Mapping[str, str] | None = None) -> Reply:
    """Asks once, through the proxy and with the CAs that the process's environment names.

    Raises `requests.RequestException` or `OSError` where there is no answer in time.
    """
    with requests.Session() as session, Exchange(time.monotonic() + wait_s):
        for scheme in ("http://", "https://"):
            session.mount(scheme, BoundedAdapter())
        with session.get(
            url, headers=headers, timeout=wait_s, allow_redirects=False, stream=True
        ) as answer:
            try:
                body = answer.raw.read(_LARGEST, decode_content=True)
            except urllib3.exceptions.HTTPError as error:  # reading it raw, these come as they are
                raise requests.ConnectionError(error) from error
            return Reply(answer.status_code, answer.headers, body)
