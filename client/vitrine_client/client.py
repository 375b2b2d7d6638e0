"""HTTP client of a Vitrine gateway."""

from collections.abc import Generator, Sequence
from functools import partial
from typing import Any, Self

import requests
from urllib3.exceptions import DecodeError, ProtocolError

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
from vitrine_client.http.deadline import Exchange, new_session
from vitrine_client.http.gateway_client import GatewayClient
from vitrine_client.http.predictions import PredictionOutcome
from vitrine_client.http.protocol import AnswerBody, Call, Conversation, T
from vitrine_client.http.retries import Attempts
from vitrine_client.http.streaming import Stop
from vitrine_client.images import Picture
from vitrine_client.images.pictures import Batch, Pictures, batches
from vitrine_client.process import proxies
from vitrine_client.process.per_process import PerProcess
from vitrine_client.process.trust import Certificate, Trust, Verify
from vitrine_client.results.drift import DriftReport
from vitrine_client.results.explanations import Explanation
from vitrine_client.results.feedback import Feedback
from vitrine_client.results.predictions import Prediction, VersionStatus
from vitrine_client.results.profiles.report import ProfileReport

_PIECE_BYTES = 65536
_OF_ANSWERS = (ProtocolError, DecodeError)
"""Errors of connections that were made."""


