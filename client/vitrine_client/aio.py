"""HTTP client of a Vitrine gateway for asyncio.

Install it with `vitrine-client[async]`.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Sequence
from typing import Any, Self

import aiohttp

from vitrine_client import errors
from vitrine_client.errors import VitrineError
from vitrine_client.http import (
    explanations,
    feedback,
    missing,
    predictions,
    protocol,
    streaming,
    tracing,
    unanswered_calls,
)
from vitrine_client.http.asked_model import AskedModel
from vitrine_client.http.gateway_client import GatewayClient
from vitrine_client.http.loop_sessions import LoopSessions
from vitrine_client.http.predictions import PredictionOutcome
from vitrine_client.http.protocol import AnswerBody, Call, Conversation, T
from vitrine_client.http.retries import Attempts
from vitrine_client.images import Picture
from vitrine_client.images.pictures import Batch, Pictures, batches_async
from vitrine_client.process import proxies
from vitrine_client.process.per_process import PerProcess
from vitrine_client.results.drift import DriftReport
from vitrine_client.results.explanations import Explanation
from vitrine_client.results.feedback import Feedback
from vitrine_client.results.predictions import Prediction, VersionStatus
from vitrine_client.results.profiles.report import ProfileReport


class AsyncClient(GatewayClient):
    """Client for asyncio: the calls, arguments and errors of `vitrine_client.Client`. Each event
    loop that asks, and each forked process, has connections of its own.

    Files are read, and pictures made smaller, in threads. Cancelling a call ends it at once.
    """

    def _prepare(self) -> None:
        self._context = self._tls()
        self._sessions = PerProcess(
            LoopSessions(self._connected), lambda _: LoopSessions(self._connected)
        )

    async def __aenter__(self) -> Self:
        errors.check_open(self._closed)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the kept connections; calls raise `ClientClosed` from then on."""
        self._closed = True
        if sessions := self._sessions.own():
            await sessions.close()

    async def predict(
        self,
        picture: Picture,
        model: str | None = None,
        *,
        version: int | None = None,
        label: str | None = None,
        local: bool = False,
        box: Sequence[float] | None = None,
    ) -> Prediction:
        """Returns the prediction for one picture, as `Client.predict` does."""
        asked = AskedModel(model, version, label, self._default)
        predict = predictions.predict_here if local else predictions.predict
        conversation = predict(picture, asked, box=box)
        return await self._hold(conversation, in_thread=local or not isinstance(picture, bytes))

    def predict_many(
        self,
        pictures: Pictures | AsyncIterable[Picture],
        model: str | None = None,
        *,
        version: int | None = None,
        label: str | None = None,
        batch_size: int = 128,
        concurrency: int = 4,
        local: bool = False,
    ) -> AsyncGenerator[PredictionOutcome, None]:
        """Yields, for each picture in order, its prediction or its error, as
        `Client.predict_many` does.

        `pictures` may also come from an asynchronous iterable; one that is not is read in the event
        loop. Where the loop is left early, `contextlib.aclosing` ends at once the calls under way.
        """
        errors.check_open(self._closed)
        asked = AskedModel(model, version, label, self._default)
        streaming.check(batch_size, concurrency)

        async def ask(batch: Batch) -> list[PredictionOutcome]:
            conversation = predictions.predict_batch(batch, asked, local=local)
            return await self._hold(conversation, in_thread=True)

        return streaming.in_order_async(batches_async(pictures, batch_size), ask, concurrency)

    async def explain(
        self,
        picture: Picture,
        model: str | None = None,
        *,
        class_id: int | str | None = None,
        version: int | None = None,
        label: str | None = None,
        box: Sequence[float] | None = None,
    ) -> Explanation:
        """Returns which pixels speak for a class and which against it, as `Client.explain` does."""
        asked = AskedModel(model, version, label, self._default, "explain")
        conversation = explanations.explain(picture, asked, class_id=class_id, box=box)
        return await self._hold(conversation, in_thread=True)

    async def send_feedback(
        self,
        request_id: str,
        label: str | int,
        index: int = 0,
        *,
        model: str | None = None,
        version: int | None = None,
        version_label: str | None = None,
    ) -> Feedback:
        """Tells the gateway what a picture shows that it answered wrongly, as
        `Client.send_feedback` does."""
        asked = AskedModel(model, version, version_label, self._default, "feedback")
        return await self._hold(feedback.send_feedback(request_id, label, index, asked))

    async def drift(self, model: str, *, version: int | None = None) -> DriftReport:
        """Returns whether a model is asked about images as in its validation, as `Client.drift`
        does."""
        conversation = protocol.drift(model, version)
        return await self._hold(missing.explained(conversation, (model,), version))

    async def profile(
        self, model: str, *, version: int | None = None, label: str | None = None
    ) -> ProfileReport:
        """Returns what pictures a version takes, as `Client.profile` does."""
        conversation = protocol.profile(model, version, label)
        return await self._hold(missing.explained(conversation, (model,), version, label))

    async def models(self) -> dict[str, list[VersionStatus]]:
        """Returns the models of the gateway, the states of their versions, and the version labels
        that name these."""
        return await self._hold(protocol.models())

    async def status(self, model: str) -> list[VersionStatus]:
        """Returns the states of the versions of one model."""
        return await self._hold(missing.explained(protocol.states(model), (model,)))

    async def metadata(
        self, model: str, *, version: int | None = None, label: str | None = None
    ) -> dict[str, Any]:
        """Returns the signatures of a version, in TensorFlow Serving's JSON."""
        conversation = protocol.metadata(model, version, label)
        return await self._hold(missing.explained(conversation, (model,), version, label))

    async def _hold(self, conversation: Conversation[T], *, in_thread: bool = False) -> T:
        """`in_thread` is for one that reads files, or has much to work out."""
        step, given = conversation.send, None
        while True:
            made = (
                await asyncio.to_thread(_stepped, step, given)
                if in_thread
                else _stepped(step, given)
            )
            if isinstance(made, _Done):
                returned: T = made.value
                return returned
            try:
                step, given = conversation.send, await self._ask(made)
            except VitrineError as error:
                step, given = conversation.throw, error

    async def _ask(self, call: Call) -> Any:
        errors.check_open(self._closed)
        attempts = Attempts(self._timeout_s, self._retries)
        while True:
            try:
                return await self._exchange(call, attempts)
            except VitrineError as error:
                pause_s = attempts.pause_s(error)
            await asyncio.sleep(pause_s)

    async def _exchange(self, call: Call, attempts: Attempts) -> Any:
        url = self.base_url + call.path
        with tracing.sending(call.method, url) as sending:
            headers = call.headers | sending.headers
            response, body = await self._sent(call, url, headers, attempts)
            sending.answered(response.status)
            return call.read(url, response.status, response.headers, body)

    async def _sent(
        self, call: Call, url: str, headers: dict[str, str], attempts: Attempts
    ) -> tuple[aiohttp.ClientResponse, bytes]:
        session = await self._sessions.get().of_this_loop()
        body = AnswerBody(self.base_url, self._max_answer_bytes)
        try:
            async with (
                asyncio.timeout(attempts.left_s()),
                session.request(
                    call.method,
                    url,
                    data=call.body or None,
                    headers=headers,
                    allow_redirects=False,
                    ssl=self._context or True,
                ) as response,
            ):
                async for piece in response.content.iter_any():
                    body.add(piece)
                return response, body.whole()
        except TimeoutError as error:
            raise unanswered_calls.late(self.base_url, self._timeout_s) from error
        except aiohttp.ClientSSLError as error:
            raise unanswered_calls.untrusted(self.base_url, error) from error
        except aiohttp.ClientError as error:
            # aiohttp tells what is no HTTP from what is no good HTTP by this alone.
            if "Bad status line" in str(error):
                raise unanswered_calls.no_http(self.base_url) from error
            answering = not isinstance(error, aiohttp.ClientConnectorError)
            raise unanswered_calls.lost(self.base_url, error, answering=answering) from error

    def _connected(self) -> aiohttp.ClientSession:
        local = proxies.is_local(self.base_url)
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            headers=self._headers | (protocol.netrc_headers(self.base_url) if local else {}),
            timeout=aiohttp.ClientTimeout(),  # ours is for the whole
            trust_env=not local,  # for proxies, and for .netrc
            middlewares=(self._authorized,) if self._authorization else (),
        )

    async def _authorized(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Shows the address' own user, whatever .netrc has."""
        request.headers["Authorization"] = self._authorization
        return await handler(request)


class _Done:
    """End of a conversation: a thread's result can't be a `StopIteration`."""

    def __init__(self, value: Any) -> None:
        self.value = value


def _stepped(step: Callable[[Any], Call], given: Any) -> Call | _Done:
    try:
        return step(given)
    except StopIteration as done:
        return _Done(done.value)
