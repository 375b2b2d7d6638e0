"""Request checks: the tensors of a request against the signature that they are for.

Triton's faults, each with what was expected and what came.
"""

from collections.abc import Iterable, Sequence

from vitrine_client.errors import InvalidRequest
from vitrine_client.open_inference import datatypes
from vitrine_client.open_inference.messages import Parameters, RequestedOutput, V2Tensor
from vitrine_client.open_inference.specs import SignatureSpec, TensorSpec

_ELSEWHERE = (
    "the Open Inference Protocol has no such datatype; TensorFlow Serving's JSON and gRPC have it"
)


def signature_name(parameters: Parameters) -> str:
    """Returns the signature that a request is for, "" where it names none. Raises
    `InvalidRequest` where that is no name."""
    name = parameters.get("signature_name", "")
    if not isinstance(name, str):
        raise InvalidRequest(f"`signature_name` is the name of a signature, not {name!r}")
    return name


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
    if spec.datatype not in datatypes.DATATYPES:
        raise InvalidRequest(f"Input {spec.name!r} of {model} is {spec.datatype}; {_ELSEWHERE}")
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
    are. Raises `InvalidRequest` for one that the signature does not answer, or whose datatype the
    protocol lacks."""
    asked = {output.name for output in outputs}
    for name in asked:
        if name not in signature.outputs:
            raise InvalidRequest(
                f"{name!r} is no output of {model}, which answers "
                f"{_listed(signature.outputs.values())}"
            )
    for name in asked or signature.outputs:
        if (datatype := signature.outputs[name].datatype) not in datatypes.DATATYPES:
            others = "" if name in asked else "ask for others by name; "
            raise InvalidRequest(f"Output {name!r} of {model} is {datatype}; {others}{_ELSEWHERE}")
    return [name for name in signature.outputs if name in asked]


def _listed(specs: Iterable[TensorSpec]) -> str:
    return ", ".join(spec.described for spec in specs) or "nothing"
