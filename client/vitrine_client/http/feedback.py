"""Feedback over HTTP: the right label of a picture is sent, by the request id of its answer.

Like everything in `protocol`, it neither connects nor waits.
"""

import json
import operator
from dataclasses import replace
from typing import SupportsIndex

from vitrine_client.errors import InvalidRequest
from vitrine_client.http.asked_model import AskedModel
from vitrine_client.http.default_model import PREFERRED
from vitrine_client.http.protocol import Call, Conversation, sensible
from vitrine_client.results.feedback import Feedback

_JSON = "application/json"


def send_feedback(
    request_id: str, label: str | SupportsIndex, index: SupportsIndex, asked: AskedModel
) -> Conversation[Feedback]:
    """Says what a picture shows: the label of a class, or its class id.

    Raises `InvalidRequest` where the model has no such class, and `AlreadyFlagged` where the
    picture was flagged with another label before.
    """
    if not isinstance(request_id, str) or not request_id:
        raise InvalidRequest(
            f"A request is named by its id, the `request_id` of a prediction, not {request_id!r}; "
            "one that came past the gateway has none"
        )
    content = {"request_id": request_id, "index": _whole(index, "index"), "label": _class(label)}
    body = json.dumps(content).encode()
    if asked.model is None:  # what stands in for it now is not the model that had answered
        asked = replace(asked, model=PREFERRED)
    answer = yield from asked.send(lambda path: Call("POST", path, body, _JSON))
    with sensible():
        return Feedback.from_json(answer)


def _class(label: str | SupportsIndex) -> str | int:
    return label if isinstance(label, str) else _whole(label, "label")


def _whole(value: SupportsIndex, name: str) -> int:
    try:
        if not isinstance(value, bool):
            return operator.index(value)
    except TypeError:
        pass
    other = "a text or " if name == "label" else ""
    raise InvalidRequest(f"The {name} is {other}a whole number, not {value!r}")
