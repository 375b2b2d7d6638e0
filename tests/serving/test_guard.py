"""Who may, and how often: the gateway's guard."""

import pytest

from vitrine_client.errors import ResourceExhausted, Unauthorized
from vitrine_serving.gateway.access import keys
from vitrine_serving.gateway.access.guard import Guard
from vitrine_serving.gateway.http.messages import Request
from vitrine_serving.gateway.http.routes import Route, RoutedRequest
from vitrine_serving.gateway.settings import Settings


def route(path: str) -> Route:
    return RoutedRequest(Request("GET", path, "", {}, "", "id-1")).route


PREDICT = "/v1/models/mlp:predict"
PREDICTS = route(PREDICT)


@pytest.fixture
def keys_file(tmp_path):
    return tmp_path / "keys.txt"


@pytest.fixture
def key(keys_file) -> str:
    return keys.add(keys_file, "app")


def made_guard(settings: Settings, **options) -> Guard:
    return Guard(settings.access, settings.rates, **options)


def admitted(guard: Guard, peer: str = "192.0.2.1", forwarded: str = "", **headers: str) -> bool:
    """Says whether one more request passes."""
    if forwarded:
        headers["x-forwarded-for"] = forwarded
    try:
        guard.admit(headers, peer, PREDICTS)
    except ResourceExhausted:
        return False
    return True


def test_without_keys_and_limits_all_pass():
    """A gateway that was told nothing lets everybody in, and adds nothing to answers."""
    guard = made_guard(Settings())
    admission = guard.admit({}, "192.0.2.1", PREDICTS)
    assert (admission.name, admission.headers) == ("", [])


@pytest.mark.parametrize("form", ["Bearer {}", "bearer {}", "BEARER  {} "])
def test_a_key_as_bearer_token(keys_file, key, form):
    """`Authorization: Bearer` in any case; the admission has the key's name for the log."""
    guard = made_guard(Settings(keys_file=keys_file))
    assert guard.admit({"authorization": form.format(key)}, "", PREDICTS).name == "app"


def test_a_key_as_x_api_key(keys_file, key):
    """`X-API-Key` does as well, also beside the credentials of something else."""
    guard = made_guard(Settings(keys_file=keys_file))
    for more in ({}, {"authorization": "Basic dXNlcjpwYXNz"}):
        assert guard.admit({"x-api-key": key} | more, "", PREDICTS).name == "app"


@pytest.mark.parametrize(
    ("headers", "challenge", "hint"),
    [
        ({}, "Bearer", "X-API-Key"),
        ({"authorization": "Bearer "}, "Bearer", "X-API-Key"),
        ({"authorization": "Basic dXNlcjpwYXNz"}, "Bearer", "X-API-Key"),
        ({"authorization": "Bearer vitrine_no"}, 'Bearer error="invalid_token"', "not known"),
        ({"x-api-key": "app"}, 'Bearer error="invalid_token"', "not known"),
    ],
)
def test_without_a_known_key(keys_file, key, headers, challenge, hint):
    """401 with the challenge of RFC 6750 and a hint how to send a key; the key is not repeated."""
    guard = made_guard(Settings(keys_file=keys_file))
    with pytest.raises(Unauthorized, match=hint) as caught:
        guard.admit(headers, "192.0.2.1", PREDICTS)
    assert caught.value.status == 401
    assert caught.value.headers == (("WWW-Authenticate", challenge),)
    assert "vitrine_no" not in str(caught.value)


def test_pages_and_probes_need_no_key(keys_file, key):
    """What a browser or a probe asks for is open."""
    guard = made_guard(Settings(keys_file=keys_file, rate_limit=0.001))
    open_paths = ("/", "/docs", "/openapi.json", "/healthz", "/readyz", "/metrics")
    for path in (*open_paths, "/internal/drift-windows"):  # which is for its peers' addresses alone
        for _ in range(5):
            assert guard.admit({}, "192.0.2.1", route(path)).name == ""
    assert guard.admit({}, "192.0.2.1", route("/static/page.css")).name == ""


@pytest.mark.parametrize(
    "path",
    [
        *("/v1/models", "/v1/models/mlp", "/v1/models/mlp/metadata", PREDICT),
        *("/%761/models", "/%2fv1/models", "//v1/models", "/V1/models", "/v1", "", "*"),
        *("/healthz/", "/docs/x", "/staticx", "/static", "/../v1/models", "/none"),
    ],
)
def test_everything_else_needs_a_key(keys_file, key, path):
    """No other address is open, however it is written."""
    guard = made_guard(Settings(keys_file=keys_file))
    with pytest.raises(Unauthorized):
        guard.admit({}, "192.0.2.1", route(path))


def test_each_address_has_its_rate(clock):
    """Without keys each address has its own limit, and answers say what is left of it."""
    guard = made_guard(Settings(rate_limit=0.5, rate_burst=2), now=clock)
    assert guard.admit({}, "192.0.2.1", PREDICTS).headers == [
        ("RateLimit-Policy", '"default";q=2;w=4'),
        ("RateLimit", '"default";r=1;t=2'),
    ]
    assert admitted(guard)
    with pytest.raises(ResourceExhausted) as caught:
        guard.admit({}, "192.0.2.1", PREDICTS)
    assert caught.value.status == 429
    assert caught.value.retry_after_s == pytest.approx(2)
    assert caught.value.headers == (
        ("RateLimit-Policy", '"default";q=2;w=4'),
        ("RateLimit", '"default";r=0;t=2'),
    )
    assert admitted(guard, "192.0.2.2")
    clock.s += 2
    assert admitted(guard)


