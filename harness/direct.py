"""A gateway that is asked without a socket: as its connections ask it, and by httpx."""

import asyncio
from typing import Any

import httpx

from vitrine_serving.gateway.application import Gateway
from vitrine_serving.gateway.http.heads import CHUNKED, HeadLimits, RequestHead, read_head
from vitrine_serving.gateway.http.messages import Answer
from vitrine_serving.gateway.http.reading import Body

CLIENT = "127.0.0.1"


def head_of(method: str, path: str, *headers: tuple[str, str], client: str = CLIENT) -> RequestHead:
    """Returns the head of a request, as if it had come from a client."""
    fields = [("Host", "gateway"), *headers]
    if any(name.lower() == "host" for name, _ in headers):
        fields = list(headers)
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields), ""]
    return read_head("\r\n".join(lines), client, HeadLimits())


def sent_headers(app: Gateway, head: RequestHead, answer: Answer) -> list[tuple[str, str]]:
    """Returns the headers that an answer has, their names in lower case."""
    request = head.request
    sent = app.heads.head(answer, request.id, request.headers.get("origin"), close=False)
    lines = sent.decode("latin-1").split("\r\n")[1:-2]
    return [(name, value) for name, _, value in (line.partition(": ") for line in lines)]


class DirectTransport(httpx.AsyncBaseTransport):
    """Transport of httpx to a gateway in the same process."""

    def __init__(self, app: Gateway) -> None:
        self._app = app

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Returns the gateway's answer."""
        headers = [
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw
        ]
        head = head_of(request.method, request.url.raw_path.decode("ascii"), *headers)
        if head.length == CHUNKED:
            body = Body(head.request.headers, self._app.budget, ask=lambda: None)
            sending = asyncio.create_task(_send(request.stream, body))
        else:
            body = Body(head.request.headers, self._app.budget, await request.aread())
            sending = None
        try:
            answer = await self._app.answer(head.request, body)
        finally:
            body.release()
            if sending:
                sending.cancel()
        shown = b"" if request.method == "HEAD" else answer.body
        found = sent_headers(self._app, head, answer)
        return httpx.Response(answer.status, headers=found, content=shown)


async def _send(stream: Any, body: Body) -> None:
    async for part in stream:
        body.feed(part)
    body.finish()


def asking(app: Gateway, headers: dict[str, str] | None = None) -> httpx.AsyncClient:
    """Returns somebody who asks a gateway in the same process."""
    return httpx.AsyncClient(
        transport=DirectTransport(app), base_url="http://gateway", headers=headers
    )
