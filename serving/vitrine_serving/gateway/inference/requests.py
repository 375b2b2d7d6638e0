"""Inference requests and responses: the data plane's own, whatever the protocol they came by."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from vitrine_client.results.profiles.profile import FASHION_MNIST, ModelProfile
from vitrine_client.tfserving import messages
from vitrine_client.tfserving.tensors import Array
from vitrine_serving.gateway.models.reference import ModelRef

SERVING = "serving_default"

PROBABILITIES = "probabilities"
"""Output of our classifiers, and name of what those of others become, float32 [n, classes]."""


class Caller(NamedTuple):
    """Caller of a request: its request id, and its W3C trace, if it has one."""

    id: str
    traceparent: str = ""


Decode = Callable[[Mapping[str, Array], tuple[str, ...]], list[Any]]
"""Takes the outputs of a call and the labels of the classes; returns an answer for each row."""


class SignatureCall(NamedTuple):
    """Signature of a model, and the outputs wanted of it, all where none is named.

    `constants` are int64 inputs that have one value for each row, by name. `decode` is called once
    for all rows of a call, which costs less than once for each request. Rows were made by the
    `profile`, whose signature, where that is asked, is answered with probabilities; where sizes are
    free, each has the `shape`. Rows of requests that are equal in all of that may share a call.
    With `as_given`, rows are as the model takes them already, of the profile's input, and `outputs`
    are named, and answered as they are.
    """

    model: ModelRef
    signature: str = SERVING
    outputs: tuple[str, ...] = ()
    constants: tuple[tuple[str, int], ...] = ()
    decode: Decode | None = None
    profile: ModelProfile = FASHION_MNIST
    shape: tuple[int, ...] = ()
    as_given: bool = False


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

    `deadline` is in seconds of `time.monotonic`. Without `wire`, `inputs` has pictures by the name
    that the call's profile gives them: levels 0..255, uint8 or float32, [n, h, w] or [n, h, w, c],
    or encoded pictures, `bytes` [n]; a list where their sizes are free. The model gets them scaled,
    unless the call has them `as_given`, perhaps in one call with those of others. A request with
    `wire` is sent as it is, and alone: JSON may hold dtypes that NumPy lacks, wants all outputs,
    and is encoded in a thread where it is large; tf.Examples are no arrays, and `inputs` is empty.
    """

    call: SignatureCall
    inputs: Mapping[str, Array | Sequence[Array]]
    caller: Caller
    deadline: float
    wire: WireCall | None = None


@dataclass(slots=True, eq=False)
class InferenceResponse:
    """Inference response: the version that answered, and its arrays by name.

    The rows waited `queue_s` and were then answered in `call_s`. `labels` are those of a
    classifier. Where the call has a `decode`, `decoded` is its result, for these rows
    alone, and there are no `outputs`.
    """

    version: int
    outputs: Mapping[str, Array]
    labels: tuple[str, ...] = ()
    queue_s: float = 0.0
    call_s: float = 0.0
    decoded: Any = None

    @classmethod
    def joined(cls, responses: "Sequence[InferenceResponse]") -> "InferenceResponse":
        """Returns the responses of one version to several rows, which were asked one after the
        other, as one."""
        first = responses[0]
        response = cls(first.version, {}, first.labels)
        response.queue_s = sum(each.queue_s for each in responses)
        response.call_s = sum(each.call_s for each in responses)
        if first.decoded is not None:
            response.decoded = [one for each in responses for one in each.decoded]
        else:
            response.outputs = {
                name: np.concatenate([each.outputs[name] for each in responses])
                for name in first.outputs
            }
        return response

    def __getitem__(self, rows: slice) -> "InferenceResponse":
        """Returns the response to some of the rows."""
        if self.decoded is not None:
            return InferenceResponse(self.version, {}, self.labels, decoded=self.decoded[rows])
        outputs = {name: array[rows] for name, array in self.outputs.items()}
        return InferenceResponse(self.version, outputs, self.labels)
