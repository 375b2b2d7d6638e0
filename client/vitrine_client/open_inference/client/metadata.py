"""Model metadata of the Open Inference Protocol: the tensors that a model takes and answers."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Self

from vitrine_client.results import json_values

Json = dict[str, Any]

IMAGE_BYTES = "image_bytes"
"""Name of an input, BYTES, that takes the files of pictures as they are."""

BINARY, CLASSIFICATION = "binary_tensor_data", "classification"
"""Extensions that servers say they have."""


class TensorMetadata(NamedTuple):
    """Metadata of a tensor; -1 in its shape stands for any size."""

    name: str
    datatype: str
    shape: tuple[int, ...]

    def __str__(self) -> str:
        sizes = ["n" if size < 0 else str(size) for size in self.shape]
        return f"`{self.name}` {self.datatype} [{', '.join(sizes)}]"


class ModelMetadata(NamedTuple):
    """Metadata of a model: its inputs and its outputs, none where it names none."""

    name: str
    inputs: tuple[TensorMetadata, ...]
    outputs: tuple[TensorMetadata, ...]

    @classmethod
    def from_json(cls, answer: Mapping[str, Any]) -> Self:
        """Reads a server's answer; members that are null are as if they were not there. Raises as
        `json_values` does."""
        name = json_values.text(answer["name"])
        return cls(name, _tensors(answer.get("inputs")), _tensors(answer.get("outputs")))


def _tensors(listed: Any) -> tuple[TensorMetadata, ...]:
    return tuple(
        TensorMetadata(
            json_values.text(each["name"]),
            json_values.text(each["datatype"]),
            tuple(map(json_values.whole, json_values.items(each["shape"]))),
        )
        for each in map(json_values.members, json_values.items(listed or []))
    )


_DTYPES = {
    "BOOL": "DT_BOOL",
    "FP16": "DT_HALF",
    "BF16": "DT_BFLOAT16",
    "FP32": "DT_FLOAT",
    "FP64": "DT_DOUBLE",
    "BYTES": "DT_STRING",
}
"""TensorFlow's names of datatypes; whole numbers have the same with a prefix."""


def signature_of(inputs: Iterable[TensorMetadata], outputs: Iterable[TensorMetadata]) -> Json:
    """Returns tensors as a signature in TensorFlow Serving's JSON, which profiles are made of."""
    return {"inputs": _infos(inputs), "outputs": _infos(outputs)}


def _infos(tensors: Iterable[TensorMetadata]) -> Json:
    return {
        each.name: {
            "dtype": _DTYPES.get(each.datatype, f"DT_{each.datatype}"),
            "tensor_shape": {"dim": [{"size": size} for size in each.shape]},
        }
        for each in tensors
    }
