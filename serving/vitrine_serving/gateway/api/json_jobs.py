"""Large JSON, read in decoding jobs: the parser holds the interpreter, 10 ms a MB."""

import time
from collections.abc import Mapping
from typing import Any

from vitrine_client.errors import DeadlineExceeded
from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_client.tfserving.tensors import from_tensor
from vitrine_serving.gateway.api.json_bodies import (
    PredictMessage,
    read_examples_message,
    read_predict,
    read_signature_name,
)
from vitrine_serving.gateway.inference.decoding.connections import Answered
from vitrine_serving.gateway.inference.decoding.jobs import Head, Task
from vitrine_serving.gateway.inference.decoding.load import work_of_json
from vitrine_serving.gateway.inference.decoding.queue import DecodingQueue
from vitrine_serving.gateway.models.reference import ModelRef
from vitrine_serving.gateway.models.signatures import Signatures

_PREDICT, _NAME, _EXAMPLES = "predict", "signature name", "examples"


def _predict(head: Head, body: bytes) -> tuple[Head, bytes]:
    signatures = Signatures(head["version"], head["inputs"])
    limits = head["max_values"], head["max_pixels"]
    read = read_predict(body, *limits, ModelRef(*head["model"]), signatures)
    return {"signature_name": read.signature_name, "by_row": read.by_row}, read.message


def _name(head: Head, body: bytes) -> tuple[Head, bytes]:
    return {"signature_name": read_signature_name(body, head["max_values"])}, b""


def _examples(head: Head, body: bytes) -> tuple[Head, bytes]:
    model = ModelRef(*head["model"])
    message, rows = read_examples_message(body, head["max_values"], head["method"], model)
    return {"rows": rows}, message


TASKS: Mapping[str, Task] = {_PREDICT: _predict, _NAME: _name, _EXAMPLES: _examples}
"""What a decoding process does with a body; see `jobs.Task`."""


class LargeJson:
    """Reader of large bodies, whose methods are those of `json_bodies` and raise the same; besides,
    `TooLate`, `DeadlineExceeded` and `InvalidRequest` for what takes too long.

    Each has a deadline, in seconds of `time.monotonic`.
    """

    def __init__(self, queue: DecodingQueue) -> None:
        self._queue = queue

    async def read_predict(
        self,
        deadline: float,
        body: bytes,
        max_values: int,
        max_pixels: int,
        model: ModelRef,
        signatures: Signatures,
    ) -> PredictMessage:
        """Returns the message of a body to Predict."""
        answered = await self._run(
            deadline,
            body,
            {
                "task": _PREDICT,
                "max_values": max_values,
                "max_pixels": max_pixels,
                "model": model,
                "version": signatures.version,
                "inputs": signatures.inputs,
            },
        )
        head, message = answered.head, answered.content
        sent = wire.PredictRequest.FromString(message).inputs
        inputs = {name: from_tensor(sent[name]) for name in sent}
        return PredictMessage(message, inputs, head["signature_name"], head["by_row"])

    async def read_signature_name(self, deadline: float, body: bytes, max_values: int) -> str:
        """Returns the name in a body to Predict."""
        job = {"task": _NAME, "max_values": max_values}
        answered = await self._run(deadline, body, job)
        name: str = answered.head["signature_name"]
        return name

    async def read_examples_message(
        self, deadline: float, body: bytes, max_values: int, method: str, model: ModelRef
    ) -> tuple[bytes, int]:
        """Returns the message to Classify or Regress, and its number of examples."""
        job = {"task": _EXAMPLES, "max_values": max_values, "method": method, "model": model}
        answered = await self._run(deadline, body, job)
        return answered.content, answered.head["rows"]

    async def _run(self, deadline: float, body: bytes, job: dict[str, Any]) -> Answered:
        if time.monotonic() >= deadline:
            raise DeadlineExceeded("The JSON was not read in time; try again later")
        with self._queue.admitted([work_of_json(body)], deadline) as jobs:
            return await jobs.run(job, [body])
