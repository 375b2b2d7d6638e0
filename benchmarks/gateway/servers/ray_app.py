"""Ray Serve with its batching: HTTP in one process, the model in another."""

import os
from typing import Any

import numpy as np
import ray
from pictures import MAX_BATCH_SIZE, decode_all
from ray import serve
from starlette.requests import Request
from starlette.responses import Response


@serve.deployment(
    max_ongoing_requests=256,
    ray_actor_options={"num_cpus": 1},
    logging_config={"enable_access_log": False},
)
class Mlp:
    """One endpoint."""

    def __init__(self) -> None:
        from classifier import Classifier  # TensorFlow, which the other processes need not have

        self.classifier = Classifier()

    @serve.batch(max_batch_size=MAX_BATCH_SIZE, batch_wait_timeout_s=0.001)
    async def rows(self, requests: list[Any]) -> list[Any]:
        """Takes the instances of each request, uint8 [n, 28, 28]; returns the rows of each."""
        rows = self.classifier.probabilities(np.concatenate(requests))
        return np.split(rows, np.cumsum([len(instances) for instances in requests])[:-1])

    async def __call__(self, request: Request) -> Response:
        """Takes a PNG, or a form of PNGs named `image`."""
        if request.headers["content-type"].startswith("multipart/"):
            async with request.form() as form:
                pictures = [await part.read() for part in form.getlist("image")]
        else:
            pictures = [await request.body()]
        rows = await self.rows(decode_all(pictures))
        return Response(self.classifier.answer(rows), media_type="application/json")


if __name__ == "__main__":
    ray.init(include_dashboard=False, log_to_driver=False, configure_logging=False)
    serve.start(http_options={"host": "127.0.0.1", "port": int(os.environ["PEER_PORT"])})
    serve.run(Mlp.bind(), route_prefix="/predict", blocking=True)
