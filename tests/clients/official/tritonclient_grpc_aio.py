"""tritonclient.grpc.aio, with streams."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import tritonclient.grpc.aio as triton
from tritonclient.utils import InferenceServerException

from tests.clients.official.checks import INPUT, MODEL, OUTPUT, Service, refused_later, run


def _input(rows: np.ndarray) -> triton.InferInput:
    found = triton.InferInput(INPUT, list(rows.shape), "FP32")
    found.set_data_from_numpy(rows)
    return found


async def is_live_and_ready(service: Service) -> None:
    async with triton.InferenceServerClient(service.grpc) as client:
        assert await client.is_server_live()
        assert await client.is_server_ready()
        assert await client.is_model_ready(MODEL)
        assert not await client.is_model_ready("nope")


async def infers(service: Service) -> None:
    async with triton.InferenceServerClient(service.grpc) as client:
        answers = await asyncio.gather(
            *(client.infer(MODEL, [_input(service.rows)]) for _ in range(32))
        )
    for each in answers:
        service.is_right(each.as_numpy(OUTPUT))


async def streams(service: Service) -> None:
    async def requests() -> AsyncIterator[dict[str, Any]]:
        for place in range(10):
            model = "nope" if place == 4 else MODEL
            yield {
                "model_name": model,
                "inputs": [_input(service.rows)],
                "request_id": str(place),
            }

    right, faults = [], []
    async with triton.InferenceServerClient(service.grpc) as client:
        async for answer, error in client.stream_infer(requests()):
            (faults if error else right).append(error or answer)
    assert len(faults) == 1, faults
    assert [each.get_response().id for each in right] == [str(i) for i in range(10) if i != 4]
    for each in right:
        service.is_right(each.as_numpy(OUTPUT))


async def tells_statistics_and_index(service: Service) -> None:
    async with triton.InferenceServerClient(service.grpc) as client:
        assert (await client.get_inference_statistics(MODEL)).model_stats
        assert (await client.get_model_repository_index()).models
        assert (await client.get_model_metadata(MODEL)).name == MODEL


async def explains_refusals(service: Service) -> None:
    async with triton.InferenceServerClient(service.grpc) as client:
        call = client.infer("nope", [_input(service.rows)])
        await refused_later(call, InferenceServerException, "nope")


if __name__ == "__main__":
    run([is_live_and_ready, infers, streams, tells_statistics_and_index, explains_refusals])
