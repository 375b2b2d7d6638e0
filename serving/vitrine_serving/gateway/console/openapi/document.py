"""The gateway's API as an OpenAPI 3.1 document: https://spec.openapis.org/oas/v3.1.1.html"""

from collections.abc import Iterator, Sequence

from vitrine_serving.gateway.console.openapi.components import (
    HEADERS,
    NAME,
    PARAMETERS,
    RESPONSES,
    SECURITY_SCHEMES,
    parameter,
    ref,
)
from vitrine_serving.gateway.console.openapi.operations import (
    URL,
    get,
    json_answer,
    operation,
    post,
)
from vitrine_serving.gateway.console.openapi.pictures import explain, instances, predict
from vitrine_serving.gateway.console.openapi.schemas import SCHEMAS, TEXT, Json, schema
from vitrine_serving.gateway.http.routes import PATHS

_REFERENCE = "https://www.tensorflow.org/tfx/serving/api_rest"
_ABOUT = (
    "Pictures in, predictions out: a superset of TensorFlow Serving's REST API, whose JSON is "
    "answered as it would. Bodies may be compressed (`Content-Encoding: gzip`). Errors are "
    "`application/problem+json` (RFC 9457), and so are 404 for an unknown address and 405 for "
    "one that takes another method. `X-Request-ID` and `traceparent` travel on to the model server."
)
_TARGETS = (
    ("", "the newest version of a model"),
    ("Version", "a version of a model"),
    ("Label", "the version with a version label"),
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
    for suffix, which in _TARGETS:
        place = [ref("parameters", suffix.lower())] if suffix else []
        shared = {"parameters": [ref("parameters", "model"), *place, *tracing]}
        path = PATHS[f"status{suffix}"]
        url = URL + path.format(model=model, version=1, label="stable")
        for verb, described in (
            ("predict", predict(suffix, which, url, model)),
            ("explain", explain(suffix, which, url, model)),
            ("classify", _classify(suffix, which, url)),
            ("regress", _regress(suffix, which, url)),
        ):
            yield PATHS[f"{verb}{suffix}"], shared | {"post": described}
        yield path, shared | {"get": _status(suffix, which, url)}
        yield PATHS[f"metadata{suffix}"], shared | {"get": _metadata(suffix, which, url, model)}
        if suffix != "Label":
            yield PATHS[f"drift{suffix}"], shared | {"get": _drift(suffix, which, url, model)}
    yield PATHS["models"], {"parameters": tracing, "get": _models(model)}
    yield PATHS["instances"], {"parameters": tracing, "post": instances()}
    yield from _gateway(model)


def _classify(suffix: str, which: str, url: str) -> Json:
    examples = {"signature_name": "classify", "examples": [{"images": [0.0] * 784}]}
    answer = {"results": [[["T-shirt/top", 0.067], ["Sandal", 0.6219], ["Bag", 0.0319]]]}
    return post(
        f"classify{suffix}",
        f"Have {which} classify tf.Examples",
        {"application/json": {"schema": schema("Examples"), "example": examples}},
        json_answer("As TensorFlow Serving.", schema("Classifications"), answer),
        """python3 -c 'import json; print(json.dumps({"signature_name": "classify", """
        """"examples": [{"images": [0.0] * 784}]}))' | """
        f"curl -H 'Content-Type: application/json' -d @- {url}:classify",
    )


def _regress(suffix: str, which: str, url: str) -> Json:
    examples = {"signature_name": "regress", "examples": [{"features": [1.5, -0.5]}]}
    return post(
        f"regress{suffix}",
        f"Have {which} value tf.Examples",
        {"application/json": {"schema": schema("Examples"), "example": examples}},
        json_answer("As TensorFlow Serving.", schema("Regressions"), {"results": [8.9]}),
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
    answer = json_answer("As TensorFlow Serving.", schema("ModelStatus"), example)
    summary = f"State of {which}" if suffix else "States of the versions of a model"
    return get(f"status{suffix}", summary, answer, url, 400, 404)


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
    answer = json_answer("As TensorFlow Serving.", schema("Metadata"), example)
    return get(f"metadata{suffix}", f"Signatures of {which}", answer, f"{url}/metadata", 400, 404)


def _tensor(name: str, *sides: int) -> Json:
    dims = [{"size": str(side), "name": ""} for side in (-1, *sides)]
    shape = {"dim": dims, "unknown_rank": False}
    return {"name": name, "dtype": "DT_FLOAT", "tensor_shape": shape}


def _models(model: str) -> Json:
    listed = {
        "name": model,
        "model_version_status": [_STATUS],
        "version_labels": {"stable": "1"},
        "classifier": True,
    }
    answer = json_answer(
        "The models, their versions and states.", schema("Models"), {"models": [listed]}
    )
    return get("models", "List the models", answer, f"{URL}/v1/models")


def _drift(suffix: str, which: str, url: str, model: str) -> Json:
    shirts = {"label": "Shirt", "validation": 0.1, "answered": 0.31, "estimated": 0.34}
    bright = {"name": "brightness", "validation": 0.286, "now": 0.279, "deviation": -0.04}
    version = {
        **{"version": "1", "drift": "label", "alarm": True},
        "reason": "Shirt is 34 % of the pictures, where 10 % of the validation images were",
        **{"images": 500, "window": 500, "since": "2026-11-24T08:06:07Z"},
        "scores": {"covariate": 1.2, "label": 41.7},
        "thresholds": {"covariate": 4.4, "label": 27.9},
        "classes": [shirts],
        "statistics": [bright],
    }
    answer = json_answer(
        "What its last images are like, beside those of validation.",
        schema("Drift"),
        {"model": model, "versions": [version]},
    )
    who = f"{which} sees what it was" if suffix else "the versions of a model see what they were"
    return get(f"drift{suffix}", f"Whether {who} trained on", answer, f"{url}/drift", 400, 404)


def _gateway(model: str) -> Iterator[tuple[str, Json]]:
    live = json_answer("It lives.", schema("Live"), {"status": "ok", "version": "0.1.0"})
    ready = json_answer("Ready.", schema("Ready"), {"ready": True, "models": {model: True}})
    unready = json_answer("Not ready.", schema("Ready"), {"ready": False, "models": {model: False}})
    readiness = {"200": ready, "503": unready}
    asks_models = {"parameters": [ref("parameters", "models")]}
    page = {"description": "A page.", "content": {"text/html": {"schema": {"type": "string"}}}}
    figures = {"description": "Figures.", "content": {"text/plain": {"schema": TEXT}}}
    this = json_answer("This document.", {"type": "object"}, {"openapi": "3.1.0"})
    for name, summary, responses, more in (
        ("live", "Whether the gateway lives", {"200": live}, {}),
        ("ready", "Whether it is started and not ending", readiness, asks_models),
        ("metrics", "What happened so far, for Prometheus", {"200": figures}, {}),
        ("page", "A page to try it", {"200": page}, {}),
        ("docs", "This document as a page", {"200": page}, {}),
        ("openapi", "This document", {"200": this}, {}),
    ):
        curl = f"curl {URL}{PATHS[name]}"
        about = operation(name, "Gateway", summary, responses, curl, security=[], **more)
        yield PATHS[name], {"get": about}
