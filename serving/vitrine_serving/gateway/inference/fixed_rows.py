"""Fixed batch dimension: signatures that take a certain number of rows in a call, and no other.

A model that was exported with the shape [1, 28, 28] works alone and fails in batches. That is
looked up once a call was refused, so that others pay nothing for it.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

import numpy as np

from vitrine_client.errors import ModelFault, VitrineError
from vitrine_client.results.profiles.trial import filled
from vitrine_client.tfserving import management, messages
from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_client.tfserving.tensors import Array
from vitrine_serving.gateway.inference.outputs import check_outputs
from vitrine_serving.gateway.inference.requests import SignatureCall
from vitrine_serving.gateway.models.reference import ModelRef
from vitrine_serving.gateway.models.signatures import METADATA, signature_def_map

_REMEMBERED_S = 60.0
_MOST_REMEMBERED = 256
_MOST_ROWS = 4096
"""Rows that a part is filled up to: far more than any model is exported for."""

T = TypeVar("T")
Run = Callable[[SignatureCall, Array], Awaitable[tuple[int, Mapping[str, Array], T]]]
"""Makes a call with rows; returns the version that answered, its outputs, and what it came by."""


class FixedRows:
    """Memory of the signatures that take a fixed number of rows; for a minute, as another version
    may take any."""

    def __init__(self) -> None:
        self._known: dict[tuple[ModelRef, str], tuple[float, int]] = {}

    def recall(self, call: SignatureCall) -> int | None:
        """Returns the number of rows that a signature is known to take, None if any will do."""
        if not self._known:
            return None
        until_s, rows = self._known.get((call.model, call.signature), (0.0, None))
        return rows if time.monotonic() < until_s else None

    async def learn(
        self, call: SignatureCall, ask: Callable[..., Awaitable[bytes]], timeout_s: float
    ) -> int | None:
        """Returns as `recall` does, having looked at the signature. Raises nothing: that a call was
        refused has told more than a server that does not answer this."""
        model, version, label = call.model
        self._known.pop((call.model, call.signature), None)
        try:
            request = management.metadata_request(model, version=version, label=label)
            response = await ask(METADATA, request, timeout_s=timeout_s)
            found = signature_def_map(messages.parsed(wire.GetModelMetadataResponse, response))
            dims = found.signature_def[call.signature].inputs[call.profile.input].tensor_shape.dim
        except (VitrineError, ValueError):
            return None
        if not dims or not 1 <= dims[0].size <= _MOST_ROWS:
            return None
        if len(self._known) >= _MOST_REMEMBERED:
            del self._known[next(iter(self._known))]  # the oldest
        self._known[call.model, call.signature] = (time.monotonic() + _REMEMBERED_S, dims[0].size)
        return int(dims[0].size)


async def in_parts(
    run: Run[T], call: SignatureCall, rows: Array, size: int
) -> tuple[int, Mapping[str, Array], T]:
    """Runs a signature on `size` rows at a time, the last of them filled up; all by the
    version that answers first."""
    parts: list[Mapping[str, Array]] = []
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        version, outputs, by = await run(call, filled(part, size))
        if call.model.version not in (None, version):
            raise ModelFault(f"{call.model.described} was asked for, and version {version} answers")
        call = call._replace(model=ModelRef(call.model.model, version))
        check_outputs(outputs, call.outputs, size, call.model.model, version)
        parts.append({name: outputs[name][: len(part)] for name in call.outputs})
    try:
        joined = {name: np.concatenate([part[name] for part in parts]) for name in call.outputs}
    except ValueError as error:
        raise ModelFault(f"{call.model.described} answers rows of different widths") from error
    return version, joined, by
