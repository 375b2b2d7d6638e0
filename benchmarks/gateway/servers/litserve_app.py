"""LitServe with its batching: HTTP in one process, the model in another."""

import os
from typing import Annotated, Any

import litserve
import numpy as np
from fastapi import Depends, Request, Response
from pictures import MAX_BATCH_SIZE, decode_all


async def pictures(request: Request) -> list[bytes]:
    """Returns the PNGs of a request: its body, or the parts of a form named `image`."""
    if not request.headers["content-type"].startswith("multipart/"):
        return [await request.body()]
    async with request.form() as form:
        return [await part.read() for part in form.getlist("image")]


class Api(litserve.LitAPI):
    """What LitServe asks for, in its order."""

    def setup(self, device: str) -> None:  # noqa: ARG002
        """Loads the model in the worker."""
        from classifier import Classifier  # TensorFlow, which the other processes need not have

        self.classifier = Classifier()

    def decode_request(self, request: Annotated[list[bytes], Depends(pictures)]) -> Any:
        """Returns uint8 [n, 28, 28]."""
        return decode_all(request)

    def batch(self, inputs: list[Any]) -> Any:
        """Returns what the model runs on, and how much of it belongs to each request."""
        return np.concatenate(inputs), [len(instances) for instances in inputs]

    def predict(self, x: Any) -> Any:
        """Takes what `batch` gave, or the instances of one request."""
        instances, sizes = x if isinstance(x, tuple) else (x, [len(x)])
        return self.classifier.probabilities(instances), sizes

    def unbatch(self, output: Any) -> Any:
        """Returns the rows of each request."""
        rows, sizes = output
        return np.split(rows, np.cumsum(sizes)[:-1])

    def encode_response(self, output: Any) -> Response:
        """Returns the answer for the rows of one request."""
        return Response(self.classifier.answer(output), media_type="application/json")


if __name__ == "__main__":
    # Its own default, not to wait for more, is the fastest; so are one process of each kind, and
    # its queue without ZeroMQ.
    api = Api(max_batch_size=MAX_BATCH_SIZE, batch_timeout=0, api_path="/predict")
    litserve.LitServer(api, accelerator="cpu").run(
        host="127.0.0.1",
        port=int(os.environ["PEER_PORT"]),
        num_api_servers=1,
        generate_client_file=False,
        log_level="warning",
        access_log=False,
    )
