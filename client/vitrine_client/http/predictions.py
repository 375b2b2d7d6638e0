"""Predictions over HTTP: pictures as forms or arrays, and the one that is at fault for an error.

Like everything in `protocol`, it neither connects nor waits.
"""

import io
import os
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

import numpy as np

from vitrine_client import errors
from vitrine_client.errors import EmptyPicture, InvalidImage
from vitrine_client.http.asked_model import AskedModel
from vitrine_client.http.protocol import Call, Conversation, sensible
from vitrine_client.images import NOTHING, SIDE, Item, Picture, pictures
from vitrine_client.images.finding.item import four_numbers
from vitrine_client.results import json_values
from vitrine_client.results.predictions import Prediction

PredictionOutcome = Prediction | InvalidImage

_SMALL_BYTES = 65536

_Pack = Callable[[str, Sequence[Any]], Call]


def predict(
    picture: Picture, asked: AskedModel, *, box: Sequence[float] | None = None
) -> Conversation[Prediction]:
    """Asks for one picture, or for the part in `box`. Raises `InvalidImage` where that is what the
    gateway can't read, and `EmptyPicture` where it shows nothing."""
    body = pictures.encoded(picture)
    asked_for = query({}, box)
    try:
        answer = yield from asked.send(lambda path: as_is(path + asked_for, body))
    except errors.PayloadTooLarge as error:
        raise errors.PayloadTooLarge(_sized(error, [body])) from error
    except errors.InvalidRequest as error:
        refusal = error
    else:
        found = _prediction(_outcomes(answer, 1)[0])
        if box is not None and found.box is None:
            raise errors.Unimplemented("This gateway knows no `box`; ask with `local=True`")
        return found
    told = yield from _check_request(asked, refusal, *([body] if box or _is_small([body]) else []))
    if told and (not isinstance(told[0], InvalidImage) or isinstance(told[0], EmptyPicture)):
        raise refusal  # the box
    raise InvalidImage(str(refusal)) from refusal


def _check_request(
    asked: AskedModel, refusal: errors.InvalidRequest, *beside: bytes
) -> Conversation[list[PredictionOutcome]]:
    """Asks for a small picture that is good, and returns what is answered to those `beside` it.
    Raises `refusal` where that is refused as well: it is the request, whatever picture it has."""
    try:
        answer = yield from asked.send(lambda path: as_form(path, [*beside, _bar()]))
        return _outcomes(answer, len(beside) + 1)[:-1]
    except errors.VitrineError:
        raise refusal from None


def predict_here(
    picture: Picture, asked: AskedModel, *, box: Sequence[float] | None = None
) -> Conversation[Prediction]:
    """Finds the item of a picture here, and asks for that; raises the same. Of a picture that shows
    nothing nobody is asked, be there such a model or not."""
    item = pictures.item_in(picture, box)
    answer = yield from asked.send(lambda path: as_array(path, [item.instance]))
    return pictures.with_item(_prediction(_outcomes(answer, 1)[0]), item)


def predict_batch(
    batch: pictures.Batch, asked: AskedModel, *, local: bool
) -> Conversation[list[PredictionOutcome]]:
    """Asks for many pictures, and returns for each its prediction or its error."""
    if local:
        items = pictures.items(batch)
        rows = [each.instance if isinstance(each, Item) else each for each in items]
        found = yield from _answered(rows, asked, as_array)
        return list(map(_with_item, found, items))
    outcomes: list[PredictionOutcome] = []
    for parcel in pictures.parcels(batch):
        outcomes += yield from _answered(parcel, asked, as_form)
    return outcomes


def _with_item(outcome: PredictionOutcome, item: Item | InvalidImage) -> PredictionOutcome:
    if isinstance(outcome, InvalidImage) or isinstance(item, InvalidImage):
        return outcome
    return pictures.with_item(outcome, item)


def _answered(
    parcel: Sequence[Any], asked: AskedModel, pack: _Pack
) -> Conversation[list[PredictionOutcome]]:
    """Asks for those that can be sent; the others have their `InvalidImage` already."""
    sent = [each for each in parcel if not isinstance(each, InvalidImage)]
    if not sent:
        return list(parcel)
    answers = iter((yield from _sent(sent, asked, pack)))
    return [each if isinstance(each, InvalidImage) else next(answers) for each in parcel]


