"""Headers that keep browsers from doing harm with an answer, and say whose pages may have it.

The lists are made once; who gets one does not change it.
"""

from collections.abc import Mapping, Sequence

from vitrine_serving.gateway.http.messages import Answer

Headers = list[tuple[str, str]]

_CSP = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "connect-src 'self'",
        "form-action 'none'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
_EXPOSED = (
    "Access-Control-Expose-Headers",
    "Inference-Header-Content-Length, RateLimit, RateLimit-Policy, Retry-After, Server-Timing, "
    "X-Request-ID",
)
_PREFLIGHT: Headers = [
    ("Access-Control-Allow-Methods", "GET, POST"),
    (
        "Access-Control-Allow-Headers",
        "Authorization, Content-Encoding, Content-Type, Inference-Header-Content-Length, "
        "X-API-Key, X-Request-ID, traceparent",
    ),
    ("Access-Control-Max-Age", "7200"),  # the most that Chromium believes
]


def common(*, tls: bool) -> Headers:
    """Returns what every answer has; `tls` where the gateway itself speaks HTTPS."""
    found = [
        ("X-Content-Type-Options", "nosniff"),
        ("Cross-Origin-Resource-Policy", "same-origin"),
        ("Referrer-Policy", "no-referrer"),
    ]
    return [*found, ("Strict-Transport-Security", "max-age=31536000")] if tls else found


def api(*, tls: bool) -> Headers:
    """Returns what answers to programs have, which nobody keeps or shows as a page."""
    csp = "default-src 'none'; frame-ancestors 'none'"
    return [*common(tls=tls), ("Cache-Control", "no-store"), ("Content-Security-Policy", csp)]


def page(*, tls: bool) -> Headers:
    """Returns what pages have: nothing inline, nothing from elsewhere, in nobody's frame."""
    return [
        *common(tls=tls),
        ("Content-Security-Policy", _CSP),
        ("Cross-Origin-Opener-Policy", "same-origin"),
        ("Cross-Origin-Embedder-Policy", "require-corp"),
        ("Permissions-Policy", "camera=(self), microphone=(), geolocation=(), payment=(), usb=()"),
    ]


class Cors:
    """Whose pages may read answers, by the CORS protocol of the Fetch standard; `*` is for all.

    Cookies and such are never allowed: a page has to know an API key.
    """

    def __init__(self, origins: Sequence[str]) -> None:
        vary = ("Vary", "Origin")  # a cache must not give one page's permission to another
        self._others: Headers = [vary] if origins else []
        if "*" in origins:
            self._others = [("Access-Control-Allow-Origin", "*"), _EXPOSED]
            origins = ()
        self._known = {
            origin: [("Access-Control-Allow-Origin", origin), _EXPOSED, vary]
            for origin in (each.rstrip("/").lower() for each in origins)  # as browsers write it
        }

    def headers(self, origin: str) -> Headers:
        """Returns what any answer to a page of `origin` says of who may read it."""
        return self._known.get(origin, self._others)

    def preflight(self, method: str, request_headers: Mapping[str, str]) -> Answer | None:
        """Returns the answer to a browser that asks whether a page may ask, to which `headers` come
        as to any.

        None where it is no such question, or no page may. It has no key, so it goes before the
        guard.
        """
        asked = method == "OPTIONS" and "access-control-request-method" in request_headers
        if not asked or not self._others:
            return None
        allowed = self.headers(request_headers.get("origin", "")) != [("Vary", "Origin")]
        return Answer(200, b"", "", list(_PREFLIGHT) if allowed else [])
