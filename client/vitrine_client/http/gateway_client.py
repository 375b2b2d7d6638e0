"""Gateway client: the common part of the one that blocks and the one for asyncio."""

import ssl
from functools import partial
from typing import Any

from vitrine_client.http import protocol
from vitrine_client.http.default_model import DefaultModel
from vitrine_client.process import addresses
from vitrine_client.process.trust import Certificate, Trust, Verify


class GatewayClient:
    """Client of the gateway at `base_url`, which is without user and password. Copies, and those
    that `pickle` makes in another process, are clients of their own.

    Raises `InvalidRequest` for an address that is none, and `InvalidArgument`, which is one, for
    such a time-out, key or file.
    """

    def __init__(
        self,
        base_url: str | None = None,
        *,
        timeout_s: float = 10.0,
        api_key: str = "",
        retries: int = 2,
        verify: Verify = True,
        cert: Certificate = None,
        max_answer_bytes: int = protocol.MAX_ANSWER_BYTES,
    ) -> None:
        named = addresses.checked_url(addresses.gateway_url() if base_url is None else base_url)
        options: dict[str, Any] = {"timeout_s": timeout_s, "api_key": api_key, "retries": retries}
        options |= {"verify": verify, "cert": cert, "max_answer_bytes": max_answer_bytes}
        self._remade = partial(type(self), named, **options)
        self.base_url, userinfo = addresses.split_userinfo(named)
        self._authorization = protocol.basic_authorization(userinfo)
        self._headers = protocol.key_headers(api_key)
        self._timeout_s = protocol.checked_timeout_s(timeout_s)
        self._retries = protocol.checked_retries(retries)
        self._max_answer_bytes = protocol.checked_answer_bytes(max_answer_bytes)
        self._closed = False
        self._default = DefaultModel()
        self._verify, self._cert = verify, cert
        self._prepare()

    def _prepare(self) -> None:
        """Makes ready for the first connection."""

    def __reduce__(self) -> tuple[Any, ...]:
        return self._remade, ()

    def _tls(self) -> ssl.SSLContext | None:
        """Returns the context of TLS, None for an address without."""
        secure = self.base_url.startswith("https:")
        return Trust.chosen(self._verify, self._cert).context() if secure else None
