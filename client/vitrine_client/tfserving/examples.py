"""tf.Examples over gRPC: requests and responses of Classify and Regress."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from vitrine_client.errors import InvalidRequest
from vitrine_client.tfserving import messages
from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_client.tfserving.tensors import Array

CLASSIFY = "PredictionService/Classify"
REGRESS = "PredictionService/Regress"
_REQUESTS = {CLASSIFY: wire.ClassificationRequest, REGRESS: wire.RegressionRequest}

Value = bytes | str | int | float | Sequence[bytes | str | int | float] | Array
"""A feature: one value, or several of one kind; an array counts row by row."""

Features = Mapping[str, Value]
"""An example: its features by name."""

_INT64 = range(-(2**63), 2**63)


def to_example(features: Features) -> wire.Example:
    """Returns the message of an example: strings become bytes, integers and booleans int64, other
    numbers floats. Raises `InvalidRequest` where a feature is none of these."""
    made = wire.Example()
    made.features.SetInParent()
    for name, value in features.items():
        made.features.feature[name].CopyFrom(_feature(name, value))
    return made


def _feature(name: str, value: Value) -> wire.Feature:
    values = _values(value)
    kinds = {type(each) for each in values}
    if not values:
        return wire.Feature()
    if kinds <= {bytes, str}:
        strings = [each.encode() if isinstance(each, str) else each for each in values]
        return wire.Feature(bytes_list=wire.BytesList(value=strings))
    if kinds <= {int, bool} and all(each in _INT64 for each in values):
        return wire.Feature(int64_list=wire.Int64List(value=map(int, values)))
    if kinds <= {int, bool, float}:
        return wire.Feature(float_list=wire.FloatList(value=map(float, values)))
    names = ", ".join(sorted(kind.__name__ for kind in kinds))
    raise InvalidRequest(f"Feature {name!r} is of {names}; give strings, integers or floats")


def _values(value: Value) -> list[Any]:
    if isinstance(value, np.ndarray | np.generic):
        flat: list[Any] = value.ravel().tolist()
        return flat
    if isinstance(value, bytes | str) or not isinstance(value, Sequence):
        return [value]
    return [each.item() if isinstance(each, np.generic) else each for each in value]


def example_request(method: str, spec: wire.ModelSpec, examples: Iterable[Features]) -> bytes:
    """Returns the request of `CLASSIFY` or `REGRESS`."""
    listed = [to_example(features) for features in examples]
    given = wire.Input(example_list=wire.ExampleList(examples=listed))
    return _REQUESTS[method](model_spec=spec, input=given).SerializeToString()


def read_classes(response: bytes) -> list[list[tuple[str, float]]]:
    """Reads the response of `CLASSIFY`: for each example its classes and their scores, in the
    model's order. Raises `ServerError` where it makes no sense."""
    result = messages.parsed(wire.ClassificationResponse, response).result
    return [
        [(each.label, each.score) for each in found.classes] for found in result.classifications
    ]


def read_values(response: bytes) -> list[float]:
    """Reads the response of `REGRESS`: a value for each example. Raises `ServerError`."""
    result = messages.parsed(wire.RegressionResponse, response).result
    return [each.value for each in result.regressions]
