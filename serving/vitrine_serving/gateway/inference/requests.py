"""Inference requests and responses: the data plane's own, whatever the protocol they came by."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from vitrine_client.tfserving import messages
from vitrine_client.tfserving.tensors import Array
from vitrine_serving.gateway.models.reference import ModelRef

SERVING = "serving_default"

IMAGES = "images"
"""Input of our classifiers that takes pictures, [n, 28, 28]."""

PROBABILITIES = "probabilities"
"""Output of our classifiers, float32 [n, classes]."""


class Caller(NamedTuple):
    """Caller of a request: its request id, and its W3C trace, if it has one."""

    id: str
    traceparent: str = ""


Decode = Callable[[Mapping[str, Array], tuple[str, ...]], list[Any]]
"""Takes the outputs of a call and the labels of the classes; returns an answer for each row."""


class SignatureCall(NamedTuple):
    """Signature of a model, and the outputs wanted of it, all where none is named.

    `constants` are int64 inputs that have one value for each row, by name. `decode` is called once
    for all rows of a call, which costs less than once for each request. Rows of requests that are
    equal in all of that may share a call.
    """

    model: ModelRef
    signature: str = SERVING
    outputs: tuple[str, ...] = ()
    constants: tuple[tuple[str, int], ...] = ()
    decode: Decode | None = None


class WireCall(NamedTuple):
    """Call as its adapter has made it: a serialised `message` for a `method` of the model server.

    `decode` gets the response's message, in the thread where that is read; `rows` is how many
    rows, or examples, the call has.
    """

    message: bytes
    decode: Callable[[Any], Any]
    rows: int
    method: str = messages.PREDICT


@dataclass(slots=True, eq=False)
class InferenceRequest:
    """Inference request: arrays by name for a signature of a model, from one caller.

    `deadline` is in seconds of `time.monotonic`. Without `wire`, `inputs` has `images`, uint8
    [n, 28, 28], for a classifier of ours, which gets them scaled, perhaps in one call with those
    of others. A request with `wire` is sent as it is, and alone: JSON may hold dtypes that NumPy
    lacks, wants all outputs, and is encoded in a thread where it is large; tf.Examples are no
    arrays, and `inputs` is empty.
    """

    call: SignatureCall
    inputs: Mapping[str, Array]
    caller: Caller
    deadline: float
    wire: WireCall | None = None


@dataclass(slots=True, eq=False)
class InferenceResponse:
    """Inference response: the version that answered, and its arrays by name.

    The rows waited `queue_s` and were then answered in `call_s`. `labels` are those of a
    classifier of ours. Where the call has a `decode`, `decoded` is its result, for these rows
    alone, and there are no `outputs`.
    """

    version: int
    outputs: Mapping[str, Array]
    labels: tuple[str, ...] = ()
    queue_s: float = 0.0
    call_s: float = 0.0
    decoded: Any = None

    def __getitem__(self, rows: slice) -> "InferenceResponse":
        """Returns the response to some of the rows."""
        if self.decoded is not None:
            return InferenceResponse(self.version, {}, self.labels, decoded=self.decoded[rows])
        outputs = {name: array[rows] for name, array in self.outputs.items()}
        return InferenceResponse(self.version, outputs, self.labels)
