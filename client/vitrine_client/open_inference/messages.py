"""Messages of the Open Inference Protocol: requests and responses, whatever carries them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from vitrine_client.errors import InvalidRequest
from vitrine_client.open_inference.datatypes import Array

Parameter = bool | int | float | str
"""Value of a parameter."""

Parameters = Mapping[str, Parameter]

NO_PARAMETERS: Parameters = {}

MAX_DIMENSION = 2**63 - 1

MAX_DIMENSIONS = 64
"""Dimensions of an array of NumPy's, at most."""

_MAX_ELEMENTS = MAX_DIMENSION // 8
"""Elements of an array of NumPy's, at most: of eight bytes each, as those of 0 bytes count, too."""


class V2Tensor(NamedTuple):
    """Tensor of a request or a response: `array` has its shape, and the dtype of its datatype as
    `datatypes.DATATYPES` has it."""

    name: str
    datatype: str
    array: Array
    parameters: Parameters = NO_PARAMETERS


class RequestedOutput(NamedTuple):
    """Output that a request asks for. `classification` is the number of classes wanted in its
    stead, 0 for the numbers themselves."""

    name: str
    parameters: Parameters = NO_PARAMETERS

    @property
    def classification(self) -> int:
        """Raises `InvalidRequest` where it is no number of classes."""
        count = self.parameters.get("classification", 0)
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            raise InvalidRequest(
                f"`classification` of output {self.name!r} is a number of classes, not {count!r}"
            )
        return count


@dataclass(slots=True, eq=False)
class V2Request:
    """Request of inference. `model_version` and `id` are empty where none is named; without
    `outputs` all are wanted. `raw` is the bytes of the only input of a request without a head
    (`Inference-Header-Content-Length: 0`), which then has no `inputs`. Those of one `form`, if
    they have one, differ in the numbers of their inputs alone."""

    inputs: Sequence[V2Tensor]
    outputs: Sequence[RequestedOutput] = ()
    model_name: str = ""
    model_version: str = ""
    id: str = ""
    parameters: Parameters = field(default_factory=dict)
    raw: bytes | None = None
    form: object = None


@dataclass(slots=True, eq=False)
class V2Response:
    """Response of inference: the model and version that answered, and the tensors."""

    model_name: str
    model_version: str
    outputs: Sequence[V2Tensor]
    id: str = ""
    parameters: Parameters = field(default_factory=dict)


def checked_count(shape: Sequence[int], name: str) -> int:
    """Returns the number of elements of a shape. Raises `InvalidRequest` for a dimension below 0,
    for more dimensions than an array has, or where they are more than any memory has, be it that a
    dimension beside them is 0."""
    if len(shape) > MAX_DIMENSIONS:
        raise InvalidRequest(
            f"The shape of {name!r} has {len(shape)} dimensions, and {MAX_DIMENSIONS} are the most"
        )
    count = largest = 1
    for size in shape:
        if not 0 <= size <= MAX_DIMENSION:
            raise InvalidRequest(
                f"The shape of {name!r} has the dimension {size}; write each as a number from 0"
            )
        count *= size
        largest *= size or 1
    if largest > _MAX_ELEMENTS:
        raise InvalidRequest(f"The shape {list(shape)} of {name!r} has more elements than fit")
    return count
