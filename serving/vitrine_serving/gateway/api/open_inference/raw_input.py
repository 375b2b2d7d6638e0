"""Raw requests: bodies without JSON, which are the only input of a model."""

import math

import numpy as np

from vitrine_client.errors import InvalidRequest
from vitrine_client.open_inference import datatypes, packing
from vitrine_client.open_inference.messages import V2Tensor
from vitrine_client.open_inference.specs import SignatureSpec, TensorSpec


def raw_tensor(content: bytes, signature: SignatureSpec, model: str) -> V2Tensor:
    """Returns the tensor that a body is; its size tells one free dimension. A body for BYTES is
    one string. Raises `InvalidRequest` where it cannot be that."""
    if len(signature.inputs) != 1:
        raise InvalidRequest(
            f"{model} takes {len(signature.inputs)} inputs, and a request without JSON is for "
            "models of one; send JSON with Inference-Header-Content-Length, its length"
        )
    (spec,) = signature.inputs.values()
    if spec.datatype == "BYTES":
        string = np.empty((1,) * len(spec.shape or (1,)), object)
        string.fill(content)
        return V2Tensor(spec.name, spec.datatype, string)
    return packing.unpacked(spec.name, spec.datatype, _shape(content, spec, signature), content)


def _shape(content: bytes, spec: TensorSpec, signature: SignatureSpec) -> list[int]:
    shape = list(spec.shape or ())
    if spec.shape is not None and shape.count(-1) == 2 and signature.is_batching:
        shape[0] = 1
    if spec.shape is None or shape.count(-1) > 1:
        raise InvalidRequest(
            f"The size of a request tells no shape of input {spec.described}; send JSON with it"
        )
    if -1 in shape:
        size = datatypes.named(spec.datatype).dtype.itemsize
        row = size * math.prod(each for each in shape if each != -1)
        shape[shape.index(-1)] = len(content) // row if row else 0
    return shape
