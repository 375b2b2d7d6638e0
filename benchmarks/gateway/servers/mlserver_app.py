"""MLServer with its adaptive batching, the model in its process (no parallel workers)."""

import asyncio
import os

import numpy as np
from classifier import Classifier
from fastapi import Request, Response
from mlserver import MLModel, MLServer, ModelSettings, Settings
from mlserver.context import model_context
from mlserver.handlers import custom_handler
from mlserver.types import InferenceRequest, InferenceResponse, RequestInput, ResponseOutput
from pictures import MAX_BATCH_SIZE, decode_all


class Mlp(MLModel):
    """Tensors through MLServer's batching, pictures through a handler of its own."""

    async def load(self) -> bool:
        """Loads the model."""
        self.classifier = Classifier()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Takes raw bytes, which cost least to put together; gives floats, as it splits them."""
        tensor = payload.inputs[0]
        instances = np.frombuffer(tensor.data.root, np.uint8).reshape(tensor.shape)
        rows = self.classifier.probabilities(instances)
        output = ResponseOutput(
            name="probabilities",
            datatype="FP32",
            shape=list(rows.shape),
            data=rows.ravel().tolist(),
        )
        return InferenceResponse(model_name=self.name, outputs=[output])

    @custom_handler(rest_path="/predict")
    async def answer(self, request: Request) -> Response:
        """Takes a PNG, or a form of PNGs named `image`."""
        if request.headers["content-type"].startswith("multipart/"):
            async with request.form() as form:
                pictures = [await part.read() for part in form.getlist("image")]
        else:
            pictures = [await request.body()]
        instances = decode_all(pictures)
        tensor = RequestInput(
            name="images", datatype="UINT8", shape=list(instances.shape), data=instances.tobytes()
        )
        with model_context(self.settings):  # as MLServer's own handlers have it
            response = await self.predict(InferenceRequest(inputs=[tensor]))
        output = response.outputs[0]
        rows = np.array(output.data.root, np.float32).reshape(output.shape)
        return Response(self.classifier.answer(rows), media_type="application/json")


async def main() -> None:
    """Serves until it is ended."""
    server = MLServer(
        Settings(
            host="127.0.0.1",
            http_port=int(os.environ["PEER_PORT"]),
            grpc_port=int(os.environ["PEER_PORT_2"]),
            metrics_endpoint=None,
            parallel_workers=0,
            gzip_enabled=False,
            debug=False,
        )
    )
    model = ModelSettings(
        name="mlp",
        implementation=Mlp,
        max_batch_size=MAX_BATCH_SIZE,
        max_batch_time=0.0003,
    )
    await server.start([model])


if __name__ == "__main__":
    asyncio.run(main())
