"""Routing before reading: refusals before the body, and health checks that wait for nobody."""

import asyncio
import gzip
import json
from collections.abc import Iterable

import pytest

from harness.direct import head_of, sent_headers
from tests.serving.asked_gateway import PREDICT, FakeServers
from vitrine_client.results.predictions import VersionStatus
from vitrine_serving.gateway.access import keys
from vitrine_serving.gateway.application import Gateway, create_app
from vitrine_serving.gateway.http.reading import Body
from vitrine_serving.gateway.http.routes import ROUTES, UNLIMITED
from vitrine_serving.gateway.settings import Settings

CHUNK = bytes(256 * 1024)
CHUNKS = [CHUNK] * 32
LENGTH = ("content-length", str(len(CHUNK) * len(CHUNKS)))
GZIP = ("content-encoding", "gzip")
WAIT_S = 30


class Exchange:
    """Conversation of one request, with the order of its events: "read" and "sent"."""

    def __init__(self, method: str, path: str, *headers: tuple[str, str]) -> None:
        self.head = head_of(method, path, *headers, client="192.0.2.1")
        self.events: list[str] = []
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""
        self._waiting: asyncio.Task[None] | None = None

    async def ask(self, app: Gateway, chunks: Iterable[bytes | asyncio.Event] = (b"",)) -> int:
        """Sends the chunks as they are asked for, each event when it is set; nothing comes after
        them unless the last is bytes. Returns the status."""
        self._left = list(chunks)
        self._body = Body(self.head.request.headers, app.budget, ask=self._ask)
        try:
            answer = await app.answer(self.head.request, self._body)
            self.status, self.body = answer.status, answer.body
            self.headers = dict(sent_headers(app, self.head, answer))
            self.events.append("sent")
            await self._body.discard()
        finally:
            self._body.release()
        return self.status

    def content(self) -> dict:
        return json.loads(self.body)

    def _ask(self) -> None:
        self.events.append("read")
        if isinstance(self._left[0], asyncio.Event):
            self._waiting = asyncio.create_task(self._feed_later(self._left.pop(0)))
        else:
            self._feed()

    async def _feed_later(self, event: asyncio.Event) -> None:
        await event.wait()
        if self._left:
            self._feed()

    def _feed(self) -> None:
        self._body.feed(self._left.pop(0))
        if not self._left:
            self._body.finish()


def answered_at_once(app: Gateway, path: str) -> int:
    """The status of a request that is answered without waiting for anything: it would show here."""
    exchange = Exchange("GET", path)
    conversation = exchange.ask(app)
    with pytest.raises(StopIteration):
        conversation.send(None)
    return exchange.status


@pytest.fixture
def keys_file(tmp_path):
    return tmp_path / "keys.txt"


@pytest.fixture
def key(keys_file):
    return ("x-api-key", keys.add(keys_file, "app"))


@pytest.fixture
def guarded(keys_file, key, servers) -> Gateway:
    return create_app(Settings(keys_file=keys_file, max_body_bytes=2**23), servers)


@pytest.mark.parametrize("encoding", [(), (GZIP,)], ids=["plain", "gzip"])
@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/healthz", 405),
        ("/nowhere", 401),
        ("/v1/models/mlp/drift", 401),
        (PREDICT, 401),
    ],
)
def test_refusals_without_a_key_come_before_the_body(guarded, path, status, encoding):
    """The answer is sent before a byte is read; the body is drained afterwards, for the sender."""
    exchange = Exchange("POST", path, LENGTH, *encoding)
    assert asyncio.run(exchange.ask(guarded, CHUNKS)) == status
    assert exchange.events == ["sent", *["read"] * len(CHUNKS)]
    assert ("Bearer" in exchange.headers.get("www-authenticate", "")) == (status == 401)


@pytest.mark.parametrize(
    ("method", "path", "length", "status", "allow"),
    [
        ("POST", "/nowhere", LENGTH, 404, None),
        ("POST", "/v1/models/mlp/drift", LENGTH, 405, "GET, HEAD"),
        ("PUT", PREDICT, LENGTH, 405, "POST"),
        ("POST", "/v1/models", LENGTH, 405, "GET, HEAD"),
        ("POST", f"/v1/models/mlp/versions/{2**63}:predict", LENGTH, 400, None),
        ("POST", PREDICT, ("content-length", str(2**23 + 1)), 413, None),
        ("GET", "/healthz", LENGTH, 200, None),
        ("GET", "/healthz", ("content-length", str(2**23 + 1)), 200, None),
    ],
)
def test_what_needs_no_body_is_told_before_it(guarded, key, method, path, length, status, allow):
    """With a key: unknown addresses, wrong methods, impossible versions, lengths beyond the limit,
    and addresses that take no body."""
    exchange = Exchange(method, path, key, length, GZIP)
    assert asyncio.run(exchange.ask(guarded, CHUNKS)) == status
    assert exchange.events[:2] == ["sent", "read"]
    assert exchange.headers.get("allow") == allow


def test_the_rate_is_told_before_the_body(servers):
    """429, and nothing of the body was read before."""
    app = create_app(Settings(rate_limit=0.001, rate_burst=1), servers)

    async def ask() -> Exchange:
        await Exchange("GET", "/v1/models/mlp").ask(app)
        exchange = Exchange("POST", PREDICT, LENGTH, GZIP)
        await exchange.ask(app, CHUNKS)
        return exchange

    exchange = asyncio.run(ask())
    assert (exchange.status, exchange.events[:2]) == (429, ["sent", "read"])


def test_a_body_without_end_is_drained_for_a_while(guarded):
    """A sender that stops half-way, and never ends, holds nobody up for good."""

    async def ask() -> int:
        exchange = Exchange("POST", PREDICT, LENGTH)
        return await asyncio.wait_for(exchange.ask(guarded, [CHUNK, asyncio.Event()]), WAIT_S)

    assert asyncio.run(ask()) == 401


