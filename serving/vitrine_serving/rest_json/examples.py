"""Requests in TensorFlow Serving's JSON for `classify` and `regress`: lists of tf.Example."""

from typing import Any

from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_serving.errors import ServingError
from vitrine_serving.rest_json.echoes import echo, pairs_of, type_name
from vitrine_serving.rest_json.parsing import MAX_VALUES, parse, parse_exactly, signature_name
from vitrine_serving.rest_json.strings import until_nul
from vitrine_serving.rest_json.values import (
    is_base64,
    to_array,
    to_bytes,
)

_FEW = 8
"""Values that are read faster one by one than as an array."""

_KINDS = {"bytes_list": "bytes", "float_list": "float", "int64_list": "int64"}


def read_examples(body: bytes, request: Any, max_values: int = MAX_VALUES) -> str:
    """Fills the input into a request to classify, or to regress; returns the signature's name,
    which may hold surrogates, as no signature's does.

    `request` is the official message or that of `vitrine_client.tfserving.wire_pb2`. Raises
    `ServingError` in TensorFlow Serving's words, and what `parsing.parse` does.
    """
    document = parse(body, max_values)
    name = signature_name(document, body)
    if "context" in document:
        target = request.input.example_list_with_context
        target.context.SetInParent()
        _fill(target.context, document["context"])
    else:
        target = request.input.example_list
    if "examples" not in document:
        raise _misfit(body, "When method is classify, key 'examples' is expected and was not found")
    examples = document["examples"]
    if not isinstance(examples, list):
        raise _misfit(body, "Expecting 'examples' value to be an list/array")
    if not examples:
        raise _misfit(body, "'examples' value is an empty array")
    for example in examples:
        _fill(target.examples.add(), example)
    return name


def _misfit(body: bytes, words: str) -> ServingError:
    """Returns the error of a body, which is shown with the digits that RapidJSON makes."""
    return ServingError.invalid(f"JSON Value: {echo(parse_exactly(body))} {words}")


def _fill(example: Any, value: Any) -> None:
    if not isinstance(value, dict):
        raise ServingError.invalid(f"Example must be JSON object but got JSON {type_name(value)}")
    for key, content in pairs_of(value):
        name = until_nul(key)
        feature = _feature(example, name)
        feature.Clear()  # of equal names the last counts here
        values = content if isinstance(content, list) else [content]
        if len(values) > _FEW and set(map(type, values)) == {float}:
            floats = to_array(values, wire.DT_FLOAT)
            if floats is not None:
                feature.float_list.value.extend(floats)
                continue
        for item in values:
            _add(feature, item, name)


def _feature(example: Any, name: str) -> Any:
    """Returns the feature of a name; where that is no UTF-8, which protobuf refuses, one for
    nobody."""
    try:
        return example.features.feature[name]
    except UnicodeEncodeError:
        return type(example)().features.feature[""]


def _add(feature: Any, value: Any, name: str) -> None:
    if isinstance(value, str) or is_base64(value):
        _list(feature, "bytes_list", name).append(to_bytes(value))
    elif isinstance(value, float):
        target = _list(feature, "float_list", name)
        target.append(value)
    elif isinstance(value, int):
        target = _list(feature, "int64_list", name)
        if not -(2**63) <= value < 2**63:
            raise ServingError.invalid(
                f"Feature: {name} has uint64_t element. Only int64_t is supported."
            )
        target.append(int(value))  # true is 1
    else:
        raise ServingError.invalid(
            f"Feature: {name} has element with unexpected JSON type: {type_name(value)}"
        )


def _list(feature: Any, kind: str, name: str) -> Any:
    present = feature.WhichOneof("kind")
    if present not in (None, kind):
        raise ServingError.invalid(
            f"Unexpected element type in feature: {name} expecting type: {_KINDS[present]}"
        )
    return getattr(feature, kind).value
