"""Gateway client: what the one that blocks and the one for asyncio have in common."""

import ssl
from functools import partial
from typing import Any

from vitrine_client.http import protocol as http_calls
from vitrine_client.http.default_model import DefaultModel
from vitrine_client.process import addresses
from vitrine_client.process.trust import Certificate, Trust, Verify


class GatewayClient:
    """Whom a client asks, and how; `base_url` is without user and password. Copies, and what
    `pickle` makes in another process, are clients of their own.

    Raises `InvalidRequest` for an address, a time-out, a key or a file that is none.
    """

    def __init__(
        self,
        base_url: str | None,
        *,
        timeout_s: float,
        api_key: str,
        retries: int,
        verify: Verify,
        cert: Certificate,
        **others: Any,
    ) -> None:
        named = addresses.checked_url(addresses.gateway_url() if base_url is None else base_url)
        options: dict[str, Any] = {"timeout_s": timeout_s, "api_key": api_key, "retries": retries}
        options |= {"verify": verify, "cert": cert} | others
        self._remade = partial(type(self), named, **options)
        self.base_url, userinfo = addresses.split_userinfo(named)
        self._authorization = http_calls.basic_authorization(userinfo)
        self._headers = http_calls.key_headers(api_key)
        self._timeout_s = http_calls.checked_timeout_s(timeout_s)
        self._retries = retries
        self._closed = False
        self._default = DefaultModel()
        self._verify, self._cert = verify, cert

    def __reduce__(self) -> tuple[Any, ...]:
        return self._remade, ()

    def _tls(self) -> ssl.SSLContext | None:
        """Returns what decides about TLS, None for an address without."""
        secure = self.base_url.startswith("https:")
        return Trust.chosen(self._verify, self._cert).context() if secure else None
