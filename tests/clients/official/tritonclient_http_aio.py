"""tritonclient.http.aio, which always asks for packed answers."""

import asyncio

import numpy as np
import tritonclient.http.aio as triton
from tritonclient.utils import InferenceServerException

from tests.clients.official.checks import INPUT, MODEL, OUTPUT, Service, refused_later, run


def _input(rows: np.ndarray, *, is_binary: bool = True) -> triton.InferInput:
    found = triton.InferInput(INPUT, list(rows.shape), "FP32")
    found.set_data_from_numpy(rows, binary_data=is_binary)
    return found


async def is_live_and_ready(service: Service) -> None:
    async with triton.InferenceServerClient(service.http) as client:
        assert await client.is_server_live()
        assert await client.is_server_ready()
        assert await client.is_model_ready(MODEL)
        assert not await client.is_model_ready("nope")


async def infers(service: Service) -> None:
    async with triton.InferenceServerClient(service.http) as client:
        for is_binary in (True, False):
            answer = await client.infer(MODEL, [_input(service.rows, is_binary=is_binary)])
            service.is_right(answer.as_numpy(OUTPUT))


async def infers_what_is_worth_packing(service: Service) -> None:
    rows = np.tile(service.rows, (100, 1, 1))
    async with triton.InferenceServerClient(service.http) as client:
        answer = await client.infer(MODEL, [_input(rows)], request_compression_algorithm="gzip")
    np.testing.assert_allclose(
        answer.as_numpy(OUTPUT), np.tile(service.expected, (100, 1)), atol=1e-6
    )


async def infers_at_the_same_time(service: Service) -> None:
    async with triton.InferenceServerClient(service.http) as client:
        answers = await asyncio.gather(
            *(client.infer(MODEL, [_input(service.rows[:1])]) for _ in range(32))
        )
    for each in answers:
        service.is_right(each.as_numpy(OUTPUT), slice(1))


async def tells_statistics_and_index(service: Service) -> None:
    async with triton.InferenceServerClient(service.http) as client:
        assert (await client.get_inference_statistics(MODEL))["model_stats"]
        assert any(each["name"] == MODEL for each in await client.get_model_repository_index())
        assert (await client.get_model_config(MODEL))["name"] == MODEL


async def explains_refusals(service: Service) -> None:
    async with triton.InferenceServerClient(service.http) as client:
        call = client.infer("nope", [_input(service.rows)])
        await refused_later(call, InferenceServerException, "nope")


if __name__ == "__main__":
    run(
        [
            is_live_and_ready,
            infers,
            infers_what_is_worth_packing,
            infers_at_the_same_time,
            tells_statistics_and_index,
            explains_refusals,
        ]
    )
