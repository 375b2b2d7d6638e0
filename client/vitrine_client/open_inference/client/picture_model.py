"""Picture model: how pictures are made for a model of an Open Inference server.

Its metadata tells, its gateway, or a file; what nobody says is assumed, and called so.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vitrine_client.errors import ModelFault, TakesNoPictures
from vitrine_client.images.preprocessing import model_input
from vitrine_client.open_inference import datatypes
from vitrine_client.open_inference.client.layout import Layout, layout_of
from vitrine_client.open_inference.client.metadata import (
    IMAGE_BYTES,
    ModelMetadata,
    TensorMetadata,
    signature_of,
)
from vitrine_client.open_inference.datatypes import Array
from vitrine_client.open_inference.messages import RequestedOutput, V2Request, V2Response, V2Tensor
from vitrine_client.results.profiles.completion import OF_SIGNATURE, ProfileLayer, drafted
from vitrine_client.results.profiles.profile import ModelProfile, ProfileError
from vitrine_client.results.profiles.trial import filled

_SIGNATURE = "serving_default"
_OF_ANSWERS = ("output", "kind", "labels")
"""Members of a profile that are of answers, whatever a picture is sent as."""

_SAID = "--profile FILE says it"


@dataclass(frozen=True)
class PictureModel:
    """Model that pictures are sent to: its name, its input and the output that has its classes.

    `profile` says how a picture is made and read; its `kind` is no more than a name where nothing
    `tells_kind`.
    `labels` are None where nothing names the classes. A request has `rows` rows, None for any
    number. `is_file` is that files are sent as they are.
    """

    name: str
    taken: TensorMetadata
    answered: TensorMetadata
    profile: ModelProfile
    layout: Layout
    labels: tuple[str, ...] | None = None
    rows: int | None = None
    tells_kind: bool = False
    is_file: bool = False

    @property
    def assumed(self) -> str:
        """What nothing says of the pictures that it takes, in words; empty where all is said."""
        found = [each.partition(" assumed: ")[0] for each in self.profile.assumptions]
        return ", ".join(found)

    @property
    def most_rows(self) -> int | None:
        """The most pictures that a request can have, None for any number."""
        if self.is_file:
            return self.rows
        return self.rows if self.profile.has_fixed_size else 1

    def tensor(self, pictures: Sequence[Any]) -> V2Tensor:
        """Returns the input for pictures: levels as `fit_picture` makes them, or files. Where a
        request has more rows than there are pictures, it is filled up."""
        if self.is_file:
            array = np.empty(len(pictures), object)
            array[:] = list(pictures)
        else:
            array = model_input(np.stack(pictures), self.profile)
        if self.rows and len(array) < self.rows:
            array = filled(array, self.rows)
        if self.is_file:
            sides = len(self.taken.shape)
            array = array.reshape(len(array), *[1] * (sides - 1)) if sides else array
        else:
            array = self.layout.arranged(array)
        return V2Tensor(self.taken.name, self.taken.datatype, array)

    def request(self, tensor: V2Tensor, *, is_binary: bool, classes: int = 0) -> V2Request:
        """Returns the request for the one output that has the classes; for a number of `classes` it
        is strings "value:index:label", as Triton's classification extension has them. Files are
        base64 in JSON."""
        if self.is_file and not is_binary:
            tensor = _in_base64(tensor)
        parameters: dict[str, Any] = {"classification": classes} if classes else {}
        if is_binary:
            parameters["binary_data"] = True
        return V2Request([tensor], [RequestedOutput(self.answered.name, parameters)])

    def numbers(self, response: V2Response, count: int) -> Array:
        """Returns the first rows of an answer, floats [count, classes]. Raises `ModelFault` where
        it has not one for each picture."""
        found = next((each for each in response.outputs if each.name == self.answered.name), None)
        told = "nothing" if found is None else f"{found.datatype} {list(found.array.shape)}"
        rows = self.rows or count
        if found is None or found.array.dtype.kind not in "fiu":
            raise self._fault(told, rows)
        array = found.array
        has_axis = array.shape[:1] == (rows,)
        of_each = array.shape[1:] if has_axis else array.shape
        if not array.size or not (has_axis or rows == 1) or sum(size > 1 for size in of_each) > 1:
            raise self._fault(told, rows)
        array = array.reshape(rows, -1)[:count]
        if not np.isfinite(array).all():
            raise ModelFault(
                f"{self.name} answers `{self.answered.name}` that are no numbers (NaN or infinite)"
            )
        return array

    def _fault(self, told: str, rows: int) -> ModelFault:
        return ModelFault(
            f"{self.name} does not answer `{self.answered.name}` with a row of numbers for each "
            f"picture: {told} for {rows}"
        )


def picture_model(
    metadata: ModelMetadata, layers: Sequence[ProfileLayer] = (), *, local: bool = False
) -> PictureModel:
    """Returns how pictures are made for a model, by the first of the layers that has a member.

    An input `image_bytes` is sent files as they are, unless pixels are made here (`local`). Raises
    `TakesNoPictures`, which says what the model takes, or why a layer does not fit it.
    """
    layers = [_without(layer, {"signature"}) for layer in layers]
    told = _merged(layers)
    inputs, outputs = _named(metadata, told)
    files = next((each for each in inputs if _is_file(each)), None)
    pixels = [each for each in inputs if each is not files]
    try:
        if files and not (local and pixels):
            return _of_files(metadata.name, files, outputs, layers)
        return _of_pixels(metadata.name, pixels, outputs, layers, told)
    except ProfileError as error:
        raise TakesNoPictures(f"No picture can be sent to {metadata.name}: {error}") from error


def _of_files(
    name: str,
    taken: TensorMetadata,
    outputs: Sequence[TensorMetadata],
    layers: Sequence[ProfileLayer],
) -> PictureModel:
    of_answers = [ProfileLayer(each.source, _only(each.members, _OF_ANSWERS)) for each in layers]
    one = TensorMetadata(IMAGE_BYTES, "BYTES", taken.shape[:1] or (1,))
    layout = Layout(one.shape, has_rows=bool(taken.shape))
    return _drafted(name, taken, one, outputs, of_answers, layout)


def _of_pixels(
    name: str,
    inputs: Sequence[TensorMetadata],
    outputs: Sequence[TensorMetadata],
    layers: Sequence[ProfileLayer],
    told: Mapping[str, Any],
) -> PictureModel:
    chosen = next((each for each in inputs if each.name == told.get("input")), None)
    if chosen is None and len(inputs) == 1 and "input" not in told:
        chosen = inputs[0]
    if chosen is None:
        listed = ", ".join(map(str, inputs[:8])) or "nothing"
        raise ProfileError(f"it takes {listed}, and not one input of pictures; {_SAID}")
    layout = layout_of(chosen, told.get("shape"))
    shaped = chosen._replace(shape=layout.sizes)
    return _drafted(name, chosen, shaped, outputs, layers, layout)


def _drafted(
    name: str,
    taken: TensorMetadata,
    shaped: TensorMetadata,
    outputs: Sequence[TensorMetadata],
    layers: Sequence[ProfileLayer],
    layout: Layout,
) -> PictureModel:
    answered = [_as_rows(each, is_one=shaped.shape[:1] == (1,)) for each in outputs]
    draft = drafted({_SIGNATURE: signature_of([shaped], answered)}, layers)
    members = {"kind": "scores", "batchable": False, **draft.members}
    output = next(each for each in outputs if each.name == draft.members["output"])
    return PictureModel(
        name,
        taken,
        output,
        ModelProfile(**members, sources=draft.sources),
        layout,
        draft.labels,
        draft.rows if layout.has_rows else 1,
        tells_kind=draft.sources.get("kind", OF_SIGNATURE) != OF_SIGNATURE,
        is_file=taken.datatype == "BYTES",
    )


def _as_rows(answered: TensorMetadata, *, is_one: bool) -> TensorMetadata:
    """Returns an output as [n, classes], without axes of one behind them; that of one picture may
    have no axis for several."""
    sizes = list(answered.shape)
    if is_one and (len(sizes) < 2 or sizes[0] not in (1, -1)):
        sizes.insert(0, 1)
    while len(sizes) > 2 and sizes[-1] == 1:
        sizes.pop()
    return answered._replace(shape=tuple(sizes))


def _is_file(taken: TensorMetadata) -> bool:
    return taken.datatype == "BYTES" and taken.name.endswith("_bytes")


def _named(
    metadata: ModelMetadata, told: Mapping[str, Any]
) -> tuple[Sequence[TensorMetadata], Sequence[TensorMetadata]]:
    """Returns inputs and outputs; those that a profile says where the server lists none. Raises
    `TakesNoPictures` where nothing says them."""
    inputs, outputs = metadata.inputs, metadata.outputs
    if not inputs and {"input", "shape"} <= told.keys():
        sizes = (-1, *(size or -1 for size in told["shape"]))
        inputs = (TensorMetadata(told["input"], _datatype(told.get("dtype", "float32")), sizes),)
    if not outputs and "output" in told:
        outputs = (TensorMetadata(told["output"], "FP32", (-1, -1)),)
    if inputs and outputs:
        return inputs, outputs
    what = "inputs" if not inputs else "outputs"
    raise TakesNoPictures(
        f"{metadata.name} lists no {what}, so that it is not known what to send; --profile FILE "
        'says it: {"input": "images", "shape": [28, 28], "dtype": "float32", "output": "scores"}'
    )


def _in_base64(tensor: V2Tensor) -> V2Tensor:
    array = np.empty(tensor.array.size, object)
    array[:] = [base64.b64encode(each) for each in tensor.array.ravel().tolist()]
    shaped = array.reshape(tensor.array.shape)
    return tensor._replace(array=shaped, parameters={"content_type": "base64"})


def _datatype(dtype: str) -> str:
    return "BYTES" if dtype == "string" else datatypes.of_dtype(np.dtype(dtype)).name


def _merged(layers: Sequence[ProfileLayer]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for layer in reversed(layers):
        merged |= layer.members
    return merged


def _without(layer: ProfileLayer, names: set[str]) -> ProfileLayer:
    kept = {name: value for name, value in layer.members.items() if name not in names}
    return ProfileLayer(layer.source, kept)


def _only(members: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: members[name] for name in names if name in members}
