"""Picture operations of the OpenAPI document: predictions, explanations and instances."""

from vitrine_client.images import NOTHING
from vitrine_serving.gateway.console.openapi.components import FORMATS_READ, ref
from vitrine_serving.gateway.console.openapi.operations import URL, json_answer, post
from vitrine_serving.gateway.console.openapi.schemas import Json, schema

_PNG = (  # samples/sandal.png
    "iVBORw0KGgoAAAANSUhEUgAAABwAAAAcCAAAAABXZoBIAAAAqElEQVR42mNgGAUUAGYoLayjasdc956Z8QcD"
    "038GBkaIKCMjAwMzg9O6i7evbj4VsfSlBQMDAxsDTI7pH8N/o/qb585+8LJQ+aIsfL9rE8xYiP5/Iu8gXMUq"
    "A7avK58LMTIxM7LuY5FR+/b93wR2KwEOVmZTiU+39t5+EmDz6Q8TC5PAaUYBKzGZfy+kGNh+f315//5zBgYG"
    "Bga+PywMjIwMH0bjiyIAAFlhMXSPLg6jAAAAAElFTkSuQmCC"
)


_PICTURE: Json = {"type": "string", "format": "binary"}
_FORM: Json = {
    "type": "object",
    "properties": {"image": {"type": "array", "items": _PICTURE, "minItems": 1}},
    "required": ["image"],
}
_PICTURES: Json = {
    "image/*": {"schema": _PICTURE},
    "application/octet-stream": {"schema": _PICTURE},
    "multipart/form-data": {"schema": _FORM},
    "application/x-npy": {"schema": _PICTURE},
}
_BODIES = (
    "One picture as it is, several as a form's files `image`, an array as `numpy.save` writes it "
    "(uint8 or float 0..1, [n, 28, 28], white on black)"
)
_FORMATS = f"Pictures are {FORMATS_READ} of any size."
_NOTHING = "No model is asked about a picture that shows nothing: its entry is `empty`."
_ALL_OR_NONE = "In a form, one that cannot be read fails them all."
_BAG: Json = {"box": [0, 0, 28, 28], "warnings": []}
_EMPTY: Json = {"empty": True, "warnings": [NOTHING]}


def predict(suffix: str, which: str, url: str, model: str) -> Json:
    """Returns the operation that asks what pictures show."""
    rows = {"signature_name": "serve_bytes", "instances": [{"b64": _PNG}]}
    json = {"application/json": {"schema": schema("TensorFlowPredict"), "example": rows}}
    either = {"anyOf": [schema("Predictions"), schema("TensorFlowPredictions")]}
    return post(
        f"predict{suffix}",
        f"Ask {which} what pictures show",
        _PICTURES | json,
        json_answer("A prediction for each picture.", either, _predicted(model), "Server-Timing"),
        f"curl -H 'Content-Type: image/png' --data-binary @samples/bag.png {url}:predict",
        f"curl -F image=@samples/bag.png -F image=@samples/coat.png '{url}:predict?top_k=3'",
        """python3 -c 'import numpy; """
        """numpy.save("images.npy", numpy.zeros((32, 28, 28), "uint8"))' && """
        f"curl -H 'Content-Type: application/x-npy' --data-binary @images.npy {url}:predict",
        f"curl -H 'Content-Type: application/json' {url}:predict -d "
        """'{"signature_name": "serve_bytes", "instances": [{"b64": "'"""
        "$(base64 < samples/bag.png | tr -d '\\n')"
        """'"}]}'""",
        f"curl -H 'Content-Type: image/png' --data-binary @samples/bag.png "
        f"'{url}:predict?box=2,2,24,24'",
        parameters=[ref("parameters", "topK"), ref("parameters", "box")],
        description=f"{_BODIES}, or TensorFlow Serving's JSON. {_FORMATS} In a form, one that "
        f"cannot be read fails alone. {_NOTHING}",
    )


def _predicted(model: str) -> Json:
    """What the published mlp says of samples/bag.png; of a blank picture nobody is asked."""
    shares = {
        **{"T-shirt/top": 0.00142, "Trouser": 2.8e-6, "Pullover": 0.00054, "Dress": 2.2e-5},
        **{"Coat": 0.00028, "Sandal": 0.00544, "Shirt": 0.00124, "Sneaker": 0.00026},
        **{"Bag": 0.99071, "Ankle boot": 7.2e-5},
    }
    bag = {"label": "Bag", "class_id": 8, "probability": 0.99071, "probabilities": shares, **_BAG}
    return {"predictions": [bag, _EMPTY], "model_spec": _spec(model, "serving_default")}


def explain(suffix: str, which: str, url: str, model: str) -> Json:
    """Returns the operation that asks why. Its example is long, so only one has it."""
    attributions = _square(0.125)
    bag = {"label": "Bag", "class_id": 8, "probability": 0.99071, "attributions": attributions}
    bag |= _BAG
    example = {"explanations": [bag], "model_spec": _spec(model, "explain")}
    return post(
        f"explain{suffix}",
        f"Ask {which} which pixels speak for a class",
        _PICTURES,
        json_answer(
            "An explanation for each picture.",
            schema("Explanations"),
            None if suffix else example,
            "Server-Timing",
        ),
        f"curl -H 'Content-Type: image/png' --data-binary @samples/bag.png {url}:explain",
        f"curl -F image=@samples/coat.png -F image=@samples/shirt.png '{url}:explain?class_id=4'",
        parameters=[ref("parameters", "classId"), ref("parameters", "box")],
        description=f"For a linear model, weight times pixel. {_BODIES}. {_FORMATS} {_ALL_OR_NONE} "
        f"{_NOTHING} "
        "400 where the version has no signature `explain`: train the model again to have it.",
    )


def instances() -> Json:
    """Returns the operation that asks what models are shown."""
    return post(
        "instances",
        "See what models are shown of pictures",
        _PICTURES,
        json_answer(
            "What a picture becomes, for each; `:predict` takes it as JSON.",
            schema("Instances"),
            {"instances": [_square(1.0)], "boxes": [_BAG["box"]], "warnings": [_BAG["warnings"]]},
            "Server-Timing",
        ),
        f"curl -H 'Content-Type: image/png' --data-binary @samples/bag.png {URL}/v1/instances",
        statuses=(400, 401, 408, 413, 415, 429, 500),
        parameters=[ref("parameters", "box")],
        description=f"{_BODIES}. {_FORMATS} {_ALL_OR_NONE}",
    )


def _spec(model: str, signature_name: str) -> Json:
    return {"name": model, "version": "1", "signature_name": signature_name}


def _square(value: float) -> list[list[float]]:
    """A square of that value, on black."""
    inside = range(8, 20)
    return [[value * (x in inside and y in inside) for x in range(28)] for y in range(28)]
