"""Request checks: the tensors of a request against the signature that they are for, and the
parameters that mean something here.

The faults are Triton's, each with what was expected and what came. Other parameters are taken and
left alone, as official clients send some: `priority`, `sequence_id` and its like, as models keep
nothing between requests, and what begins with `triton_`.
"""

import time
from collections.abc import Iterable, Sequence

from vitrine_client.errors import InvalidRequest
from vitrine_client.open_inference.messages import Parameters, RequestedOutput, V2Tensor
from vitrine_serving.gateway.api.open_inference.tensor_specs import SignatureSpec, TensorSpec

_US = 1e6


def check_inputs(inputs: Sequence[V2Tensor], signature: SignatureSpec, model: str) -> None:
    """Raises `InvalidRequest` unless the inputs are the signature's, in datatype and shape, and
    none that has no default is missing."""
    given = set[str]()
    for tensor in inputs:
        if tensor.name in given:
            raise InvalidRequest(f"Input {tensor.name!r} is there twice")
        given.add(tensor.name)
        spec = signature.inputs.get(tensor.name)
        if spec is None:
            raise InvalidRequest(
                f"{tensor.name!r} is no input of {model}, which takes "
                f"{_listed(signature.inputs.values())}"
            )
        _check(tensor, spec, model)
    missing = [
        spec
        for name, spec in signature.inputs.items()
        if name not in given and not spec.has_default
    ]
    if missing:
        raise InvalidRequest(
            f"{model} takes {len(signature.inputs)} inputs, and {len(given)} came; missing: "
            f"{_listed(missing)}"
        )


def _check(tensor: V2Tensor, spec: TensorSpec, model: str) -> None:
    if tensor.datatype != spec.datatype:
        raise InvalidRequest(
            f"Input {tensor.name!r} of {model} is {spec.datatype}, and {tensor.datatype} came"
        )
    shape = tensor.array.shape
    if not spec.fits(shape):
        raise InvalidRequest(
            f"Input {tensor.name!r} of {model} has the shape {spec.shape_text}, and {list(shape)} "
            "came"
        )


def wanted_outputs(
    outputs: Sequence[RequestedOutput], signature: SignatureSpec, model: str
) -> Sequence[str]:
    """Returns the names of the outputs that are asked for, in the model's order; none where all
    are. Raises `InvalidRequest` for one that the signature does not answer."""
    asked = {output.name for output in outputs}
    for name in asked:
        if name not in signature.outputs:
            raise InvalidRequest(
                f"{name!r} is no output of {model}, which answers "
                f"{_listed(signature.outputs.values())}"
            )
    return [name for name in signature.outputs if name in asked]


def _listed(specs: Iterable[TensorSpec]) -> str:
    return ", ".join(spec.described for spec in specs) or "nothing"


def signature_name(parameters: Parameters) -> str:
    """Returns the signature that is asked for, "" where none is named. Raises `InvalidRequest`."""
    name = parameters.get("signature_name", "")
    if not isinstance(name, str):
        raise InvalidRequest(f"`signature_name` is the name of a signature, not {name!r}")
    return name


def deadline_of(parameters: Parameters, deadline: float) -> float:
    """Returns the deadline of a request, in seconds of `time.monotonic`: `timeout`, in
    microseconds, may make it earlier. Raises `InvalidRequest`."""
    timeout = parameters.get("timeout", 0)
    if isinstance(timeout, bool) or not isinstance(timeout, int) or timeout < 0:
        raise InvalidRequest(f"`timeout` is a number of microseconds, not {timeout!r}")
    return min(deadline, time.monotonic() + timeout / _US) if timeout else deadline
