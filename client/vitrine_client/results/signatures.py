"""Signatures of a version, in the JSON of TensorFlow Serving's REST API."""

from collections.abc import Iterator
from typing import Any

from vitrine_client.results import json_values

Json = dict[str, Any]

WAYS = ("inputs", "outputs")


def checked(answer: Any) -> Json:
    """Returns an answer as it is. Raises `ValueError`, or as a mapping without its members does,
    where its tensors have not what `tensors`, `dtype` and `sizes` look for."""
    json_values.members(json_values.members(answer)["model_spec"])
    for signature in of(answer).values():
        for _, _, tensor in tensors(signature):
            dtype(tensor)
            sizes(tensor)
    found: Json = answer
    return found


def of(answer: Json) -> dict[str, Json]:
    """Returns the signatures by name."""
    defined = json_values.members(json_values.members(answer["metadata"])["signature_def"])
    return json_values.members(defined["signature_def"])


def tensors(signature: Json) -> Iterator[tuple[str, str, Json]]:
    """Yields the tensors of a signature: inputs or outputs, its name, and itself; by name."""
    for way in WAYS:
        named = json_values.members(json_values.members(signature).get(way, {}))
        for name, tensor in sorted(named.items()):
            yield way, name, json_values.members(tensor)


def dtype(tensor: Json) -> str:
    """Returns the dtype of a tensor, such as DT_FLOAT."""
    return json_values.text(tensor["dtype"])


def sizes(tensor: Json) -> list[int] | None:
    """Returns the sizes of a tensor's dimensions, below 0 where it may have any; None where there
    may be any number of dimensions."""
    shape = json_values.members(tensor.get("tensor_shape", {}))
    if shape.get("unknown_rank"):
        return None
    dimensions = map(json_values.members, json_values.items(shape.get("dim", [])))
    return [json_values.whole(dimension["size"]) for dimension in dimensions]
