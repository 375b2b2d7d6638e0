"""Why a model answers as it does: the pixels that speak for a class, and against it."""

import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vitrine_client import calls
from vitrine_client.errors import InvalidRequest
from vitrine_serving.gateway.decoder import Instances
from vitrine_serving.gateway.predictor import Metadata, ModelServers
from vitrine_serving.gateway.target import Target


class Explanation(NamedTuple):
    """For one picture: the class, how probable it is, and float32 [28, 28], what each pixel adds to
    its logit; below zero it speaks against the class."""

    label: str
    class_id: int
    probability: float
    attributions: npt.NDArray[np.float32]


class Explanations(NamedTuple):
    """Who explained, what, and the seconds that the model server took."""

    model: str
    version: int
    rows: Sequence[Explanation]
    rpc_s: float


async def explain(
    servers: ModelServers,
    target: Target,
    instances: Instances,
    class_id: int | None,
    *,
    timeout_s: float,
    metadata: Metadata = (),
) -> Explanations:
    """Explains a class, or the one that is answered, for each row of uint8 [n, 28, 28].

    Not in a batch with others: it is asked rarely. Raises `InvalidRequest` where the version has no
    signature `explain`, or no such class, and what the model server answers.
    """
    started = time.monotonic()
    request = calls.explain_request(
        target.model, instances, class_id, version=target.version, label=target.label
    )
    try:
        response = await servers.call(
            calls.PREDICT, request, timeout_s=timeout_s, metadata=metadata
        )
    except InvalidRequest as error:
        raise _in_words(error, target, class_id) from error
    answer = calls.read_answer(response)
    rpc_s = time.monotonic() - started
    left_s = max(timeout_s - rpc_s, 0.001)
    described = await servers.describe(target.model, answer.version, timeout_s=left_s)
    outputs = answer.outputs
    rows = [
        Explanation(described.labels[index], index, probabilities[index].item(), attributions)
        for index, probabilities, attributions in zip(
            outputs["class_ids"].tolist(),
            outputs["probabilities"],
            outputs["attributions"] + 0.0,  # a black pixel says 0.0, not -0.0
            strict=True,
        )
    ]
    return Explanations(target.model, answer.version, rows, rpc_s)


def _in_words(error: InvalidRequest, target: Target, class_id: int | None) -> InvalidRequest:
    """What model servers say is for who reads their code."""
    said = str(error)
    if f'"{calls.EXPLAIN}" not found' in said:
        return InvalidRequest(
            f"This version of {target.model} was published without the signature "
            f"`{calls.EXPLAIN}`; classifiers get it by training them again"
        )
    if class_id is not None and "class_ids" in said:
        return InvalidRequest(
            f"class_id={class_id} is no class of {target.model}; they are numbered from 0, in the "
            "order of its labels"
        )
    return error