def _sent(
    bodies: Sequence[Any], asked: AskedModel, pack: _Pack
) -> Conversation[list[PredictionOutcome]]:
    """Asks for all at once, or for each half where that is too much."""
    refusal: errors.VitrineError
    try:
        answer = yield from asked.send(lambda path: pack(path, bodies))
        return _outcomes(answer, len(bodies))
    except errors.InvalidRequest as error:
        refusal = error
        if pack is not as_form:
            raise
    except errors.PayloadTooLarge as error:
        refusal = error
    if isinstance(refusal, errors.InvalidRequest):
        # Either the request makes no sense, or none of the pictures is any good. Then each is told
        # why, if they are sent with a good one among them.
        small = _is_small(bodies)
        if not small:
            yield from _check_request(asked, refusal)
        if small or len(bodies) > 1:
            try:
                answer = yield from asked.send(lambda path: pack(path, [*bodies, _bar()]))
                return _outcomes(answer, len(bodies) + 1)[:-1]
            except errors.InvalidRequest:
                raise refusal from None
            except errors.PayloadTooLarge:
                pass  # one too many, where as many went as may
    if len(bodies) == 1:
        return [InvalidImage(_sized(refusal, bodies))]
    half = len(bodies) // 2
    first = yield from _sent(bodies[:half], asked, pack)
    return first + (yield from _sent(bodies[half:], asked, pack))


def _sized(refusal: errors.VitrineError, bodies: Sequence[bytes]) -> str:
    """Returns the message of a refusal, with advice where the picture has too many bytes."""
    if _is_small(bodies) or not isinstance(refusal, errors.PayloadTooLarge):
        return str(refusal)
    return f"{refusal}; with `local` (--local) its 28x28 pixels travel, and not the picture"


def _is_small(bodies: Sequence[bytes]) -> bool:
    """Says whether to send pictures again takes less time than to ask about another one first."""
    return sum(map(len, bodies)) <= _SMALL_BYTES


@lru_cache(1)
def _bar() -> bytes:
    """A picture that every gateway reads and asks a model of: one that shows nothing would be
    answered even where the request makes no sense."""
    bar = np.zeros((SIDE, SIDE), np.uint8)
    bar[4:24, 10:18] = 255
    return pictures.encoded(bar)


def query(parameters: dict[str, Any], box: Sequence[float] | None) -> str:
    """Returns the query of an address, with the box of the item if there is one; empty where there
    is nothing in it. Raises `InvalidRequest` for a box that is no four numbers."""
    if box is not None:
        parameters = parameters | {"box": ",".join(map(str, four_numbers(box)))}
    return f"?{urlencode(parameters, safe=',')}" if parameters else ""


def as_is(path: str, body: bytes) -> Call:
    """Returns the call that sends one encoded picture."""
    return Call("POST", path, body, "application/octet-stream")


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
    """Returns the call that sends instances, uint8 [28, 28], in the format of `numpy.save`."""
    buffer = io.BytesIO()
    np.save(buffer, np.stack(instances))
    return Call("POST", path, buffer.getvalue(), "application/x-npy")


def _outcomes(answer: Any, count: int) -> list[PredictionOutcome]:
    with sensible():
        spec, entries = answer["model_spec"], json_values.items(answer["predictions"])
        if len(entries) != count:
            raise ValueError(f"{len(entries)} predictions for {count} pictures")
        request_id = getattr(answer, "request_id", "")
        return [_outcome(entry, spec, request_id, index) for index, entry in enumerate(entries)]


def _outcome(
    entry: dict[str, Any], spec: dict[str, Any], request_id: str, index: int
) -> PredictionOutcome:
    """Reads an entry; gateways of before say neither box nor warnings, nor that it is empty."""
    if "error" in entry:
        return InvalidImage(json_values.text(entry["error"]).partition(": ")[2])  # "image 3: why"
    box, warnings = found_in(entry)
    if entry.get("empty"):
        return EmptyPicture(NOTHING, warnings=warnings)
    return Prediction(
        *answered_in(entry),
        {label: json_values.number(share) for label, share in entry["probabilities"].items()},
        json_values.text(spec["name"]),
        json_values.version(spec["version"]),
        box,
        warnings,
        request_id,
        index,
    )


def answered_in(entry: dict[str, Any]) -> tuple[str, int, float]:
    """Returns the label, the class id and the probability of an entry. Raises as `json_values`
    does where one is not there, such as the `null` that JSON has for NaN."""
    label = json_values.text(entry["label"])
    return label, json_values.whole(entry["class_id"]), json_values.number(entry["probability"])


def found_in(entry: dict[str, Any]) -> tuple[tuple[int, int, int, int] | None, tuple[str, ...]]:
    """Returns the box and the warnings of an entry that has them. Raises `ValueError`."""
    warnings = json_values.texts(entry.get("warnings", ()))
    if entry.get("box") is None:
        return None, warnings
    x, y, width, height = map(json_values.whole, json_values.items(entry["box"]))
    return (x, y, width, height), warnings


def _prediction(outcome: PredictionOutcome) -> Prediction:
    if isinstance(outcome, InvalidImage):
        raise outcome
    return outcome
