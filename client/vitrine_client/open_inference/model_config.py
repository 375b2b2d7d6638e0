"""Model configuration: Triton's, of a signature, for clients that ask for it.

perf_analyzer makes its tensors by it: a free first dimension is the batch's, and is left out of
`dims` where `max_batch_size` is above 0, as in Triton.
"""

from typing import Any

from vitrine_client.open_inference import datatypes
from vitrine_client.open_inference.specs import SignatureSpec, TensorSpec
from vitrine_client.open_inference.tensorflow import PLATFORM

Json = dict[str, Any]


def config_of(name: str, signature: SignatureSpec, max_batch_size: int) -> Json:
    """Returns the configuration of a model; `max_batch_size` is 0 in it where the signature has no
    batch dimension."""
    is_batching = signature.is_batching
    return {
        "name": name,
        "platform": PLATFORM,
        "backend": "tensorflow",
        "version_policy": {"all": {}},
        "max_batch_size": max_batch_size if is_batching else 0,
        "input": [_tensor(spec, is_batching=is_batching) for spec in signature.inputs.values()],
        "output": [_tensor(spec, is_batching=is_batching) for spec in signature.outputs.values()],
        "instance_group": [{"name": name, "count": 1, "kind": "KIND_CPU"}],
    }


def _tensor(spec: TensorSpec, *, is_batching: bool) -> Json:
    kind = "STRING" if spec.datatype == "BYTES" else spec.datatype
    data_type = f"TYPE_{kind}" if spec.datatype in datatypes.DATATYPES else "TYPE_INVALID"
    dims = list(spec.shape or ())
    return {"name": spec.name, "data_type": data_type, "dims": dims[1:] if is_batching else dims}
