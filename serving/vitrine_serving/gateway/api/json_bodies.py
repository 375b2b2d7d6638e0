"""Bodies of TensorFlow Serving's JSON to messages, and the large ones in turn.

What reads a body are functions of this module with arguments and results that another process can
take: parsed, a body can be twenty times as large, and nothing of that is kept.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from vitrine_client.tfserving import messages
from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_client.tfserving.tensors import Array, to_tensor
from vitrine_serving.gateway.inference.dataplane import CLASSIFY, REGRESS, Offload
from vitrine_serving.gateway.models.reference import ModelRef
from vitrine_serving.gateway.models.signatures import Signatures
from vitrine_serving.rest_json.examples import read_examples
from vitrine_serving.rest_json.tensors import PredictBody

LARGE_JSON_BYTES = 256 * 1024
"""Of a body: from here on it is read in turn, as orjson holds the interpreter for 10 ms a MB."""

_AT_A_TIME = 2
_EXAMPLES = {CLASSIFY: wire.ClassificationRequest, REGRESS: wire.RegressionRequest}


class PredictMessage(NamedTuple):
    """Message to Predict, serialised, its inputs, and how its answer is to be written."""

    message: bytes
    inputs: Mapping[str, Array]
    signature_name: str
    by_row: bool


def predict_message(body: PredictBody, model: ModelRef, signatures: Signatures) -> PredictMessage:
    """Returns the message of a body. Raises `ServingError` where it does not fit the signature."""
    inputs = body.read(signatures.dtypes(body.signature_name))
    message = wire.PredictRequest(
        model_spec=messages.model_spec(*model, body.signature_name),
        inputs={name: to_tensor(array) for name, array in inputs.items()},
    )
    return PredictMessage(message.SerializeToString(), inputs, body.signature_name, body.by_row)


def read_predict(
    body: bytes, max_values: int, model: ModelRef, signatures: Signatures
) -> PredictMessage:
    """Returns the message of a body that is not parsed yet. Raises `ServingError`,
    `PayloadTooLarge`, `MemoryError`."""
    return predict_message(PredictBody(body, max_values), model, signatures)


def read_signature_name(body: bytes, max_values: int) -> str:
    """Returns the name in a body to Predict. Raises as `read_predict`."""
    return PredictBody(body, max_values).signature_name


def read_examples_message(
    body: bytes, max_values: int, method: str, model: ModelRef
) -> tuple[bytes, int]:
    """Returns the message to Classify or Regress, and its number of examples. Raises as
    `read_predict`."""
    request: Any = _EXAMPLES[method](model_spec=messages.model_spec(*model))
    read_examples(body, request, max_values)
    kind = request.input.WhichOneof("kind")
    return request.SerializeToString(), len(getattr(request.input, kind).examples)


def in_turn(offload: Offload, at_a_time: int = _AT_A_TIME) -> Offload:
    """Returns an `offload` that calls so many functions at a time. A caller that leaves gives up
    its turn only when its function has returned, as that goes on meanwhile."""
    turns = asyncio.Semaphore(at_a_time)

    async def call(function: Callable[..., Any], *arguments: Any) -> Any:
        await turns.acquire()
        work = asyncio.ensure_future(_awaited(offload(function, *arguments)))
        work.add_done_callback(lambda _: turns.release())
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            work.add_done_callback(_nobody_asks)
            raise

    return call


async def _awaited(result: Awaitable[Any]) -> Any:
    return await result


def _nobody_asks(work: asyncio.Future[Any]) -> None:
    """Takes its error, which asyncio would log."""
    if not work.cancelled():
        work.exception()