def test_who_waits_to_be_asked_for_a_body_is_not_asked(guarded):
    """With `Expect: 100-continue` a refused body is not even drained."""
    exchange = Exchange("POST", PREDICT, LENGTH, ("expect", "100-continue"))
    assert asyncio.run(exchange.ask(guarded, CHUNKS)) == 401
    assert exchange.events == ["sent"]


class HangingServers(FakeServers):
    """Model servers that tell states only when `answers` is set; `asked_states` counts."""

    def __init__(self) -> None:
        super().__init__()
        self.answers = asyncio.Event()
        self.asked_states = 0

    async def status(self, model, **_):
        self.asked_states += 1
        await self.answers.wait()
        return [VersionStatus(3, "AVAILABLE")]


def test_liveness_does_not_wait_for_readiness():
    """While 64 ask for the models' readiness and the model server hangs, the gateway lives, is
    ready, and has its pages."""

    async def ask() -> None:
        servers = HangingServers()
        app = create_app(Settings(models=("mlp",)), servers)
        waiting = [Exchange("GET", "/readyz?models=1") for _ in range(64)]
        tasks = [asyncio.create_task(each.ask(app)) for each in waiting]
        while servers.asked_states < 64:
            await asyncio.sleep(0)
        assert answered_at_once(app, "/healthz") == 200
        assert answered_at_once(app, "/readyz") == 200
        assert await Exchange("GET", "/docs").ask(app) == 200
        assert not any(each.events for each in waiting)
        servers.answers.set()
        assert await asyncio.gather(*tasks) == [200] * 64

    asyncio.run(asyncio.wait_for(ask(), WAIT_S))


def test_liveness_does_not_wait_for_bodies(servers):
    """While more bodies of 32 MB come in as gzip than there are threads to inflate them: half-way,
    and once they have all come."""
    packed = gzip.compress(bytes(32 * 1024 * 1024), 1)

    async def ask() -> None:
        app = create_app(Settings(max_body_bytes_in_flight=2**30), servers)
        order: list[str] = []
        rest = asyncio.Event()

        async def send() -> int:
            headers = [("content-type", "image/png"), GZIP, ("content-length", str(len(packed)))]
            exchange = Exchange("POST", PREDICT, *headers)
            status = await exchange.ask(app, [packed[:99], rest, packed[99:]])
            order.append("body")
            return status

        def live() -> None:
            assert answered_at_once(app, "/healthz") == 200
            order.append("healthz")

        bodies = [asyncio.create_task(send()) for _ in range(17)]
        await asyncio.sleep(0)
        live()
        rest.set()
        await asyncio.sleep(0)
        live()
        await asyncio.gather(*bodies)
        assert order[:2] == ["healthz", "healthz"]
        assert {task.result() for task in bodies} == {400}

    asyncio.run(asyncio.wait_for(ask(), WAIT_S))


def test_ready_is_started_and_not_ending(runner):
    """It asks no model server, and says so when the gateway is about to end, with and without
    models; it lives on."""
    servers = FakeServers()
    servers.error = AssertionError("nobody asks")
    app = create_app(Settings(), servers)

    async def ask(path: str) -> tuple[int, dict]:
        exchange = Exchange("GET", path)
        return await exchange.ask(app), exchange.content()

    for path in ("/readyz", "/readyz?models=0"):
        assert runner.run(ask(path)) == (200, {"ready": True})
    app.begin_draining()
    for path in ("/readyz", "/readyz?models=1"):
        status, content = runner.run(ask(path))
        assert (status, content["ready"]) == (503, False)
        assert "ending" in content["reason"]
    assert runner.run(ask("/healthz"))[0] == 200


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        *((path, "GET, HEAD") for path in ("/", "/docs", "/openapi.json", "/static/page.css")),
        *((path, "GET, HEAD") for path in ("/healthz", "/readyz", "/metrics", "/v1/models")),
        *((path, "GET, HEAD") for path in ("/v1/models/mlp", "/v1/models/mlp/drift")),
        *((path, "POST") for path in ("/v1/instances", PREDICT, "/v1/models/mlp:explain")),
    ],
)
def test_options_is_no_method_of_any_address(http, path, allow):
    """Each says in the same way which methods it has."""
    answer = http.request("OPTIONS", path)
    assert answer.status_code == answer.json()["status"] == 405
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Allow"] == allow


def test_the_setting_limits_bodies(http):
    """The routes that take a body have no smaller limit of their own, but for those of which each
    is small."""
    limits = {route.endpoint: route.max_body_bytes for route in ROUTES}
    small = {name for name, limit in limits.items() if limit not in (0, UNLIMITED)}
    assert small == {"feedback", "v2_index", "v2_load", "v2_unload"}
    answer = http.post(PREDICT, content=bytes(100_001), headers={"Content-Type": "image/png"})
    assert (answer.status_code, "100000 bytes" in answer.json()["detail"]) == (413, True)


@pytest.mark.parametrize(
    "path",
    ["/v1/models/m/versions/%31:fly", "/static/%2e%2e/%41", "/%61", "/static//page.css"],
)
def test_unknown_addresses_are_named_as_they_were_sent(http, path):
    """What was decoded would be another address, and may be one that there is."""
    answer = http.get(path)
    assert answer.status_code == 404
    assert answer.json()["detail"].startswith(f"{path} is no address")


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/v1/models", "/", "/openapi.json"])
def test_head(http, path):
    """It has the headers alone."""
    head = http.request("HEAD", path)
    assert head.headers["content-length"] == http.get(path).headers["content-length"] != "0"
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Type"] == http.get(path).headers["Content-Type"]
