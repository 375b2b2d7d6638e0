"""The gateway's API as an OpenAPI 3.1 document: https://spec.openapis.org/oas/v3.1.1.html"""

from collections.abc import Iterator, Sequence
from typing import Any

from vitrine_serving.gateway.openapi_components import (
    HEADERS,
    NAME,
    PARAMETERS,
    RESPONSES,
    SECURITY_SCHEMES,
    errors,
    headers,
    parameter,
    ref,
)
from vitrine_serving.gateway.openapi_schemas import SCHEMAS, Json, schema

_URL = "http://127.0.0.1:8080"
_REFERENCE = "https://www.tensorflow.org/tfx/serving/api_rest"
_ABOUT = (
    "Pictures in, predictions out: a superset of TensorFlow Serving's REST API, whose JSON is "
    "answered as it would. Bodies may be compressed (`Content-Encoding: gzip`). Errors are "
    "`application/problem+json` (RFC 9457), and so are 404 for an address that is none and 405 for "
    "one that takes another method. `X-Request-ID` and `traceparent` travel on to the model server."
)
_TARGETS = (
    ("/v1/models/{model}", "", "the newest version of a model"),
    ("/v1/models/{model}/versions/{version}", "Version", "a version of a model"),
    ("/v1/models/{model}/labels/{label}", "Label", "the version with a version label"),
)
_PNG = (  # samples/sandal.png
    "iVBORw0KGgoAAAANSUhEUgAAABwAAAAcCAAAAABXZoBIAAAAqElEQVR42mNgGAUUAGYoLayjasdc956Z8QcD"
    "038GBkaIKCMjAwMzg9O6i7evbj4VsfSlBQMDAxsDTI7pH8N/o/qb585+8LJQ+aIsfL9rE8xYiP5/Iu8gXMUq"
    "A7avK58LMTIxM7LuY5FR+/b93wR2KwEOVmZTiU+39t5+EmDz6Q8TC5PAaUYBKzGZfy+kGNh+f315//5zBgYG"
    "Bga+PywMjIwMH0bjiyIAAFlhMXSPLg6jAAAAAElFTkSuQmCC"
)


def document(models: Sequence[str]) -> Json:
    """Returns the document; `models` are those that the gateway lists, for its examples."""
    names = list(models) or ["mlp"]
    model = parameter("model", "path", "The model's name.", NAME, *names)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Vitrine",
            "version": "1",
            "description": _ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "externalDocs": {"description": "TensorFlow Serving's REST API", "url": _REFERENCE},
        "tags": [
            {"name": "Predictions", "description": "Ask a model."},
            {"name": "Models", "description": "What is served, and in which state it is."},
            {"name": "Gateway", "description": "The gateway itself. These need no API key."},
        ],
        "security": [{}, *({name: []} for name in SECURITY_SCHEMES)],
        "paths": dict(_paths(names[0])),
        "components": {
            "schemas": SCHEMAS,
            "responses": RESPONSES,
            "headers": HEADERS,
            "parameters": {"model": model, **PARAMETERS},
            "securitySchemes": SECURITY_SCHEMES,
        },
    }


def _paths(model: str) -> Iterator[tuple[str, Json]]:
    tracing = [ref("parameters", "requestId"), ref("parameters", "traceparent")]
    for path, suffix, which in _TARGETS:
        place = [ref("parameters", suffix.lower())] if suffix else []
        shared = {"parameters": [ref("parameters", "model"), *place, *tracing]}
        url = _URL + path.format(model=model, version=1, label="stable")
        yield f"{path}:predict", shared | {"post": _predict(suffix, which, url, model)}
        yield f"{path}:classify", shared | {"post": _classify(suffix, which, url)}
        yield f"{path}:regress", shared | {"post": _regress(suffix, which, url)}
        yield path, shared | {"get": _status(suffix, which, url)}
        yield f"{path}/metadata", shared | {"get": _metadata(suffix, which, url, model)}
    yield "/v1/models", {"parameters": tracing, "get": _models(model)}
    yield from _gateway(model)


