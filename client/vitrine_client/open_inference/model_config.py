"""Model configuration as Triton's JSON has it: what clients and perf_analyzer read of it.

https://github.com/triton-inference-server/common/blob/main/protobuf/model_config.proto
"""

from collections.abc import Sequence
from typing import Any

from vitrine_client.open_inference import datatypes, specs, tensorflow
from vitrine_client.open_inference.specs import TensorSpec

Json = dict[str, Any]

DEFAULT_MAX_BATCH_SIZE = 1000
"""Rows of a batch where nothing bounds them, as in TensorFlow Serving's batching by default."""


def config_of(
    name: str,
    inputs: Sequence[TensorSpec],
    outputs: Sequence[TensorSpec],
    *,
    max_batch_size: int = DEFAULT_MAX_BATCH_SIZE,
) -> Json:
    """Returns the configuration of a model.

    If the first dimension of all its tensors may be of any size, it counts the rows of a batch: it
    is left out of `dims`, and `max_batch_size` is said. Else that is 0, and `dims` are whole.
    """
    batches = max_batch_size if specs.count_rows([*inputs, *outputs]) else 0
    return {
        "name": name,
        "platform": tensorflow.PLATFORM,
        "backend": "tensorflow",
        "version_policy": {"all": {}},
        "max_batch_size": batches,
        "input": [_tensor(spec, batches > 0) for spec in inputs],
        "output": [_tensor(spec, batches > 0) for spec in outputs],
        "instance_group": [{"name": name, "count": 1, "kind": "KIND_CPU"}],
    }


def _tensor(spec: TensorSpec, counts_rows: bool) -> Json:
    dims = list(spec.shape or ())
    return {
        "name": spec.name,
        "data_type": data_type(spec.datatype),
        "dims": dims[1:] if counts_rows else dims,
    }


def data_type(datatype: str) -> str:
    """Returns the configuration's name of a datatype, TYPE_INVALID where the protocol has none."""
    if datatype not in datatypes.DATATYPES:
        return "TYPE_INVALID"
    return "TYPE_STRING" if datatype == "BYTES" else f"TYPE_{datatype}"
