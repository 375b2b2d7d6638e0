"""Foreign model: answers as one that Vitrine did not train, behind a fake model server."""

import json
from collections.abc import Callable
from typing import Any

import grpc
import numpy as np

from harness.fake_model_server import Call
from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_client.tfserving.tensors import from_tensor, to_tensor

SERVING = "serving_default"
WIDTHS = {"float32": wire.DT_FLOAT, "uint8": wire.DT_UINT8, "string": wire.DT_STRING}


class InvalidInput(Exception):
    """Input that a model refuses."""


def by_brightness(rows: np.ndarray) -> np.ndarray:
    """Logits of three classes: the most is that of the brightest third of a picture's rows."""
    height = rows.shape[1]
    thirds = [rows[:, height * n // 3 : height * (n + 1) // 3] for n in range(3)]
    return np.stack([each.reshape(len(rows), -1).mean(axis=1) * 10 - 20 for each in thirds], axis=1)


class ForeignModel:
    """Model of one signature; the newest of its `versions` answers. `files` are those beside it,
    None of a server that hands out none, `calls` the rows of each call, and
    `versions` those that were asked for, 0 where none was."""

    def __init__(
        self,
        shape: tuple[int, ...] = (-1, 30, 20, 3),
        answer: Callable[[np.ndarray], np.ndarray] = by_brightness,
        *,
        name: str = "keras_tensor",
        dtype: str = "float32",
        classes: int = 3,
        files: dict[str, str] | None = None,
        outputs: tuple[str, ...] = ("output_0",),
        version: int = 1,
    ) -> None:
        self.shape, self.answer, self.name, self.dtype = shape, answer, name, dtype
        self.classes, self.files, self.outputs, self.version = classes, files, outputs, version
        self.calls: list[np.ndarray] = []
        self.asked: list[str] = []
        self.versions: list[int] = []

    def __call__(self, call: Call, context: grpc.ServicerContext) -> bytes:
        if call.method.endswith("GetModelMetadata"):
            return self._metadata(call, context)
        request = wire.PredictRequest.FromString(call.request)
        spec = request.model_spec
        self.asked.append(spec.signature_name)
        self.versions.append(spec.version.value)
        if spec.signature_name != SERVING:
            details = f'Serving signature key "{spec.signature_name}" not found.'
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, details)
        if set(request.inputs) != {self.name}:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "Signature input alias: not found")
        rows = from_tensor(request.inputs[self.name])
        self.calls.append(rows)
        try:
            answer = to_tensor(self.answer(rows).astype(np.float32))
        except InvalidInput:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "Input to reshape has too many values")
        response = wire.PredictResponse()
        response.model_spec.version.value = self.version
        for name in request.output_filter or self.outputs:
            response.outputs[name].CopyFrom(answer)
        return response.SerializeToString()

    def _metadata(self, call: Call, context: grpc.ServicerContext) -> bytes:
        request = wire.GetModelMetadataRequest.FromString(call.request)
        response = wire.GetModelMetadataResponse()
        response.model_spec.name = request.model_spec.name
        response.model_spec.version.value = self.version
        [field] = request.metadata_field
        if field == "profile":
            if self.files is None:
                details = "Metadata field profile is not supported"
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, details)
            response.metadata[field].value = _json(self.files)
        else:
            found = wire.SignatureDefMap()
            signature = found.signature_def[SERVING]
            _describe(signature.inputs[self.name], WIDTHS[self.dtype], self.shape)
            for name in self.outputs:
                _describe(signature.outputs[name], wire.DT_FLOAT, (-1, self.classes))
            response.metadata[field].value = found.SerializeToString()
        return response.SerializeToString()


def _json(content: Any) -> bytes:

    return json.dumps(content).encode()


def _describe(tensor: Any, dtype: int, shape: tuple[int, ...]) -> None:
    tensor.dtype = dtype
    for size in shape:
        tensor.tensor_shape.dim.add(size=size)
