"""Explainer: asks models in batches which pixels speak for a class, and against it."""

import time
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from vitrine_client.errors import InvalidRequest
from vitrine_client.results.explanations import Explanation
from vitrine_client.tfserving import messages as calls
from vitrine_serving.gateway.http.routes import Target
from vitrine_serving.gateway.inference.batcher import Batched, Batcher
from vitrine_serving.gateway.inference.decoder import Instances
from vitrine_serving.gateway.inference.predictor import Caller, ModelServers, by_model, together
from vitrine_serving.gateway.settings import Settings


class _Question(NamedTuple):
    """What can be asked in one call; None is the class that is answered."""

    target: Target
    class_id: int | None

    @property
    def model(self) -> str:
        return self.target.model


class Explainer:
    """Lives in one event loop.

    Explanations wait for those in flight as predictions do, in queues of their own with the same
    bounds: a crowd that asks why is turned away, and does not fill the model server.
    """

    def __init__(self, servers: ModelServers, settings: Settings) -> None:
        self._servers = servers
        self._settings = settings
        self._batcher = Batcher[Explanation](
            self._send,
            max_batch_size=settings.max_batch_size,
            max_queued_rows=settings.max_queued_images,
        )

    async def explain(
        self,
        instances: Instances,
        target: Target,
        caller: Caller,
        deadline: float,
        class_id: int | None = None,
    ) -> Batched[Explanation]:
        """Explains a class, or the one that is answered, for each row of uint8 [n, 28, 28].

        `deadline` is in seconds of `time.monotonic`. Raises `InvalidRequest` where the version has
        no signature `explain`, or no such class, `Unavailable` where too many wait, and what the
        model server answers.
        """
        return await self._batcher.ask(_Question(target, class_id), instances, deadline, caller)

    def images_waiting(self) -> Counter[str]:
        """Returns how many images wait to be sent, by model; from any thread."""
        return by_model(self._batcher.waiting_by_target())

    async def _send(
        self,
        question: _Question,
        rows: Instances,
        timeout_s: float,
        callers: Sequence[Caller],
    ) -> list[Explanation]:
        started = time.monotonic()
        target, class_id = question
        request = calls.explain_request(
            target.model, rows, class_id, version=target.version, label=target.label
        )
        metadata = together(callers, self._settings)
        try:
            response = await self._servers.call(
                calls.PREDICT, request, timeout_s=timeout_s, metadata=metadata
            )
        except InvalidRequest as error:
            raise _in_words(error, target, class_id) from error
        answer = calls.read_answer(response)
        left_s = max(timeout_s - (time.monotonic() - started), 0.001)
        described = await self._servers.describe(target.model, answer.version, timeout_s=left_s)
        outputs = answer.outputs
        return [
            Explanation(
                label=described.labels[index],
                class_id=index,
                probability=probabilities[index].item(),
                attributions=attributions,
                model=target.model,
                version=answer.version,
            )
            for index, probabilities, attributions in zip(
                outputs["class_ids"].tolist(),
                outputs["probabilities"],
                outputs["attributions"] + 0.0,  # a black pixel says 0.0, not -0.0
                strict=True,
            )
        ]


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
