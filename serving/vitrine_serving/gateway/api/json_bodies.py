"""Bodies of TensorFlow Serving's JSON to messages.

Parsed, a body can be twenty times as large; nothing of that is kept.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from vitrine_client.errors import InvalidImage, PayloadTooLarge
from vitrine_client.images.files import check_header
from vitrine_client.tfserving import messages
from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_client.tfserving.tensors import Array, to_tensor
from vitrine_serving.gateway.inference.dataplane import CLASSIFY, REGRESS
from vitrine_serving.gateway.models.reference import ModelRef
from vitrine_serving.gateway.models.signatures import Signatures
from vitrine_serving.rest_json.examples import read_examples
from vitrine_serving.rest_json.parsing import checked_name
from vitrine_serving.rest_json.tensors import PredictBody

_DECODED = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a")
"""First bytes of what TensorFlow's `decode_image` takes for a picture, but for BMP, with whose two
a text may begin."""

_TOGETHER = 4
"""Times the pixels of the largest picture that all of a request may have: the model server works on
when nobody waits any more."""

LARGE_JSON_BYTES = 256 * 1024
"""Of a body: from here on it is read in a decoding job, as orjson holds the interpreter."""

_EXAMPLES = {CLASSIFY: wire.ClassificationRequest, REGRESS: wire.RegressionRequest}


class PredictMessage(NamedTuple):
    """Message to Predict, serialised, its inputs, and how its answer is to be written."""

    message: bytes
    inputs: Mapping[str, Array]
    signature_name: str
    by_row: bool


def predict_message(
    body: PredictBody, max_pixels: int, model: ModelRef, signatures: Signatures
) -> PredictMessage:
    """Returns the message of a body. Raises `ServingError` where it does not fit the signature, and
    `InvalidImage` for a picture in it, by its header, that is too large for the model server, too:
    that decodes it whole; `PayloadTooLarge` where all have too many pixels."""
    signature_name = predict_name(body)
    inputs = body.read(signatures.dtypes(signature_name))
    check_pictures(inputs.values(), max_pixels)
    message = wire.PredictRequest(
        model_spec=messages.model_spec(*model, signature_name),
        inputs={name: to_tensor(array) for name, array in inputs.items()},
    )
    return PredictMessage(message.SerializeToString(), inputs, signature_name, body.by_row)


def check_pictures(inputs: Iterable[Array], max_pixels: int) -> None:
    """Raises `InvalidImage` for a picture in the strings of inputs that is too large, by its
    header, for a model server that decodes it whole, and `PayloadTooLarge` where all have too many
    pixels."""
    pixels = 0
    for array in inputs:
        if array.dtype == object:
            for each in array.flat:
                header = check_header(each, max_pixels)
                if header is None and each.startswith(_DECODED):
                    raise InvalidImage("A picture's header cannot be read; save it again")
                pixels += header.pixels if header else 0
    if pixels > _TOGETHER * max_pixels:
        raise PayloadTooLarge(
            f"The pictures have {pixels:,} pixels together, and {_TOGETHER * max_pixels:,} are "
            "too many for one request; send fewer or smaller ones at once"
        )


def read_predict(
    body: bytes, max_values: int, max_pixels: int, model: ModelRef, signatures: Signatures
) -> PredictMessage:
    """Returns the message of a body that is not parsed yet. Raises `ServingError`, `InvalidImage`,
    `PayloadTooLarge`, `MemoryError`."""
    return predict_message(PredictBody(body, max_values), max_pixels, model, signatures)


def read_signature_name(body: bytes, max_values: int) -> str:
    """Returns the name in a body to Predict. Raises as `read_predict`."""
    return predict_name(PredictBody(body, max_values))


def parsed_body(body: bytes, max_values: int) -> PredictBody:
    """Returns a body to Predict, parsed, whose signature's name a message takes. Raises as
    `read_predict`."""
    parsed = PredictBody(body, max_values)
    predict_name(parsed)
    return parsed


def predict_name(body: PredictBody) -> str:
    """Returns the name in a body to Predict. Raises `ServingError` where no message takes it."""
    return checked_name(
        body.signature_name, 'Serving signature name: "{}" not found in signature def'
    )


def read_examples_message(
    body: bytes, max_values: int, method: str, model: ModelRef
) -> tuple[bytes, int]:
    """Returns the message to Classify or Regress, and its number of examples. Raises as
    `read_predict`."""
    request: Any = _EXAMPLES[method](model_spec=messages.model_spec(*model))
    name = read_examples(body, request, max_values)
    request.model_spec.signature_name = checked_name(
        name, "No signature was found with the name: {}"
    )
    kind = request.input.WhichOneof("kind")
    return request.SerializeToString(), len(getattr(request.input, kind).examples)
