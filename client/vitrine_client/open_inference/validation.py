"""Validation of inference requests against the inputs and outputs that a model declares."""

from collections.abc import Collection, Sequence

from vitrine_client.errors import InvalidRequest
from vitrine_client.open_inference import datatypes
from vitrine_client.open_inference.messages import RequestedOutput, V2Request, V2Tensor
from vitrine_client.open_inference.specs import TensorSpec

_MOST_TOLD = 20
"""Names of tensors that an error lists."""


def check_inputs(
    tensors: Sequence[V2Tensor], specs: Sequence[TensorSpec], optional: Collection[str] = ()
) -> None:
    """Raises `InvalidRequest` where the inputs of a request are not those of a model: one is
    unknown, missing unless `optional`, there twice, or of another datatype, rank or size."""
    known = {spec.name: spec for spec in specs}
    seen = set[str]()
    for tensor in tensors:
        spec = known.get(tensor.name)
        if spec is None:
            raise InvalidRequest(
                f"The model has no input {_cut(tensor.name)}; {_told('input', known)}"
            )
        if tensor.name in seen:
            raise InvalidRequest(f"Input {tensor.name!r} is there twice")
        seen.add(tensor.name)
        _check(tensor, spec)
    if missing := [name for name in known if name not in seen and name not in optional]:
        raise InvalidRequest(f"Input {missing[0]!r} is missing; {_told('input', known)}")


def wanted_outputs(
    outputs: Sequence[RequestedOutput], specs: Sequence[TensorSpec]
) -> list[RequestedOutput]:
    """Returns the outputs to answer with, in the order of `specs`, each once however often it is
    asked for: the first time counts. All, where none is asked for. Raises `InvalidRequest` for one
    that the model lacks, and for a classification of what can have none."""
    if not outputs:
        return [RequestedOutput(spec.name) for spec in specs]
    known = {spec.name: spec for spec in specs}
    asked = dict[str, RequestedOutput]()
    for output in outputs:
        if output.name not in known:
            raise InvalidRequest(
                f"The model has no output {_cut(output.name)}; {_told('output', known)}"
            )
        _ = output.classification  # which raises where it is no number
        asked.setdefault(output.name, output)
    return [asked[name] for name in known if name in asked]


def check_request(
    request: V2Request,
    inputs: Sequence[TensorSpec],
    outputs: Sequence[TensorSpec],
    optional: Collection[str] = (),
) -> list[RequestedOutput]:
    """Returns the outputs to answer with, as `wanted_outputs` does, once the inputs are checked as
    by `check_inputs`."""
    check_inputs(request.inputs, inputs, optional)
    return wanted_outputs(request.outputs, outputs)


def _check(tensor: V2Tensor, spec: TensorSpec) -> None:
    if spec.datatype not in datatypes.DATATYPES:
        raise InvalidRequest(
            f"Input {spec.name!r} is {spec.datatype}, which the Open Inference Protocol has no "
            "datatype for; TensorFlow Serving's JSON and gRPC have"
        )
    if tensor.datatype != spec.datatype:
        raise InvalidRequest(
            f"Input {spec.name!r} is {tensor.datatype}, and the model takes {spec.datatype}"
        )
    if not _fits(tensor.array.shape, spec.shape):
        raise InvalidRequest(
            f"Input {spec.name!r} has the shape {list(tensor.array.shape)}, and the model takes "
            f"{list(spec.shape or ())}, where -1 is any size"
        )


def _fits(shape: Sequence[int], wanted: Sequence[int] | None) -> bool:
    if wanted is None:
        return True
    return len(shape) == len(wanted) and all(
        size in (-1, found) for found, size in zip(shape, wanted, strict=True)
    )


def _told(kind: str, names: Collection[str]) -> str:
    """Returns the names of a model's tensors, in words."""
    told = ", ".join(list(names)[:_MOST_TOLD])
    more = f" and {len(names) - _MOST_TOLD} more" if len(names) > _MOST_TOLD else ""
    return f"it has {told}{more}" if names else f"it has no {kind}"


def _cut(name: str) -> str:
    return repr(name if len(name) <= 100 else f"{name[:100]}…")