class Client(GatewayClient):
    """Client of the gateway at `base_url`, over connections that it keeps. Threads may share it,
    and so may processes: a forked one makes its own connections. Without `base_url` it is the
    gateway that the environment names (`VITRINE_URL`, or `VITRINE_PORT` on this machine), else
    http://127.0.0.1:8080.

    Every call raises a `VitrineError`: `Unavailable` where nobody answers, `DeadlineExceeded` after
    `timeout_s` seconds without an answer, else the gateway's own. Calls that may yet succeed are
    tried again, up to `retries` times within `timeout_s`. An answer that has more than
    `max_answer_bytes`, unpacked, is a `ServerError`, and not read to its end.

    `verify` is a PEM file of the CAs to trust, or False to trust anybody; `cert` a PEM file to show
    with certificate and key, or one of each; without them it is those that the environment names
    (`vitrine_client.process.trust`). A `session` of your own brings its own connections, whose
    timeouts are requests': for each read, not for the whole call. It trusts whom requests does,
    unless `verify` says otherwise.

    >>> with Client("http://127.0.0.1:8080") as client:  # doctest: +SKIP
    ...     client.predict("shoe.png").label
    'Ankle boot'
    """

    _is_gateway = True

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
        session: requests.Session | None = None,
    ) -> None:
        options: dict[str, Any] = {"timeout_s": timeout_s, "api_key": api_key, "retries": retries}
        options |= {"verify": verify, "cert": cert, "max_answer_bytes": max_answer_bytes}
        super().__init__(base_url, **options)
        if session:
            self._remade = partial(self._remade, session=session)
            trusted = Trust.for_session(verify, cert)
            self._session = PerProcess(session, _disconnected)
        else:
            context = self._tls()
            self._session = PerProcess(new_session(context), lambda _: new_session(context))
            trusted = {"verify": verify is not False, "cert": None}
        # Proxies that the environment names; looking at each call takes longer than asking.
        self._settings: Any = self._session.get().merge_environment_settings(
            self.base_url, proxies.past_proxies(self.base_url), stream=True, **trusted
        )

    def __enter__(self) -> Self:
        errors.check_open(self._closed)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the kept connections; calls raise `ClientClosed` from then on."""
        self._closed = True
        if session := self._session.own():
            session.close()

    def predict(
        self,
        picture: Picture,
        model: str | None = None,
        *,
        version: int | None = None,
        label: str | None = None,
        local: bool = False,
        box: Sequence[float] | None = None,
    ) -> Prediction:
        """Returns the prediction for one picture: a path, bytes, a binary file, a PIL image or an
        array (uint8 or float 0..1, [h, w] or [h, w, 3]).

        The newest version answers, or that with the number `version` or the version label `label`;
        of `photo`, or of `mlp` where that is not served, unless `model` names one. The item is
        looked for, or lies in `box`: x, y, width and height in pixels of the upright
        picture. `local` makes the 28x28 pixels here and sends those. Raises `InvalidImage` where
        the picture can't be read, `EmptyPicture`, which is one, where it shows nothing, `OSError`
        where its file can't be opened.
        """
        asked = AskedModel(model, version, label, self._default)
        predict = predictions.predict_here if local else predictions.predict
        return self._hold(predict(picture, asked, box=box))

    def predict_many(
        self,
        pictures: Pictures,
        model: str | None = None,
        *,
        version: int | None = None,
        label: str | None = None,
        batch_size: int = 128,
        concurrency: int = 4,
        local: bool = False,
    ) -> Generator[PredictionOutcome, None, None]:
        """Yields, for each picture in order, its prediction or its error.

        `pictures` is an iterable, or a folder, whose pictures are taken by name. `batch_size` of
        them make a request, fewer where they have many bytes, and `concurrency` requests are under
        way at once; no more is read ahead. A file that can't be read is an `InvalidImage` in its
        place, and one that shows nothing an `EmptyPicture`; any other error is raised when its turn
        comes, and ends it, as does leaving the loop.
        """
        errors.check_open(self._closed)
        asked = AskedModel(model, version, label, self._default)
        streaming.check(batch_size, concurrency)

        def ask(batch: Batch, stop: Stop) -> list[PredictionOutcome]:
            return self._hold(predictions.predict_batch(batch, asked, local=local), stop)

        return streaming.in_order(batches(pictures, batch_size), ask, concurrency)

    def explain(
        self,
        picture: Picture,
        model: str | None = None,
        *,
        class_id: int | str | None = None,
        version: int | None = None,
        label: str | None = None,
        box: Sequence[float] | None = None,
    ) -> Explanation:
        """Returns which pixels of a picture speak for a class, and which against it.

        `class_id` is the class, by its index or its name, and else the one that is answered. The
        rest is as for `predict`, which raises the same; `InvalidRequest` where the model has no
        such class, or was published without explanations.
        """
        asked = AskedModel(model, version, label, self._default, "explain")
        return self._hold(explanations.explain(picture, asked, class_id=class_id, box=box))

    def send_feedback(
        self,
        request_id: str,
        label: str | int,
        index: int = 0,
        *,
        model: str | None = None,
        version: int | None = None,
        version_label: str | None = None,
    ) -> Feedback:
        """Tells the gateway what a picture shows that it answered wrongly, by the `request_id` of
        the prediction and its `index`; `label` is that of a class, or a class id.

        Name the model that had answered; without one it is `photo`, and no other stands in for it.
        A picture has one label: the same again is no fault, another one is `AlreadyFlagged`.
        `InvalidRequest` where the model has no such class, `NotFound` where the gateway takes no
        feedback.
        """
        asked = AskedModel(model, version, version_label, self._default, "feedback")
        return self._hold(feedback.send_feedback(request_id, label, index, asked))

    def drift(self, model: str, *, version: int | None = None) -> DriftReport:
        """Returns whether the AVAILABLE versions of a model, or one of them, are asked about images
        as in their validation. Raises `NotFound` where the gateway does not watch."""
        return self._hold(missing.explained(protocol.drift(model, version), (model,), version))

    def profile(
        self, model: str, *, version: int | None = None, label: str | None = None
    ) -> ProfileReport:
        """Returns what pictures a version takes and how its answers are read, and what is assumed
        of that; or why no picture can be sent to it."""
        conversation = protocol.profile(model, version, label)
        return self._hold(missing.explained(conversation, (model,), version, label))

    def models(self) -> dict[str, list[VersionStatus]]:
        """Returns the models of the gateway, the states of their versions, and the version labels
        that name these."""
        return self._hold(protocol.models())

    def status(self, model: str) -> list[VersionStatus]:
        """Returns the states of the versions of one model."""
        return self._hold(missing.explained(protocol.states(model), (model,)))

    def metadata(
        self, model: str, *, version: int | None = None, label: str | None = None
    ) -> dict[str, Any]:
        """Returns the signatures of a version, in TensorFlow Serving's JSON."""
        conversation = protocol.metadata(model, version, label)
        return self._hold(missing.explained(conversation, (model,), version, label))

    def _hold(self, conversation: Conversation[T], stop: Stop | None = None) -> T:
        return protocol.held(conversation, partial(self._ask, stop=stop or Stop()))

    def _ask(self, call: Call, stop: Stop) -> Any:
        errors.check_open(self._closed)
        attempts = Attempts(self._timeout_s, self._retries)
        while True:
            try:
                return self._exchange(call, attempts, stop)
            except VitrineError as error:
                pause_s = attempts.pause_s(error)
            stop.pause(pause_s)

    def _exchange(self, call: Call, attempts: Attempts, stop: Stop) -> Any:
        url = self.base_url + call.path
        with tracing.sending(call.method, url) as sending:
            headers = self._headers | call.headers | sending.headers
            auth = self._authorized if self._authorization else None
            request = requests.Request(call.method, url, headers, data=call.body, auth=auth)
            response, body = self._sent(request, attempts, stop)
            sending.answered(response.status_code)
            return call.read(url, response.status_code, response.headers, body)

    def _authorized(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Shows the address' own user, whatever .netrc has."""
        request.headers["Authorization"] = self._authorization
        return request

    def _sent(
        self, request: requests.Request, attempts: Attempts, stop: Stop
    ) -> tuple[requests.Response, bytes]:
        exchange, session = Exchange(attempts.deadline), self._session.get()
        body = AnswerBody(self.base_url, self._max_answer_bytes)
        try:
            with (
                exchange,
                stop.during(exchange.end),
                session.send(
                    session.prepare_request(request),
                    timeout=max(attempts.left_s(), 1e-3),
                    allow_redirects=False,
                    **self._settings,
                ) as response,
            ):
                for piece in response.iter_content(_PIECE_BYTES):
                    body.add(piece)
                return response, body.whole()
        except requests.RequestException as error:
            if isinstance(error, requests.Timeout) or attempts.left_s() <= 0:
                raise unanswered_calls.late(self.base_url, self._timeout_s) from error
            if isinstance(error, requests.exceptions.SSLError):
                raise unanswered_calls.untrusted(self.base_url, error) from error
            causes = unanswered_calls.causes(error)
            answering = any(isinstance(each, _OF_ANSWERS) for each in causes)
            raise unanswered_calls.lost(
                self.base_url, error, answering=answering, is_gateway=self._is_gateway
            ) from error


def _disconnected(session: requests.Session) -> requests.Session:
    """Closes a session's connections, in this process alone; it makes others."""
    session.close()
    return session
