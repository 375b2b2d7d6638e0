"""kserve's InferenceGRPCClient, which sends contents or raw contents."""

import grpc
import numpy as np
from kserve import InferenceGRPCClient, InferInput, InferOutput, InferRequest, InferResponse

from tests.clients.official.checks import INPUT, MODEL, OUTPUT, Service, refused_later, run


def _request(rows: np.ndarray, *, is_binary: bool, model: str = MODEL) -> InferRequest:
    found = InferInput(INPUT, list(rows.shape), "FP32")
    found.set_data_from_numpy(rows, binary_data=is_binary)
    return InferRequest(model, [found])


def _output(answer: InferResponse) -> np.ndarray:
    found: InferOutput = next(each for each in answer.outputs if each.name == OUTPUT)
    return found.as_numpy()


async def is_live_and_ready(service: Service) -> None:
    async with InferenceGRPCClient(service.grpc) as client:
        assert await client.is_server_live()
        assert await client.is_server_ready()
        assert await client.is_model_ready(MODEL)
        assert not await client.is_model_ready("nope")


async def infers(service: Service) -> None:
    async with InferenceGRPCClient(service.grpc) as client:
        for is_binary in (True, False):
            answer = await client.infer(_request(service.rows, is_binary=is_binary))
            service.is_right(_output(answer))


async def explains_refusals(service: Service) -> None:
    async with InferenceGRPCClient(service.grpc) as client:
        call = client.infer(_request(service.rows, is_binary=True, model="nope"))
        await refused_later(call, grpc.RpcError, "NOT_FOUND", "nope")


if __name__ == "__main__":
    run([is_live_and_ready, infers, explains_refusals])
