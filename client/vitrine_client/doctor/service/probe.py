"""HTTP probe: one GET whose exchange has an end, also where a server never ends its answer."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests
import urllib3

from vitrine_client.http import protocol
from vitrine_client.http.deadline import Exchange, new_session
from vitrine_client.process import addresses, proxies
from vitrine_client.process.trust import Trust

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


def get(
    url: str,
    wait_s: float,
    headers: Mapping[str, str] | None = None,
    trust: Trust | None = None,
    *,
    straight: bool = False,
) -> Reply:
    """Asks once, as the client does: through the proxy of the environment, unless it is this
    machine or `straight`, and with the CAs and the certificate that are named there, or with those
    of `trust`.

    Raises `requests.RequestException` or `OSError` where there is no answer in time, and
    `InvalidRequest` where a file of `trust` cannot be used.
    """
    url, userinfo = addresses.split_userinfo(url)
    headers = dict(headers or {})
    if userinfo:
        headers["Authorization"] = protocol.basic_authorization(userinfo)
    secure = url.startswith("https:")
    context = (trust or Trust.chosen()).context() if secure else None
    with (
        new_session(context) as session,
        Exchange(time.monotonic() + wait_s),
        session.get(
            url,
            headers=headers,
            timeout=wait_s,
            allow_redirects=False,
            stream=True,
            proxies=dict(proxies.PAST_ALL) if straight else proxies.past_proxies(url),
        ) as answer,
    ):
        try:
            body = answer.raw.read(_LARGEST, decode_content=True)
        except urllib3.exceptions.HTTPError as error:  # reading it raw, these come as they are
            raise requests.ConnectionError(error) from error
        return Reply(answer.status_code, answer.headers, body)
