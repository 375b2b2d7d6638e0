"""Signatures of models, as their versions last told: among them the dtypes of inputs, by which
JSON, which has none, is read."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Self, TypeVar

from vitrine_client.errors import ModelFault, ServerError
from vitrine_client.tfserving import messages
from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_serving.errors import ServingError
from vitrine_serving.gateway.models.reference import ModelRef

METADATA = "PredictionService/GetModelMetadata"

_REMEMBERED = 1024  # versions, and references; the oldest are forgotten

Dtypes = Mapping[str, int]
"""TensorFlow's number of the dtype of each input, by name."""


@dataclass(frozen=True, slots=True)
class Signatures:
    """Signatures that a version of a model has, by name."""

    version: int
    inputs: Mapping[str, Dtypes]

    @classmethod
    def of(cls, version: int, found: wire.SignatureDefMap) -> Self:
        """Returns those that a model server tells of a version."""
        return cls(
            version,
            {
                name: {alias: info.dtype for alias, info in signature.inputs.items()}
                for name, signature in found.signature_def.items()
            },
        )

    def dtypes(self, signature_name: str) -> Dtypes:
        """Returns what a signature takes; "" is the default one. Raises `ServingError`."""
        name = signature_name or "serving_default"
        if name not in self.inputs:
            text = f'Serving signature name: "{name}" not found in signature def'
            raise ServingError.invalid(text)
        return self.inputs[name]

    def takes_the_same(self, other: "Signatures", signature_name: str) -> bool:
        """Says whether a signature of this version reads JSON as that of another does."""
        name = signature_name or "serving_default"
        return self.inputs.get(name) == other.inputs.get(name)


S = TypeVar("S")


class KnownSignatures(Generic[S]):
    """Cache of signatures by version, and of the version that a reference meant last; `read` makes
    an entry of a version and its signatures."""

    def __init__(self, read: Callable[[int, wire.SignatureDefMap], S]) -> None:
        self._read = read
        self._versions: dict[ModelRef, int] = {}
        self._signatures: dict[tuple[str, int], S] = {}

    def recall(self, ref: ModelRef) -> S | None:
        """Returns what is known of a ref, which may have changed since."""
        version = self._versions.get(ref) if ref.version is None else ref.version
        return None if version is None else self._signatures.get((ref.model, version))

    def note_version(self, ref: ModelRef, version: int) -> S | None:
        """Remembers which version answered for a ref; returns its signatures, if known."""
        if ref.version is None:
            _remember(self._versions, ref, version)
        return self._signatures.get((ref.model, version))

    def learn(self, ref: ModelRef, response: wire.GetModelMetadataResponse) -> S:
        """Remembers and returns what a model server says of a ref."""
        version = response.model_spec.version.value
        signatures = self._read(version, signature_def_map(response))
        _remember(self._signatures, (ref.model, version), signatures)
        self.note_version(ref, version)
        return signatures


async def ask_signatures(
    call: Callable[..., Awaitable[bytes]], ref: ModelRef, *, timeout_s: float, **options: Any
) -> wire.GetModelMetadataResponse:
    """Asks a model server for the signatures of a version, by a method of the data plane. Raises
    `VitrineError`."""
    request = wire.GetModelMetadataRequest(
        model_spec=messages.model_spec(*ref), metadata_field=["signature_def"]
    )
    response = await call(METADATA, request.SerializeToString(), timeout_s=timeout_s, **options)
    return messages.parsed(wire.GetModelMetadataResponse, response)


def signature_def_map(response: wire.GetModelMetadataResponse) -> wire.SignatureDefMap:
    """Returns the signatures in a response. Raises `ModelFault` where it has none that can be
    read."""
    content = response.metadata["signature_def"].value  # the type's URL is not ours: no `Unpack`
    try:
        return messages.parsed(wire.SignatureDefMap, content)
    except ServerError as error:
        spec = response.model_spec
        raise ModelFault(
            f"Version {spec.version.value} of {spec.name} does not say what it takes: {error}"
        ) from error


def _remember(memory: dict[Any, Any], key: Any, value: Any) -> None:
    memory.pop(key, None)
    memory[key] = value
    if len(memory) > _REMEMBERED:
        del memory[next(iter(memory))]
