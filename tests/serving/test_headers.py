"""Headers for browsers: what they may do with an answer, and who may read it."""

from html.parser import HTMLParser
from pathlib import Path

import pytest

from vitrine_serving import gateway
from vitrine_serving.gateway.http import headers
from vitrine_serving.gateway.http.headers import Cors

ORIGIN = "https://app.example"
PREFLIGHT = {"origin": ORIGIN, "access-control-request-method": "POST"}


@pytest.mark.parametrize("kind", [headers.common, headers.api, headers.page])
def test_every_answer_is_what_it_says(kind):
    """No sniffing, no embedding elsewhere, no referrer; each header once; HSTS with TLS alone."""
    plain, secure = dict(kind(tls=False)), dict(kind(tls=True))
    assert len(plain) == len(kind(tls=False))
    assert plain["X-Content-Type-Options"] == "nosniff"
    assert plain["Cross-Origin-Resource-Policy"] == "same-origin"
    assert plain["Referrer-Policy"] == "no-referrer"
    assert secure.pop("Strict-Transport-Security") == "max-age=31536000"
    assert secure == plain


def test_answers_of_the_api_are_not_kept():
    """Predictions are somebody's: no cache stores them, no page can be made of them."""
    found = dict(headers.api(tls=False))
    assert found["Cache-Control"] == "no-store"
    assert "default-src 'none'" in found["Content-Security-Policy"]


def test_pages_run_nothing_but_their_own():
    """The policy starts from nothing, allows no inline code and no other origin, and the camera."""
    found = dict(headers.page(tls=False))
    policy = dict(part.split(" ", 1) for part in found["Content-Security-Policy"].split("; "))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data: blob:",
        "connect-src": "'self'",
        "form-action": "'none'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }
    assert "camera=(self)" in found["Permissions-Policy"]


class Inline(HTMLParser):
    """Collects what a page has that such a policy would forbid."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag, attributes):
        names = dict(attributes)
        if (tag == "script" and "src" not in names) or tag in ("style", "base", "iframe"):
            self.found.append(tag)
        self.found += [name for name in names if name.startswith("on") or name == "style"]


PAGES = sorted((Path(gateway.__file__).parent / "console/templates").glob("*.html"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_our_pages_keep_to_the_policy(page):
    """No page of ours has anything inline, or it would not work."""
    parser = Inline()
    parser.feed(page.read_text())
    assert parser.found == []


def test_nobody_may_by_default():
    """Without a list there are no CORS headers, and a preflight is a request like others."""
    cors = Cors(())
    assert cors.headers(ORIGIN) == []
    assert cors.preflight("OPTIONS", PREFLIGHT) is None


@pytest.mark.parametrize("listed", [ORIGIN, f"{ORIGIN}/", "HTTPS://App.example"])
def test_an_origin_on_the_list_may(listed):
    """It is named back, caches are told that it depends, and cookies are never allowed."""
    cors = Cors((listed, "https://other.example"))
    found = dict(cors.headers(ORIGIN))
    assert found["Access-Control-Allow-Origin"] == ORIGIN
    assert found["Vary"] == "Origin"
    assert "RateLimit" in found["Access-Control-Expose-Headers"]
    answer = cors.preflight("OPTIONS", PREFLIGHT)
    allowed = dict(answer.headers)
    assert answer.status == 200
    assert "POST" in allowed["Access-Control-Allow-Methods"]
    for name in ("Authorization", "X-API-Key", "Content-Type"):
        assert name in allowed["Access-Control-Allow-Headers"]
    assert "Access-Control-Allow-Credentials" not in found | allowed


@pytest.mark.parametrize(
    "origin",
    ["", "null", "https://app.example.evil", "http://app.example", "https://app.example:444"],
)
def test_other_origins_may_not(origin):
    """Anything but the very origin gets no permission, and the answer is not for their cache."""
    cors = Cors((ORIGIN,))
    assert cors.headers(origin) == [("Vary", "Origin")]
    assert cors.preflight("OPTIONS", PREFLIGHT | {"origin": origin}).headers == []


def test_all_origins():
    """`*` lets any page read, without naming it."""
    cors = Cors(("*",))
    assert dict(cors.headers("https://any.example"))["Access-Control-Allow-Origin"] == "*"
    assert cors.preflight("OPTIONS", PREFLIGHT).headers


@pytest.mark.parametrize(("method", "sent"), [("POST", PREFLIGHT), ("OPTIONS", {"origin": ORIGIN})])
def test_what_is_no_preflight(method, sent):
    """Only OPTIONS with the browser's question is one."""
    assert Cors((ORIGIN,)).preflight(method, sent) is None
