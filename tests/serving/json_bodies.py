"""Bodies of TensorFlow Serving's JSON, read by the dtypes of a signature's inputs."""

import grpc
import numpy as np
import pytest

from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_serving.errors import ServingError
from vitrine_serving.rest_json.tensors import PredictBody


def read(body: str | bytes, **dtypes: str) -> dict[str, np.ndarray]:
    numbers = {name: wire.DataType.Value(f"DT_{dtype}") for name, dtype in dtypes.items()}
    return PredictBody(body.encode() if isinstance(body, str) else body).read(numbers)


def refusal(body: str | bytes, **dtypes: str) -> str:
    with pytest.raises(ServingError) as caught:
        read(body, **dtypes)
    assert caught.value.code == grpc.StatusCode.INVALID_ARGUMENT
    return str(caught.value)