def _operation(name: str, tag: str, summary: str, responses: Json, *curl: str, **more: Any) -> Json:
    """`x-codeSamples` is what Redoc and others show as it is."""
    samples = [{"lang": "Shell", "source": source} for source in curl]
    about = {"operationId": name, "tags": [tag], "summary": summary}
    return about | more | {"responses": responses, "x-codeSamples": samples}


def _json(description: str, kind: Json, example: Any, *names: str) -> Json:
    content = {"application/json": {"schema": kind, "example": example}}
    return {"description": description, "headers": headers(*names), "content": content}


def _post(name: str, summary: str, body: Json, answer: Json, *curl: str, **more: Any) -> Json:
    responses = {"200": answer, **errors(400, 401, 404, 408, 413, 415, 429, 500, 501, 503, 504)}
    more["requestBody"] = {"required": True, "content": body}
    return _operation(name, "Predictions", summary, responses, *curl, **more)


def _get(name: str, summary: str, answer: Json, url: str, *more: int) -> Json:
    responses = {"200": answer, **errors(401, 429, 500, 503, 504, *more)}
    return _operation(name, "Models", summary, responses, f"curl {url}")


def _predict(suffix: str, which: str, url: str, model: str) -> Json:
    picture = {"type": "string", "format": "binary"}
    form = {
        "type": "object",
        "properties": {"image": {"type": "array", "items": picture, "minItems": 1}},
        "required": ["image"],
    }
    rows = {"signature_name": "serve_bytes", "instances": [{"b64": _PNG}]}
    body = {
        "image/*": {"schema": picture},
        "application/octet-stream": {"schema": picture},
        "multipart/form-data": {"schema": form},
        "application/x-npy": {"schema": picture},
        "application/json": {"schema": schema("TensorFlowPredict"), "example": rows},
    }
    either = {"anyOf": [schema("Predictions"), schema("TensorFlowPredictions")]}
    return _post(
        f"predict{suffix}",
        f"Ask {which} what pictures show",
        body,
        _json("A prediction for each picture.", either, _answer(model), "Server-Timing"),
        f"curl -H 'Content-Type: image/png' --data-binary @samples/bag.png {url}:predict",
        f"curl -F image=@samples/bag.png -F image=@samples/coat.png '{url}:predict?top_k=3'",
        """python3 -c 'import numpy; """
        """numpy.save("images.npy", numpy.zeros((32, 28, 28), "uint8"))' && """
        f"curl -H 'Content-Type: application/x-npy' --data-binary @images.npy {url}:predict",
        f"curl -H 'Content-Type: application/json' {url}:predict -d "
        """'{"signature_name": "serve_bytes", "instances": [{"b64": "'"""
        "$(base64 < samples/bag.png | tr -d '\\n')"
        """'"}]}'""",
        parameters=[ref("parameters", "topK")],
        description=_BODIES,
    )


_BODIES = (
    "One picture as it is, several as a form's files `image`, an array as `numpy.save` writes it "
    "(uint8 or float 0..1, [n, 28, 28], white on black), or TensorFlow Serving's JSON. Pictures "
    "are PNG, JPEG, WebP, GIF or BMP of any size. In a form, one that cannot be read fails alone."
)


def _answer(model: str) -> Json:
    """What the published mlp says of samples/bag.png."""
    shares = {
        **{"T-shirt/top": 0.00142, "Trouser": 2.8e-6, "Pullover": 0.00054, "Dress": 2.2e-5},
        **{"Coat": 0.00028, "Sandal": 0.00544, "Shirt": 0.00124, "Sneaker": 0.00026},
        **{"Bag": 0.99071, "Ankle boot": 7.2e-5},
    }
    prediction = {"label": "Bag", "class_id": 8, "probability": 0.99071, "probabilities": shares}
    spec = {"name": model, "version": "1", "signature_name": "serving_default"}
    return {"predictions": [prediction], "model_spec": spec}


