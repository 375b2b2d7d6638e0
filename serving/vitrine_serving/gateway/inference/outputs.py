"""Output validation: answers of models that break the promise of their signature."""

from collections.abc import Mapping, Sequence

import grpc
import numpy as np

from vitrine_client.errors import InvalidRequest, ModelFault, ServerError
from vitrine_client.results.profiles.profile import ModelProfile
from vitrine_client.results.profiles.shares import shares_of
from vitrine_client.tfserving.tensors import Array
from vitrine_serving.gateway.inference.batcher import RowFault
from vitrine_serving.gateway.inference.requests import PROBABILITIES
from vitrine_serving.gateway.models.reference import ModelRef

_LOST_VARIABLES = ("Could not find variable", "uninitialized", "not initialized")
"""Words of TensorFlow 2.20 for a graph whose variables, or tables, were not saved with it."""


_OFF = 0.01
"""How far a share may be from 0..1, as of a model in half precision."""


class AnswerByKind(dict[str, Array]):
    """Answer by a profile, as `classified` returns it; `kind` is that of the profile."""

    def __init__(self, kind: str, probabilities: Array) -> None:
        super().__init__({PROBABILITIES: probabilities})
        self.kind = kind


def check_outputs(
    outputs: Mapping[str, Array], wanted: Sequence[str], rows: int, model: str, version: int
) -> None:
    """Raises `ModelFault` unless each output that is wanted has a number for each of `rows`;
    `RowFault` where that is so of some."""
    for name in wanted:
        answered = outputs.get(name)
        if answered is None or answered.shape[:1] != (rows,):
            told = "nothing" if answered is None else f"shape {list(answered.shape)}"
            raise ModelFault(
                f"Version {version} of {model} does not answer `{name}` for each of its inputs: "
                f"{told} for {rows} rows"
            )
        if answered.dtype.kind == "f" and not (finite := np.isfinite(answered)).all():
            some_are = finite.reshape(rows, -1).all(axis=1).any()
            raise (RowFault if some_are else ModelFault)(
                f"Version {version} of {model} answers `{name}` that are no numbers (NaN or "
                "infinite), as after a training that diverged; go back to another version"
            )


class NotByRow(RowFault):
    """Version that does not answer each of its inputs by itself, as it was thought to."""


def check_rows(
    outputs: Mapping[str, Array], wanted: Sequence[str], rows: int, model: str, version: int
) -> None:
    """Raises `ModelFault` where an output that is wanted is missing, and `NotByRow` for one that
    has not as many rows as the inputs."""
    for name in wanted:
        answered = outputs.get(name)
        if answered is None:
            raise ModelFault(f"Version {version} of {model} does not answer its output `{name}`")
        if answered.shape[:1] != (rows,):
            raise NotByRow(
                f"Version {version} of {model} answers `{name}` of the shape "
                f"{list(answered.shape)} for {rows} rows"
            )


def check_classes(
    outputs: Mapping[str, Array], labels: Sequence[str], model: str, version: int
) -> None:
    """Raises `ModelFault` unless `probabilities` has a float for each of the labels, in 0..1 where
    it is answered by a profile that says so."""
    probabilities = outputs[PROBABILITIES]
    if probabilities.dtype.kind != "f" or probabilities.ndim != 2:
        raise ModelFault(
            f"Version {version} of {model} answers probabilities {probabilities.dtype} "
            f"{list(probabilities.shape)}, not a row of float32 for each picture"
        )
    if probabilities.shape[1] != len(labels):
        raise ModelFault(
            f"Version {version} of {model} has {len(labels)} labels, and answers "
            f"{probabilities.shape[1]} classes; publish it with a label for each"
        )
    if isinstance(outputs, AnswerByKind) and not _are_shares(probabilities):
        raise ModelFault(
            f"Version {version} of {model} answers numbers that are not in 0..1, and its kind is "
            f"{outputs.kind}; tell `kind` in its profile, such as logits: docs/your-own-model.md"
        )


def _are_shares(numbers: Array) -> bool:
    return bool(((numbers >= -_OFF) & (numbers <= 1 + _OFF)).all())


def classified(outputs: Mapping[str, Array], profile: ModelProfile) -> AnswerByKind:
    """Returns the answer of a profile's signature as `probabilities`, float32 [n, classes]: the
    softmax of logits, and two of the one number of a binary classifier; scores stay as they are.

    Whether they are in 0..1 is for `check_classes`, once it is known that the version that has
    answered has this profile."""
    numbers = outputs[profile.output]
    if numbers.dtype.kind != "f" or numbers.ndim != 2:
        return AnswerByKind(profile.kind, numbers)
    return AnswerByKind(profile.kind, shares_of(numbers, profile.kind))


def senseless(error: ServerError, model: ModelRef) -> ModelFault:
    """Returns the error for an answer that cannot be read."""
    if isinstance(error, ModelFault):
        return error
    return ModelFault(f"{model.described} gives an answer that cannot be used: {error}")


def check_explained(
    outputs: Mapping[str, Array],
    labels: Sequence[str],
    sides: tuple[int, ...],
    model: str,
    version: int,
) -> None:
    """Raises `ModelFault` unless an explanation has for each picture, of a height and width, a
    number of a label, and a number for each of its pixels, [n, height, width]."""
    class_ids, attributions = outputs["class_ids"], outputs["attributions"]
    if class_ids.dtype.kind not in "iu" or class_ids.ndim != 1:
        told = f"class_ids {class_ids.dtype} {list(class_ids.shape)}"
        raise ModelFault(f"Version {version} of {model} explains {told}, not an int64 each")
    if not all(0 <= each < len(labels) for each in class_ids.tolist()):
        raise ModelFault(
            f"Version {version} of {model} explains classes {sorted(set(class_ids.tolist()))[:3]}, "
            f"and has {len(labels)} labels; publish it again"
        )
    if attributions.dtype.kind != "f" or attributions.shape[1:] != sides:
        raise ModelFault(
            f"Version {version} of {model} answers attributions {attributions.dtype} "
            f"{list(attributions.shape)}, not a float32 for each pixel"
        )


def fault_of_model(error: InvalidRequest, model: ModelRef) -> ModelFault | None:
    """Returns the error for a call that no caller could have made better, None for others."""
    cause = error.__cause__
    if not isinstance(cause, grpc.aio.AioRpcError):
        return None
    if cause.code() is not grpc.StatusCode.FAILED_PRECONDITION:
        return None
    if not any(words in str(error) for words in _LOST_VARIABLES):
        return None
    return ModelFault(
        f"{model.described} was exported without its variables; export it with "
        f"`model.export(directory)`: {error}"
    )
