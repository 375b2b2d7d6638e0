"""Predictions over HTTP: pictures as forms or arrays, and which of them is at fault for an error.

Like everything in `http_calls`, it neither connects nor waits.
"""

import io
import os
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from vitrine_client import errors, pictures
from vitrine_client.errors import InvalidImage
from vitrine_client.http_calls import Call, Conversation, sensible
from vitrine_client.images import SIDE, Picture, to_instance
from vitrine_client.predictions import Prediction

Outcome = Prediction | InvalidImage

_Pack = Callable[[str, Sequence[Any]], Call]


def predict(picture: Picture, path: str, *, local: bool) -> Conversation[Prediction]:
    """Asks for one picture. Raises `InvalidImage` where that is what the gateway can't read."""
    if local:
        call = as_array(path, [to_instance(picture)])
    else:
        call = Call("POST", path, pictures.encoded(picture), "application/octet-stream")
    try:
        answer = yield call
    except errors.InvalidRequest as error:
        refusal = error
    else:
        return _prediction(_outcomes(answer, 1)[0])
    if not local:
        try:
            yield as_form(path, [call.body, _blank()])
        except errors.VitrineError:
            pass  # it is the request, whatever picture it has
        else:
            raise InvalidImage(str(refusal)) from refusal
    raise refusal


def predict_batch(batch: pictures.Batch, path: str, *, local: bool) -> Conversation[list[Outcome]]:
    """Asks for many pictures, and returns for each its prediction or what is wrong with it."""
    if local:
        return (yield from _answered(pictures.instances(batch), path, as_array))
    outcomes: list[Outcome] = []
    for parcel in pictures.parcels(batch):
        outcomes += yield from _answered(parcel, path, as_form)
    return outcomes


def _answered(parcel: Sequence[Any], path: str, pack: _Pack) -> Conversation[list[Outcome]]:
    """Asks for those that can be sent; the others have their `InvalidImage` already."""
    sent = [each for each in parcel if not isinstance(each, InvalidImage)]
    if not sent:
        return list(parcel)
    answers = iter((yield from _sent(sent, path, pack)))
    return [each if isinstance(each, InvalidImage) else next(answers) for each in parcel]


def _sent(bodies: Sequence[Any], path: str, pack: _Pack) -> Conversation[list[Outcome]]:
    """Asks for all at once, or for each half where that is too much."""
    refusal: errors.VitrineError
    try:
        return _outcomes((yield pack(path, bodies)), len(bodies))
    except errors.InvalidRequest as error:
        refusal = error
        if pack is not as_form:
            raise
    except errors.PayloadTooLarge as error:
        refusal = error
    if isinstance(refusal, errors.InvalidRequest):
        # Either none of the pictures is any good, or the request makes no sense: the first is so
        # if it is answered with a good one among them.
        try:
            return _outcomes((yield pack(path, [*bodies, _blank()])), len(bodies) + 1)[:-1]
        except errors.InvalidRequest:
            raise refusal from None
        except errors.PayloadTooLarge:
            pass  # one too many, where as many went as may
    if len(bodies) == 1:
        return [InvalidImage(str(refusal))]
    half = len(bodies) // 2
    first = yield from _sent(bodies[:half], path, pack)
    return first + (yield from _sent(bodies[half:], path, pack))


@lru_cache(1)
def _blank() -> bytes:
    """A picture that every gateway reads."""
    return pictures.encoded(np.zeros((SIDE, SIDE), np.uint8))


def as_form(path: str, bodies: Sequence[bytes]) -> Call:
    """Returns the call that sends encoded pictures as a form (RFC 7578)."""
    boundary = os.urandom(16).hex().encode()  # which no picture has in it
    head = (
        b"--" + boundary + b'\r\nContent-Disposition: form-data; name="image"; filename="picture"'
        b"\r\nContent-Type: application/octet-stream\r\n\r\n"
    )
    parts = [part for body in bodies for part in (head, body, b"\r\n")]
    body = b"".join([*parts, b"--", boundary, b"--\r\n"])
    return Call("POST", path, body, f"multipart/form-data; boundary={boundary.decode()}")


def as_array(path: str, instances: Sequence[Any]) -> Call:
    """Returns the call that sends instances, uint8 [28, 28], as what `numpy.save` writes."""
    buffer = io.BytesIO()
    np.save(buffer, np.stack(instances))
    return Call("POST", path, buffer.getvalue(), "application/x-npy")


def _outcomes(answer: Any, count: int) -> list[Outcome]:
    with sensible():
        spec, entries = answer["model_spec"], answer["predictions"]
        if len(entries) != count:
            raise ValueError(f"{len(entries)} predictions for {count} pictures")
        model, version = spec["name"], int(spec["version"])
        return [_outcome(entry, model, version) for entry in entries]


def _outcome(entry: dict[str, Any], model: str, version: int) -> Outcome:
    if "error" in entry:
        return InvalidImage(entry["error"].partition(": ")[2])  # "image 3: why"
    return Prediction(
        entry["label"],
        entry["class_id"],
        entry["probability"],
        entry["probabilities"],
        model,
        version,
    )


def _prediction(outcome: Outcome) -> Prediction:
    if isinstance(outcome, InvalidImage):
        raise outcome
    return outcome