def _classify(suffix: str, which: str, url: str) -> Json:
    examples = {"signature_name": "classify", "examples": [{"images": [0.0] * 784}]}
    answer = {"results": [[["T-shirt/top", 0.067], ["Sandal", 0.6219], ["Bag", 0.0319]]]}
    return _post(
        f"classify{suffix}",
        f"Have {which} classify tf.Examples",
        {"application/json": {"schema": schema("Examples"), "example": examples}},
        _json("As TensorFlow Serving.", schema("Classifications"), answer),
        """python3 -c 'import json; print(json.dumps({"signature_name": "classify", """
        """"examples": [{"images": [0.0] * 784}]}))' | """
        f"curl -H 'Content-Type: application/json' -d @- {url}:classify",
    )


def _regress(suffix: str, which: str, url: str) -> Json:
    examples = {"signature_name": "regress", "examples": [{"features": [1.5, -0.5]}]}
    return _post(
        f"regress{suffix}",
        f"Have {which} value tf.Examples",
        {"application/json": {"schema": schema("Examples"), "example": examples}},
        _json("As TensorFlow Serving.", schema("Regressions"), {"results": [8.9]}),
        f"curl -H 'Content-Type: application/json' {url}:regress -d "
        """'{"signature_name": "regress", "examples": [{"features": [1.5, -0.5]}]}'""",
        description="For models that have a signature for it; classifiers have none.",
    )


_STATUS = {
    "version": "1",
    "state": "AVAILABLE",
    "status": {"error_code": "OK", "error_message": ""},
}


def _status(suffix: str, which: str, url: str) -> Json:
    example = {"model_version_status": [_STATUS]}
    answer = _json("As TensorFlow Serving.", schema("ModelStatus"), example)
    summary = f"State of {which}" if suffix else "States of the versions of a model"
    return _get(f"status{suffix}", summary, answer, url, 400, 404)


def _metadata(suffix: str, which: str, url: str, model: str) -> Json:
    signature = {
        "inputs": {"images": _tensor("serving_default_images:0", 28, 28)},
        "outputs": {"probabilities": _tensor("StatefulPartitionedCall_2:2", 10)},
        "method_name": "tensorflow/serving/predict",
        "defaults": {},
    }
    example = {
        "model_spec": {"name": model, "version": "1", "signature_name": ""},
        "metadata": {"signature_def": {"signature_def": {"serving_default": signature}}},
    }
    answer = _json("As TensorFlow Serving.", schema("Metadata"), example)
    return _get(f"metadata{suffix}", f"Signatures of {which}", answer, f"{url}/metadata", 400, 404)


def _tensor(name: str, *sides: int) -> Json:
    dims = [{"size": str(side), "name": ""} for side in (-1, *sides)]
    shape = {"dim": dims, "unknown_rank": False}
    return {"name": name, "dtype": "DT_FLOAT", "tensor_shape": shape}


def _models(model: str) -> Json:
    example = {"models": [{"name": model, "model_version_status": [_STATUS]}]}
    answer = _json("The models, their versions and states.", schema("Models"), example)
    return _get("models", "List the models", answer, f"{_URL}/v1/models")


def _gateway(model: str) -> Iterator[tuple[str, Json]]:
    live = _json("It lives.", schema("Live"), {"status": "ok"})
    ready = _json("Ready.", schema("Ready"), {"ready": True, "models": {model: True}})
    unready = _json("Not ready.", schema("Ready"), {"ready": False, "models": {model: False}})
    page = {"description": "A page.", "content": {"text/html": {"schema": {"type": "string"}}}}
    this = _json("This document.", {"type": "object"}, {"openapi": "3.1.0"})
    for path, name, summary, responses in (
        ("/healthz", "live", "Whether the gateway lives", {"200": live}),
        ("/readyz", "ready", "Whether it can predict", {"200": ready, "503": unready}),
        ("/", "page", "A page to try it", {"200": page}),
        ("/docs", "docs", "This document as a page", {"200": page}),
        ("/openapi.json", "openapi", "This document", {"200": this}),
    ):
        operation = _operation(name, "Gateway", summary, responses, f"curl {_URL}{path}")
        yield path, {"get": operation | {"security": []}}
