"""A model server's gRPC API without gRPC or TensorFlow, for tests of what the gateway asks."""

from dataclasses import dataclass, field

from vitrine_client.errors import InvalidRequest, NotFound
from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_client.tfserving.tensors import from_tensor, to_tensor

FLOAT, DOUBLE = {"x": wire.DT_FLOAT}, {"x": wire.DT_DOUBLE}


@dataclass
class FakeServers:
    """Model `m`, whose versions have a signature of these inputs; each comes back, doubled.

    `asked` notes method, version and version label of each call, `timeouts_s` its timeouts.
    """

    versions: dict[int, dict[str, int]] = field(default_factory=lambda: {1: FLOAT})
    labels: dict[str, int] = field(default_factory=dict)
    asked: list[tuple[str, int, str]] = field(default_factory=list)
    timeouts_s: list[float] = field(default_factory=list)
    metadata: list[tuple[str, str]] = field(default_factory=list)
    output: wire.Tensor | None = None

    def usable(self):
        return 1

    async def exchange(self, method, request, *, timeout_s, metadata=(), **_):
        """Also returns a connection, of which there is none."""
        return await self.call(method, request, timeout_s=timeout_s, metadata=metadata), None

    async def call(self, method, request, *, timeout_s, metadata=()):
        name = method.removeprefix("PredictionService/").removeprefix("ModelService/")
        kind = {"Classify": "Classification", "Regress": "Regression"}.get(name, name)
        message = getattr(wire, f"{kind}Request").FromString(request)
        spec = message.model_spec
        self.asked.append((name, spec.version.value, spec.version_label))
        self.timeouts_s.append(timeout_s)
        self.metadata = list(metadata)
        response = getattr(wire, f"{kind}Response")()
        if name != "GetModelStatus":
            response.model_spec.name = spec.name
            response.model_spec.version.value = self._version(spec)
        getattr(self, f"_{name.lower()}")(message, response)
        return response.SerializeToString()

    def methods(self) -> list[str]:
        """Returns what was asked since the last time."""
        methods = [name for name, _, _ in self.asked]
        self.asked.clear()
        return methods

    def _version(self, spec) -> int:
        version = spec.version.value or max(self.versions)
        if spec.version_label:
            version = self.labels[spec.version_label]
        if not spec.name.startswith("m") or version not in self.versions:
            raise NotFound(f"Servable not found for request: Specific({spec.name}, {version})")
        return version

    def _predict(self, request, response):
        dtypes = self.versions[response.model_spec.version.value]
        if {name: tensor.dtype for name, tensor in request.inputs.items()} != dtypes:
            raise InvalidRequest("the model server refuses the inputs")
        for name, tensor in request.inputs.items():
            made = self.output or to_tensor(from_tensor(tensor) * 2)
            response.outputs[name].CopyFrom(made)

    def _classify(self, request, response):
        for _ in request.input.example_list.examples:
            response.result.classifications.add().classes.add(label="cat", score=0.5)

    def _regress(self, request, response):
        for example in request.input.example_list.examples:
            [value] = example.features.feature["x"].float_list.value
            response.result.regressions.add(value=value)

    def _getmodelmetadata(self, request, response):
        assert request.metadata_field == ["signature_def"]
        signatures = wire.SignatureDefMap()
        for name in ("serving_default", "also", "nothing"):
            signature = signatures.signature_def[name]
            if name == "nothing":
                continue
            for alias, dtype in self.versions[response.model_spec.version.value].items():
                signature.inputs[alias].dtype = dtype
        response.metadata["signature_def"].value = signatures.SerializeToString()

    def _getmodelstatus(self, request, response):
        for version in sorted(self.versions, reverse=True):
            response.model_version_status.add(version=version, state="AVAILABLE")
