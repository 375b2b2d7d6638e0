"""tritonclient.http: https://github.com/triton-inference-server/client."""

import numpy as np
import tritonclient.http as triton
from PIL import Image
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


def _client(service: Service) -> triton.InferenceServerClient:
    return triton.InferenceServerClient(service.http)


def _input(rows: np.ndarray, *, is_binary: bool = True) -> triton.InferInput:
    found = triton.InferInput(INPUT, list(rows.shape), "FP32")
    found.set_data_from_numpy(rows, binary_data=is_binary)
    return found


def is_live_and_ready(service: Service) -> None:
    client = _client(service)
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(MODEL)
    assert client.is_model_ready(MODEL, "1")
    assert not client.is_model_ready("nope")
    assert not client.is_model_ready(MODEL, "99")


def tells_metadata(service: Service) -> None:
    client = _client(service)
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    told = client.get_model_metadata(MODEL)
    assert told["name"] == MODEL
    assert told["versions"] == ["1", "2"]
    (images,) = told["inputs"]
    assert images == {"name": INPUT, "datatype": "FP32", "shape": [-1, 28, 28]}
    outputs = {each["name"]: each for each in told["outputs"]}
    assert outputs[OUTPUT]["shape"] == [-1, LABELS]
    config = client.get_model_config(MODEL)
    assert config["name"] == MODEL
    assert config["input"][0]["data_type"] == "TYPE_FP32"


def infers_by_default(service: Service) -> None:
    answer = _client(service).infer(MODEL, [_input(service.rows)])
    service.is_right(answer.as_numpy(OUTPUT))
    assert answer.get_response()["model_version"] == "2"
    classes = answer.as_numpy("class_ids")
    assert classes.tolist() == service.expected.argmax(axis=1).tolist()


def infers_in_json(service: Service) -> None:
    wanted = [triton.InferRequestedOutput(OUTPUT, binary_data=False)]
    answer = _client(service).infer(
        MODEL, [_input(service.rows, is_binary=False)], outputs=wanted, request_id="a7"
    )
    service.is_right(answer.as_numpy(OUTPUT))
    assert answer.get_response()["id"] == "a7"
    assert answer.as_numpy("class_ids") is None


def infers_of_a_version(service: Service) -> None:
    answer = _client(service).infer(MODEL, [_input(service.rows)], model_version="1")
    assert answer.get_response()["model_version"] == "1"


def infers_with_compression(service: Service) -> None:
    for sent in (None, "gzip", "deflate"):
        for taken in (None, "gzip", "deflate"):
            for is_binary in (True, False):
                answer = _client(service).infer(
                    MODEL,
                    [_input(service.rows, is_binary=is_binary)],
                    request_compression_algorithm=sent,
                    response_compression_algorithm=taken,
                )
                service.is_right(answer.as_numpy(OUTPUT))


def infers_at_the_same_time(service: Service) -> None:
    client = triton.InferenceServerClient(service.http, concurrency=8)
    sent = [client.async_infer(MODEL, [_input(service.rows[i % 3 :][:1])]) for i in range(40)]
    for place, each in enumerate(sent):
        start = place % 3
        service.is_right(each.get_result().as_numpy(OUTPUT), slice(start, start + 1))


def classifies(service: Service) -> None:
    wanted = [triton.InferRequestedOutput(OUTPUT, class_count=2)]
    answer = _client(service).infer(MODEL, [_input(service.rows)], outputs=wanted)
    found = answer.as_numpy(OUTPUT)
    assert found.shape == (3, 2), found
    value, class_id, label = found[0, 0].decode().split(":")
    assert int(class_id) == service.expected[0].argmax()
    assert abs(float(value) - service.expected[0].max()) < 1e-5
    assert label


def sends_pictures(service: Service) -> None:
    pictures = triton.InferInput("image_bytes", [1], "BYTES")
    pictures.set_data_from_numpy(np.array([PICTURE.read_bytes()], object))
    answer = _client(service).infer(MODEL, [pictures]).as_numpy(OUTPUT)
    pixels = np.asarray(Image.open(PICTURE), np.float32)[None] / np.float32(255)
    same = _client(service).infer(MODEL, [_input(pixels)])
    np.testing.assert_allclose(answer, same.as_numpy(OUTPUT), atol=1e-6)


def takes_parameters(service: Service) -> None:
    answer = _client(service).infer(
        MODEL, [_input(service.rows)], priority=1, timeout=5_000_000, parameters={"mine": 1}
    )
    service.is_right(answer.as_numpy(OUTPUT))


def tells_statistics(service: Service) -> None:
    client = _client(service)
    client.infer(MODEL, [_input(service.rows)])
    (told,) = [
        each
        for each in client.get_inference_statistics(MODEL)["model_stats"]
        if each["version"] == "2"
    ]
    assert told["inference_count"] >= 3
    assert client.get_inference_statistics()["model_stats"]


def tells_the_index(service: Service) -> None:
    index = _client(service).get_model_repository_index()
    assert {"name": MODEL, "version": "2", "state": "READY"}.items() <= next(
        each.items() for each in index if each["version"] == "2"
    )


def explains_refusals(service: Service) -> None:
    client = _client(service)
    error = InferenceServerException
    refused(lambda: client.infer("nope", [_input(service.rows)]), error, "nope")
    refused(lambda: client.infer(MODEL, [_input(service.rows[:, :27])]), error, "[3, 27, 28]")
    wrong = triton.InferInput("pictures", [1], "FP32")
    wrong.set_data_from_numpy(np.zeros(1, np.float32))
    refused(lambda: client.infer(MODEL, [wrong]), error, "pictures")
    unknown = [triton.InferRequestedOutput("scores")]
    refused(lambda: client.infer(MODEL, [_input(service.rows)], outputs=unknown), error, "scores")
    refused(lambda: client.load_model(MODEL), error, "directory")
    refused(lambda: client.unload_model(MODEL), error, "directory")
    refused(client.get_log_settings, error, "VITRINE_")
    refused(client.get_trace_settings, error, "VITRINE_")


if __name__ == "__main__":
    run(
        [
            is_live_and_ready,
            tells_metadata,
            infers_by_default,
            infers_in_json,
            infers_of_a_version,
            infers_with_compression,
            infers_at_the_same_time,
            classifies,
            sends_pictures,
            takes_parameters,
            tells_statistics,
            tells_the_index,
            explains_refusals,
        ]
    )
