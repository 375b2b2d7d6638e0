"""Explanations: adapter from pictures to the signature `explain`, and back."""

from vitrine_client.errors import InvalidRequest
from vitrine_client.results.explanations import Explanation
from vitrine_client.tfserving import messages
from vitrine_serving.gateway.inference.dataplane import DataPlane
from vitrine_serving.gateway.inference.decoding.decoder import Shown
from vitrine_serving.gateway.inference.outputs import check_explained
from vitrine_serving.gateway.inference.requests import (
    PROBABILITIES,
    Caller,
    InferenceRequest,
    InferenceResponse,
    SignatureCall,
)
from vitrine_serving.gateway.models.reference import ModelRef

_OUTPUTS = ("attributions", "class_ids", PROBABILITIES)


async def explain(
    plane: DataPlane,
    shown: Shown,
    model: ModelRef,
    caller: Caller,
    deadline: float,
    class_id: int | None = None,
) -> InferenceResponse:
    """Explains a class, or the one that is answered, for each row that is shown; `decoded` has an
    `Explanation` for each.

    `deadline` is in seconds of `time.monotonic`. Raises `InvalidRequest` where the version has no
    signature `explain`, or no such class, and what `DataPlane.infer` raises.
    """
    chosen = ("class_ids", -1 if class_id is None else class_id)
    profile = shown.profile
    call = SignatureCall(model, messages.EXPLAIN, _OUTPUTS, (chosen,), profile=profile)
    inputs = {profile.input: shown.rows}
    try:
        response = await plane.infer(InferenceRequest(call, inputs, caller, deadline))
    except InvalidRequest as error:
        raise _in_words(error, model, class_id) from error
    outputs = response.outputs
    sides = shown.rows[0].shape[:2]
    check_explained(outputs, response.labels, sides, model.model, response.version)
    response.decoded = [
        Explanation(
            label=response.labels[index],
            class_id=index,
            probability=probabilities[index].item(),
            attributions=attributions,
            model=model.model,
            version=response.version,
        )
        for index, probabilities, attributions in zip(
            outputs["class_ids"].tolist(),
            outputs[PROBABILITIES],
            outputs["attributions"] + 0.0,  # a black pixel says 0.0, not -0.0
            strict=True,
        )
    ]
    return response


def _in_words(error: InvalidRequest, model: ModelRef, class_id: int | None) -> InvalidRequest:
    """Returns the error in words for its client: the model server's are for its developers."""
    said = str(error)
    if f'"{messages.EXPLAIN}" not found' in said:
        return InvalidRequest(
            f"This version of {model.model} was published without the signature "
            f"`{messages.EXPLAIN}`; classifiers get it by training them again, and models that "
            "Vitrine did not train by `vitrine-train import`"
        )
    if class_id is not None and "class_ids" in said:
        return InvalidRequest(
            f"class_id={class_id} is no class of {model.model}; they are numbered from 0, in the "
            "order of its labels"
        )
    return error
