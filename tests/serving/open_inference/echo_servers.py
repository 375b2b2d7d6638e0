"""Model servers of a model `m` that answers each input `x` as `x`, and the number of each row as
`row`, in this process."""

import numpy as np

from tests.serving.fake_servers import FakeServers
from vitrine_client.errors import NotFound
from vitrine_client.results.predictions import VersionStatus
from vitrine_client.results.profiles.description import Description
from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_client.tfserving.tensors import to_tensor


class EchoServers(FakeServers):
    """Echoing model servers; `error` is raised instead of any answer, where there is one."""

    def __init__(self, dtype: int = wire.DT_FLOAT, columns: int = 3, names=("m",)) -> None:
        super().__init__({1: {"x": dtype}, 2: {"x": dtype}})
        self.columns = columns
        self.names = names
        self.error: Exception | None = None

    async def status(self, model, *, version=None, label=None, timeout_s):
        if self.error:
            raise self.error
        if model not in self.names:
            raise NotFound(f"Could not find any versions of model {model}")
        return [VersionStatus(each, "AVAILABLE") for each in (2, 1)]

    async def describe(self, model, version, *, timeout_s, first=None):
        return Description((), {}, None, "it echoes")

    async def exchange(self, method, request, **options):
        if self.error:
            raise self.error
        return await super().exchange(method, request, **options)

    def _version(self, spec) -> int:
        version = spec.version.value or 2
        if spec.name not in self.names or version not in self.versions:
            raise NotFound(f"Servable not found for request: Specific({spec.name}, {version})")
        return version

    def _predict(self, request, response):
        x = request.inputs["x"]
        rows = np.arange(x.tensor_shape.dim[0].size)
        answered = {"x": x, "row": to_tensor(rows)}
        for name in request.output_filter or answered:
            response.outputs[name].CopyFrom(answered[name])

    def _getmodelmetadata(self, request, response):
        signatures = wire.SignatureDefMap()
        signature = signatures.signature_def["serving_default"]
        signature.method_name = "tensorflow/serving/predict"
        for places in (signature.inputs, signature.outputs):
            _describe(places["x"], self.versions[1]["x"], -1, self.columns)
        _describe(signature.outputs["row"], wire.DT_INT64, -1)
        response.metadata["signature_def"].value = signatures.SerializeToString()


def _describe(info: wire.TensorInfo, dtype: int, *sizes: int) -> None:
    info.dtype = dtype
    for size in sizes:
        info.tensor_shape.dim.add(size=size)
