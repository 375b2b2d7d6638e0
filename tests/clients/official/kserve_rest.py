"""kserve's InferenceRESTClient, over both of its protocols: https://github.com/kserve/kserve."""

import httpx
import numpy as np
from kserve import InferenceRESTClient, InferInput, InferOutput, InferRequest, InferResponse
from kserve.inference_client import RESTConfig

from tests.clients.official.checks import INPUT, MODEL, OUTPUT, Service, refused_later, run


def _client(protocol: str = "v2") -> InferenceRESTClient:
    return InferenceRESTClient(RESTConfig(protocol=protocol))


def _request(rows: np.ndarray, *, is_binary: bool) -> InferRequest:
    found = InferInput(INPUT, list(rows.shape), "FP32")
    found.set_data_from_numpy(rows, binary_data=is_binary)
    return InferRequest(MODEL, [found])


def _output(answer: InferResponse) -> np.ndarray:
    found: InferOutput = next(each for each in answer.outputs if each.name == OUTPUT)
    return found.as_numpy()


async def is_live_and_ready(service: Service) -> None:
    client, base = _client(), f"http://{service.http}"
    assert await client.is_server_live(base)
    assert await client.is_server_ready(base)
    assert await client.is_model_ready(base, MODEL)
    assert not await client.is_model_ready(base, "nope")


async def infers(service: Service) -> None:
    for is_binary in (True, False):
        answer = await _client().infer(
            f"http://{service.http}", _request(service.rows, is_binary=is_binary), model_name=MODEL
        )
        assert answer.model_name == MODEL
        service.is_right(_output(answer))


async def infers_by_the_first_protocol(service: Service) -> None:
    asked = {"instances": service.rows.tolist()}
    answer = await _client("v1").infer(f"http://{service.http}", asked, model_name=MODEL)
    found = np.array([each[OUTPUT] for each in answer["predictions"]], np.float32)
    service.is_right(found)


async def explains_refusals(service: Service) -> None:
    base, error = f"http://{service.http}", httpx.HTTPStatusError
    for rows, model, words in (
        (service.rows, "nope", "nope"),
        (service.rows[:, :27], MODEL, "[3, 27, 28]"),
    ):
        call = _client().infer(base, _request(rows, is_binary=True), model_name=model)
        await refused_later(call, error, words)


if __name__ == "__main__":
    run([is_live_and_ready, infers, infers_by_the_first_protocol, explains_refusals])
