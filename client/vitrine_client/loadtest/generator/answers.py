"""Response validation: correct is a response with the classes of the rehearsal before the load."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from vitrine_client import errors
from vitrine_client.loadtest.generator.faults import INVALID_IMAGE, NO_ANSWER, WRONG
from vitrine_client.loadtest.plan import V2_KINDS, WorkloadKind
from vitrine_client.open_inference.client.calls import response_in

Classes = tuple[int, ...]

_KNOWN = 64
"""Different right answers that are kept for each request, as hashes. Batches of other sizes give
other last digits, and a version that is swapped in gives its number, so one is not enough."""

_HALF = 0.5
"""Of the only number of a binary classifier, from where on it is the second class."""


class ResponseValidation:
    """Validation of the responses to each request; `classes` are the right ones, in the order of
    requests. Where they are None, the first answer has them."""

    def __init__(self, kind: WorkloadKind, classes: Sequence[Classes | None]) -> None:
        self._kind, self._classes = kind, list(classes)
        self._known: list[set[int]] = [set() for _ in classes]

    def fault(self, request: int, body: bytes) -> str:
        """Returns the fault of a response to a request, by its index; empty if it is right.

        Bytes that were found right before are not read again.
        """
        known, content = self._known[request], hash(body)
        if content in known:
            return ""
        try:
            found = classes_of(self._kind, body)
        except errors.InvalidImage:
            return INVALID_IMAGE
        except errors.VitrineError:
            return NO_ANSWER
        if self._classes[request] is None:
            self._classes[request] = found
        if found != self._classes[request]:
            return WRONG
        if len(known) < _KNOWN:
            known.add(content)
        return ""


def classes_of(kind: WorkloadKind, body: bytes) -> Classes:
    """Returns the class of each image in an answer.

    Raises `InvalidImage` where one of them could not be read, `ServerError` for no answer at all.
    """
    try:
        if kind == "grpc":
            return _of_message(body)
        if kind in V2_KINDS:
            return _of_response(kind, body)
        return tuple(_class_of(entry) for entry in json.loads(body)["predictions"])
    except errors.VitrineError:
        raise
    except Exception as error:  # of any kind: a server may send anything, and no load ends with it
        why = f"{type(error).__name__}: {error!s:.100}"
        raise errors.ServerError(f"No predictions in {body[:80]!r} ({why})") from error


def _class_of(entry: Any) -> int:
    """Of one prediction: the gateway's, or TensorFlow Serving's with one output or several."""
    if isinstance(entry, list):
        return int(np.argmax(entry))
    if "error" in entry:
        raise errors.InvalidImage(f"{entry['error']:.500}")
    if entry.get("empty"):
        raise errors.InvalidImage("There is nothing to see in a picture: leave that one out")
    if "class_id" in entry:
        return int(entry["class_id"])
    return int(np.argmax(entry["probabilities"]))


def _of_response(kind: WorkloadKind, body: bytes) -> Classes:
    """Of a response of the Open Inference Protocol: of its first output with floats, the highest
    one of each row."""
    if kind == "v2-grpc":
        from vitrine_client.open_inference import grpc_messages

        outputs = grpc_messages.read_response(body).outputs
    else:
        outputs = response_in(body).outputs
    found = next((each.array for each in outputs if each.array.dtype.kind == "f"), None)
    if found is None or not found.size:
        told = ", ".join(f"{each.name} {each.datatype}" for each in outputs) or "nothing"
        raise errors.ServerError(f"The server answers {told}, and no numbers of classes")
    rows = found.reshape(len(found) if found.ndim > 1 else 1, -1)
    if not np.isfinite(rows).all():
        raise errors.ServerError("The server answers numbers that are none (NaN or infinite)")
    highest = rows.argmax(axis=1) if rows.shape[1] > 1 else rows[:, 0] > _HALF
    return tuple(map(int, highest.tolist()))


def _of_message(body: bytes) -> Classes:
    from vitrine_client.tfserving import messages

    answer = messages.read_answer(body)
    return tuple(answer.outputs["probabilities"].argmax(axis=1).tolist())
