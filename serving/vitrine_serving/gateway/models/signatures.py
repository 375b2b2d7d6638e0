"""Signatures of models: the dtypes of their inputs, by which JSON, which has none, is read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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


class KnownSignatures:
    """Cache of signatures by version, and of the version that a reference meant last."""

    def __init__(self) -> None:
        self._versions: dict[ModelRef, int] = {}
        self._signatures: dict[tuple[str, int], Signatures] = {}

    def recall(self, ref: ModelRef) -> Signatures | None:
        """Returns what is known of a ref, which may have changed since."""
        version = self._versions.get(ref) if ref.version is None else ref.version
        return None if version is None else self._signatures.get((ref.model, version))

    def note_version(self, ref: ModelRef, version: int) -> Signatures | None:
        """Remembers which version answered for a ref; returns its signatures, if known."""
        if ref.version is None:
            _remember(self._versions, ref, version)
        return self._signatures.get((ref.model, version))

    def learn(self, ref: ModelRef, response: wire.GetModelMetadataResponse) -> Signatures:
        """Remembers and returns what a model server says of a ref."""
        version = response.model_spec.version.value
        found = signature_def_map(response).signature_def
        signatures = Signatures(
            version,
            {
                name: {alias: info.dtype for alias, info in signature.inputs.items()}
                for name, signature in found.items()
            },
        )
        _remember(self._signatures, (ref.model, version), signatures)
        self.note_version(ref, version)
        return signatures


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
