"""Feedback endpoint: people flag a wrong answer with the right label."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import orjson

from vitrine_client.errors import AlreadyFlagged, DeadlineExceeded, InvalidRequest, VitrineError
from vitrine_client.process.variables import PREFIX
from vitrine_client.process.visible import visible
from vitrine_client.results import strict_json
from vitrine_serving.gateway.http import problems
from vitrine_serving.gateway.http.heads import REQUEST_ID
from vitrine_serving.gateway.http.messages import Answer, Request
from vitrine_serving.gateway.inference.profile_checks import profile_of
from vitrine_serving.gateway.inference.requests import Caller
from vitrine_serving.gateway.inference.versions import Versions
from vitrine_serving.gateway.models.reference import ModelRef
from vitrine_serving.gateway.telemetry.feedback import FeedbackLog, Flag, Flagged
from vitrine_serving.gateway.telemetry.metrics import Metrics
from vitrine_serving.gateway.upstream.model_servers import ModelServers

_MEMBERS = ("request_id", "index", "label")
_FORM = 'send {"request_id": "<X-Request-ID of the answer>", "label": "<the right label>"}'
_MOST_NAMED = 10
_MOST_LETTERS = 60
"""Of a text that a message quotes."""


@dataclass(frozen=True, slots=True)
class SentFeedback:
    """Sent feedback: a picture, by its request and its index there, and its right label,
    or the class id of that."""

    request_id: str
    index: int
    label: str | int


class FeedbackEndpoint:
    """Endpoint of `POST /v1/models/<model>/feedback`; lives in the running event loop."""

    def __init__(
        self,
        log: FeedbackLog,
        servers: ModelServers,
        versions: Versions,
        max_images: int,
        metrics: Metrics,
    ) -> None:
        self._log = log
        self._servers = servers
        self._versions = versions
        self._max_images = max_images
        self._metrics = metrics

    async def feedback(self, request: Request, model: ModelRef) -> Answer:
        """Notes a flag: 201, or 200 where the picture has that label already. Raises
        `VitrineError`, `AlreadyFlagged` where it has another."""
        if not self._log.is_on:
            return problems.problem(
                404,
                f"This gateway takes no feedback; start it with {PREFIX}FEEDBACK_LOG=FILE to have "
                "it note what people flag",
            )
        outcome = "refused"
        try:
            flag = await self._flag(request, model)
            if time.monotonic() >= request.deadline:
                raise DeadlineExceeded("The time of this request is over; send it again later")
            outcome = "unwritten"
            before = await self._log.note(flag, request.left_s())
            outcome = "differs"
            if before and before != flag.flagged:
                raise _already(flag, before)
        except Exception as error:
            is_theirs = (
                isinstance(error, VitrineError) and error.status < HTTPStatus.INTERNAL_SERVER_ERROR
            )
            if outcome == "refused" and not is_theirs:
                outcome = "failed"
            self._metrics.count_feedback(model.model, outcome)
            raise
        self._metrics.count_feedback(model.model, "again" if before else "noted")
        return _answer(flag, again=before is not None)

    async def _flag(self, request: Request, model: ModelRef) -> Flag:
        sent = read_feedback(request.body, self._max_images)
        caller = Caller(request.id, request.traceparent)
        resolved = await self._versions.resolve(model, caller, request.deadline)
        [version] = resolved.answers
        described = await self._servers.describe(model.model, version, timeout_s=request.left_s())
        profile_of(described, model)
        class_id = _class_of(sent.label, described.labels, model.model)
        return Flag(
            request_id=sent.request_id,
            index=sent.index,
            model=model.model,
            asked_version=model.version,
            class_id=class_id,
            label=described.labels[class_id],
            key=request.key_name,
        )


def _already(flag: Flag, before: Flagged) -> AlreadyFlagged:
    return AlreadyFlagged(
        f"Picture {flag.index} of request {flag.request_id} was flagged as "
        f"{_quoted(before.label)} of {_quoted(before.model)} before, and that stays; who runs the "
        "gateway can take the line out of its feedback log"
    )


def _answer(flag: Flag, *, again: bool) -> Answer:
    content = {
        "request_id": flag.request_id,
        "index": flag.index,
        "model": flag.model,
        "class_id": flag.class_id,
        "label": flag.label,
        "again": again,
    }
    body = orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE)
    return Answer(200 if again else 201, body)


def read_feedback(body: bytes, max_images: int) -> SentFeedback:
    """Returns the feedback in a body, strict JSON: no member twice, and none that is unknown.
    Raises `InvalidRequest`; requests have up to `max_images` pictures."""
    members = _members(body)
    for name in members:
        if name not in _MEMBERS:
            raise InvalidRequest(f"There is no member {_quoted(name)} in feedback; {_FORM}")
    for name in ("request_id", "label"):
        if name not in members:
            raise InvalidRequest(f"The feedback has no `{name}`; {_FORM}")
    request_id, label = members["request_id"], members["label"]
    if not isinstance(request_id, str) or not REQUEST_ID.fullmatch(request_id):
        raise InvalidRequest(
            f"`request_id` is {_quoted(request_id)}, which no request has; it is the X-Request-ID "
            "of an answer, up to 128 characters of ASCII without blanks"
        )
    index = members.get("index", 0)
    if type(index) is not int or not 0 <= index < max_images:
        raise InvalidRequest(
            f"`index` is {_quoted(index)}; it is that of the picture in its request, from 0 to "
            f"{max_images - 1}"
        )
    if type(label) not in (str, int):
        raise InvalidRequest(
            f"`label` is {_quoted(label)}; send the label of a class, or its class id as a number"
        )
    return SentFeedback(request_id, index, label)


def _members(body: bytes) -> dict[str, Any]:
    try:
        document = strict_json.loads(body)
    except ValueError as error:
        raise InvalidRequest(f"The feedback is no JSON ({error}); {_FORM}") from error
    if not isinstance(document, dict):
        raise InvalidRequest(f"The feedback is no JSON object; {_FORM}")
    return document


def _class_of(label: str | int, labels: Sequence[str], model: str) -> int:
    """Returns the class id of a label, or of a class id. Raises `InvalidRequest`, which names
    classes, where there is none."""
    if isinstance(label, str) and label in labels:
        return labels.index(label)
    if isinstance(label, int) and 0 <= label < len(labels):
        return label
    named = ", ".join(map(_shown, labels[:_MOST_NAMED]))
    left = len(labels) - _MOST_NAMED
    more = f" and {left} more" if left > 0 else ""
    raise InvalidRequest(f"{_quoted(model)} has no class {_quoted(label)}; it has {named}{more}")


def _quoted(value: object) -> str:
    """Returns a value that a message quotes: visible, and not longer than a reader likes."""
    if isinstance(value, str):
        return _shown(value)
    kinds = {dict: "an object", list: "a list", bool: str(value).lower(), type(None): "null"}
    return kinds.get(type(value)) or _shown(str(value))


def _shown(text: str) -> str:
    cut = visible(text[:_MOST_LETTERS])
    return f"{cut}…" if len(text) > _MOST_LETTERS else cut
