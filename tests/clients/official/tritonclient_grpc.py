"""tritonclient.grpc, with streams."""

from queue import Queue
from typing import Any

import numpy as np
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException

from tests.clients.official.checks import (
    INPUT,
    LABELS,
    MODEL,
    OUTPUT,
    PICTURE,
    Service,
    refused,
    run,
)

_WAIT_S = 20


def _client(service: Service) -> triton.InferenceServerClient:
    return triton.InferenceServerClient(service.grpc)


def _input(rows: np.ndarray) -> triton.InferInput:
    found = triton.InferInput(INPUT, list(rows.shape), "FP32")
    found.set_data_from_numpy(rows)
    return found


def is_live_and_ready(service: Service) -> None:
    client = _client(service)
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(MODEL)
    assert client.is_model_ready(MODEL, "1")
    assert not client.is_model_ready("nope")


def tells_metadata(service: Service) -> None:
    client = _client(service)
    assert client.get_server_metadata().extensions
    told = client.get_model_metadata(MODEL)
    assert list(told.versions) == ["1", "2"]
    assert list(told.inputs[0].shape) == [-1, 28, 28]
    config = client.get_model_config(MODEL, as_json=True)["config"]
    assert config["input"][0]["data_type"] == "TYPE_FP32"


def infers(service: Service) -> None:
    answer = _client(service).infer(MODEL, [_input(service.rows)], request_id="a7")
    service.is_right(answer.as_numpy(OUTPUT))
    assert answer.get_response().id == "a7"
    assert answer.get_response().model_version == "2"


def infers_with_compression(service: Service) -> None:
    for algorithm in ("gzip", "deflate"):
        answer = _client(service).infer(
            MODEL, [_input(service.rows)], compression_algorithm=algorithm
        )
        service.is_right(answer.as_numpy(OUTPUT))


def infers_at_the_same_time(service: Service) -> None:
    client, came = _client(service), Queue[Any]()

    def note(result: Any, error: Any) -> None:  # it is called with these names
        came.put((result, error))

    for _ in range(40):
        client.async_infer(MODEL, [_input(service.rows)], note)
    for _ in range(40):
        answer, error = came.get(timeout=_WAIT_S)
        assert error is None, error
        service.is_right(answer.as_numpy(OUTPUT))


def infers_within_a_deadline(service: Service) -> None:
    answer = _client(service).infer(
        MODEL, [_input(service.rows)], client_timeout=10.0, timeout=5_000_000, priority=1
    )
    service.is_right(answer.as_numpy(OUTPUT))


def classifies(service: Service) -> None:
    wanted = [triton.InferRequestedOutput(OUTPUT, class_count=3)]
    found = _client(service).infer(MODEL, [_input(service.rows)], outputs=wanted).as_numpy(OUTPUT)
    assert found.shape == (3, 3), found
    assert int(found[1, 0].decode().split(":")[1]) == service.expected[1].argmax()


def streams(service: Service) -> None:
    client, came = _client(service), Queue[Any]()
    client.start_stream(lambda result, error: came.put((result, error)))
    for place in range(10):
        model = "nope" if place == 4 else MODEL
        client.async_stream_infer(model, [_input(service.rows)], request_id=str(place))
    answers = [came.get(timeout=_WAIT_S) for _ in range(10)]
    client.stop_stream()
    faults = [error for _, error in answers if error]
    assert len(faults) == 1, faults
    assert "nope" in str(faults[0])
    right = [answer for answer, error in answers if not error]
    assert [each.get_response().id for each in right] == [str(i) for i in range(10) if i != 4]
    for each in right:
        service.is_right(each.as_numpy(OUTPUT))
        assert each.get_response().parameters["triton_final_response"].bool_param


def tells_statistics(service: Service) -> None:
    client = _client(service)
    client.infer(MODEL, [_input(service.rows)])
    told = {each.version: each for each in client.get_inference_statistics(MODEL).model_stats}
    assert told["2"].inference_count >= 3


def tells_the_index(service: Service) -> None:
    models = _client(service).get_model_repository_index().models
    assert (MODEL, "2", "READY") in [(each.name, each.version, each.state) for each in models]


def sends_pictures(service: Service) -> None:
    pictures = triton.InferInput("image_bytes", [1], "BYTES")
    pictures.set_data_from_numpy(np.array([PICTURE.read_bytes()], object))
    assert _client(service).infer(MODEL, [pictures]).as_numpy(OUTPUT).shape == (1, LABELS)


def explains_refusals(service: Service) -> None:
    client, error = _client(service), InferenceServerException
    refused(lambda: client.infer("nope", [_input(service.rows)]), error, "NOT_FOUND", "nope")
    wrong = _input(service.rows[:, :27])
    refused(lambda: client.infer(MODEL, [wrong]), error, "INVALID_ARGUMENT", "[3, 27, 28]")
    unknown = [triton.InferRequestedOutput("scores")]
    refused(lambda: client.infer(MODEL, [_input(service.rows)], outputs=unknown), error, "scores")
    refused(lambda: client.load_model(MODEL), error, "directory")
    refused(lambda: client.unload_model(MODEL), error, "directory")


if __name__ == "__main__":
    run(
        [
            is_live_and_ready,
            tells_metadata,
            infers,
            infers_with_compression,
            infers_at_the_same_time,
            infers_within_a_deadline,
            classifies,
            streams,
            tells_statistics,
            tells_the_index,
            sends_pictures,
            explains_refusals,
        ]
    )