def test_each_key_has_its_rate(keys_file, key, clock):
    """With keys the limit is the key's, from whatever address, and not the address's."""
    other = keys.add(keys_file, "lab")
    guard = made_guard(Settings(keys_file=keys_file, rate_limit=1, rate_burst=2), now=clock)
    assert admitted(guard, "192.0.2.1", authorization=f"Bearer {key}")
    assert admitted(guard, "192.0.2.2", **{"x-api-key": key})
    assert not admitted(guard, "192.0.2.3", authorization=f"Bearer {key}")
    assert admitted(guard, "192.0.2.3", authorization=f"Bearer {other}")


def test_wrong_keys_are_limited_by_address(keys_file, key, clock):
    """Who tries keys is refused after a while; who has one is not, from the same address."""
    guard = made_guard(Settings(keys_file=keys_file, rate_limit=1, rate_burst=3), now=clock)
    for _ in range(3):
        with pytest.raises(Unauthorized) as caught:
            guard.admit({"x-api-key": "wrong"}, "192.0.2.1", PREDICTS)
    assert ("RateLimit", '"default";r=0;t=3') in caught.value.headers
    for headers in ({"x-api-key": "wrong"}, {"x-api-key": "another"}, {}):
        with pytest.raises(ResourceExhausted):
            guard.admit(headers, "192.0.2.1", PREDICTS)
    assert guard.admit({"x-api-key": key}, "192.0.2.1", PREDICTS).name == "app"


# Peer and X-Forwarded-For of two requests, and whether they are of one client. 10/8 and fd00::/8
# are trusted.
CLIENTS = {
    "same peer": (("192.0.2.1", ""), ("192.0.2.1", ""), True),
    "peers": (("192.0.2.1", ""), ("192.0.2.2", ""), False),
    "a peer's own claim": (("192.0.2.1", "198.51.100.1"), ("192.0.2.1", "198.51.100.2"), True),
    "behind a proxy": (("10.0.0.1", "198.51.100.1"), ("10.0.0.1", "198.51.100.2"), False),
    "behind two proxies": (("10.0.0.1", "198.51.100.1"), ("10.0.0.2", "198.51.100.1"), True),
    "a chain": (("10.0.0.1", "198.51.100.1, 10.9.9.9"), ("10.0.0.1", "198.51.100.1"), True),
    "a claim before a proxy": (
        ("10.0.0.1", "1.1.1.1, 198.51.100.1"),
        ("10.0.0.1", "2.2.2.2, 198.51.100.1"),
        True,
    ),
    "garbage before a client": (
        ("10.0.0.1", "<script>, 198.51.100.1"),
        ("10.0.0.1", "198.51.100.1"),
        True,
    ),
    "garbage": (("10.0.0.1", "garbage"), ("10.0.0.1", "10.0.0.1, rubbish"), True),
    "garbage is the proxy's": (("10.0.0.1", "garbage"), ("10.0.0.2", "garbage"), False),
    "nothing but proxies": (("10.0.0.1", "10.0.0.5"), ("10.0.0.1", "10.0.0.6"), False),
    "no header": (("10.0.0.1", ""), ("10.0.0.1", " "), True),
    "a /64": (("2001:db8::1", ""), ("2001:db8::ffff:2", ""), True),
    "two /64": (("2001:db8::1", ""), ("2001:db8:0:1::1", ""), False),
    "a /64 behind a proxy": (("fd00::1", "2001:db8::1"), ("10.0.0.1", "2001:db8::2"), True),
    "IPv4 in IPv6": (("::ffff:192.0.2.1", ""), ("::ffff:192.0.2.2", ""), False),
    "IPv4, and in IPv6": (("::ffff:192.0.2.1", ""), ("192.0.2.1", ""), True),
    "a proxy's IPv4 in IPv6": (
        ("::ffff:10.0.0.1", "198.51.100.1"),
        ("10.0.0.1", "198.51.100.1"),
        True,
    ),
    "Unix socket": (("", "198.51.100.1"), ("", "198.51.100.2"), True),
}


@pytest.mark.parametrize(("first", "second", "same"), CLIENTS.values(), ids=CLIENTS)
def test_whose_request_it_is(first, second, same, clock):
    """The peer's, or whom trusted proxies name; what a client claims counts for nothing."""
    proxies = ("10.0.0.0/8", "fd00::/8")
    settings = Settings(rate_limit=1, rate_burst=1, trusted_proxies=proxies)
    guard = made_guard(settings, now=clock)
    assert admitted(guard, *first)
    assert admitted(guard, *second) == (not same)


def test_without_trusted_proxies_the_header_is_nothing(clock):
    """X-Forwarded-For of anybody is not believed by default."""
    guard = made_guard(Settings(rate_limit=1, rate_burst=1), now=clock)
    assert admitted(guard, "127.0.0.1", "198.51.100.1")
    assert not admitted(guard, "127.0.0.1", "198.51.100.2")
