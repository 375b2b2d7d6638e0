"""Responses as TensorFlow Serving's JSON, to the byte."""

import base64
import json
import math
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
from google.protobuf import json_format

from vitrine_serving.errors import ServingError
from vitrine_serving.rest_json.deep import DeepArray
from vitrine_serving.rest_json.floats import decimals, numbers, shortest, shortest_tokens
from vitrine_serving.rest_json.strings import quoted
from vitrine_serving.rest_json.text import OneLine, listing, objects, pretty, spread
from vitrine_serving.rest_json.values import EMPTY_DTYPES, JSON_DTYPES, dtype_name

_Array = npt.NDArray[Any] | DeepArray
_Write = Callable[[npt.NDArray[Any]], bytes]

_WRITABLE = {np.dtype(kind) for kind in JSON_DTYPES.values()}


def check_writable(dtype: int, *, has_values: bool = True) -> None:
    """Raises `ServingError` where JSON has no values of a dtype, given as TensorFlow's number."""
    if dtype not in (JSON_DTYPES if has_values else EMPTY_DTYPES):
        raise _unwritable(dtype_name(dtype))


def write_predict(
    outputs: Mapping[str, _Array], *, by_row: bool, shortest_floats: bool = False
) -> bytes:
    """Returns the answer for named outputs; its floats have TensorFlow Serving's digits, or the
    shortest form, which is faster and to be read as the same numbers.

    Names are left out where there is one output. Strings are bytes, and base64 where the name
    ends in `_bytes`. Raises `ServingError` where outputs have no common batch size, or no JSON.
    """
    if not outputs:
        raise ServingError.invalid("Cannot convert empty tensor map to JSON")
    if by_row:
        _check_batch(outputs)
    for array in outputs.values():
        if array.dtype not in _WRITABLE and array.size:
            raise _unwritable(_dtype_name(array.dtype))
    write = shortest if shortest_floats else numbers
    if not by_row:
        level = 1 if len(outputs) == 1 else 2
        columns = {name: _column(name, array, level, write) for name, array in outputs.items()}
        return pretty({"outputs": next(iter(columns.values())) if level == 1 else columns})
    rows = [_rows(name, array, write) for name, array in outputs.items()]
    if len(rows) == 1:
        return listing("predictions", rows[0])
    return objects("predictions", list(outputs), zip(*rows, strict=True))


def _unwritable(name: str) -> ServingError:
    return ServingError.invalid(f"Failed to write JSON value for tensor type: {name}")


def _dtype_name(dtype: np.dtype[Any]) -> str:
    """Returns TensorFlow's name; its quantised numbers are fields of NumPy's."""
    if dtype.names:
        return dtype.names[0]
    return "half" if dtype == np.float16 else dtype.name


def _check_batch(outputs: Mapping[str, _Array]) -> None:
    batch_size = None
    for name, array in outputs.items():
        if not array.ndim:
            raise ServingError.invalid(f"Tensor name: {name} has no shape information ")
        if batch_size not in (None, len(array)):
            raise ServingError.invalid(
                f"Tensor name: {name} has inconsistent batch size: {len(array)}"
                f" expecting: {batch_size}"
            )
        batch_size = len(array)


def _deep(name: str, array: DeepArray, write: _Write) -> list[Any]:
    if array.dtype == object:
        leaves = _strings(name, array.values).tolist()
    else:
        leaves = write(array.values)[1:-1].split(b",") if array.size else []
    return array.nested(leaves)


def _column(name: str, array: _Array, level: int, write: _Write) -> Any:
    if isinstance(array, DeepArray):
        return _deep(name, array, write)
    if array.dtype == object:
        return _nested(_strings(name, array).tolist(), list)
    if not array.size:
        return array.tolist()
    text = write(array)
    return spread(text, array.ndim, level) if array.ndim else text


def _rows(name: str, array: _Array, write: _Write) -> list[Any]:
    if isinstance(array, DeepArray):
        return [_nested(row, OneLine) for row in _deep(name, array, write)]
    if array.dtype == object:
        return [_nested(row, OneLine) for row in _strings(name, array).tolist()]
    if not array.size:
        return [_nested(row, OneLine) for row in array.tolist()]
    # The lists within a row have fewer brackets between them than two rows have.
    inner = array.ndim - 1
    text = write(array).replace(b",", b", ")[inner + 1 : -inner - 1]
    begin, end = b"[" * inner, b"]" * inner
    return [begin + row + end for row in text.split(end + b", " + begin)]


def _nested(value: Any, kind: type[list[Any]]) -> Any:
    return kind(_nested(item, kind) for item in value) if isinstance(value, list) else value


def _strings(name: str, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    encode = _base64 if name.endswith("_bytes") else _text
    return np.asarray(np.frompyfunc(encode, 1, 1)(array), np.object_)


def _base64(value: bytes) -> dict[str, bytes]:
    return {"b64": b'"' + base64.b64encode(value) + b'"'}


def _text(value: bytes) -> bytes:
    return quoted(value)


def write_classification(result: Any, *, shortest_floats: bool = False) -> bytes:
    """Returns the answer for a `ClassificationResult`: a list of [label, score] an example."""
    classes = [each for given in result.classifications for each in given.classes]
    return _listed(
        [len(given.classes) for given in result.classifications],
        [quoted(each.label.encode()) for each in classes],
        (_shortest if shortest_floats else _decimals)([each.score for each in classes]),
    )


def write_classes(
    labels: npt.NDArray[Any] | None,
    scores: npt.NDArray[Any] | None,
    *,
    shortest_floats: bool = False,
) -> bytes:
    """Returns the answer for labels and scores, `[examples, classes]`; one of them may be None.
    Bytes of a label that are no UTF-8 stay as they are."""
    shape = (scores if labels is None else labels).shape  # type: ignore[union-attr]
    count = math.prod(shape)
    write = shortest_tokens if shortest_floats else decimals
    return _listed(
        [shape[1]] * shape[0],
        [b'""'] * count if labels is None else list(map(quoted, labels.ravel().tolist())),
        [b"0.0"] * count if scores is None else write(scores.ravel()),
    )


def _listed(sizes: list[int], labels: list[bytes], scores: list[bytes]) -> bytes:
    """Returns lists of pairs, of these sizes."""
    if not sizes:
        raise ServingError.invalid("Cannot convert empty ClassificationResults to JSON")
    pairs = iter(
        b"[" + label + b", " + score + b"]" for label, score in zip(labels, scores, strict=True)
    )
    return listing("results", [b"[" + b", ".join(islice(pairs, size)) + b"]" for size in sizes])


def write_regression(result: Any, *, shortest_floats: bool = False) -> bytes:
    """Returns the answer for a `RegressionResult`: a value an example."""
    write = _shortest if shortest_floats else _decimals
    if not result.regressions:
        raise ServingError.invalid("Cannot convert empty RegressionResults to JSON")
    return pretty({"results": OneLine(write([each.value for each in result.regressions]))})


def write_status(response: Any) -> bytes:
    """Returns the answer for a `GetModelStatusResponse`."""
    return _lines(_content(response)).encode()


def write_metadata(spec: Any, signatures: Any) -> bytes:
    """Returns the answer for a `ModelSpec` and its `SignatureDefMap`, sorted by name.

    `signature_def` is there twice, as in TensorFlow Serving.
    """
    content = _content(signatures)
    content["signature_def"] = {
        name: {
            part: dict(sorted(value.items())) if isinstance(value, dict) else value
            for part, value in signature.items()
        }
        for name, signature in sorted(content["signature_def"].items())
    }
    return (
        f'{{\n"model_spec":{_lines(_content(spec))},\n'
        f'"metadata": {{"signature_def": {_lines(content)}}}\n}}\n'
    ).encode()


def _content(message: Any) -> dict[str, Any]:
    return json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


def _lines(content: Any) -> str:
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _decimals(values: list[float]) -> list[bytes]:
    return decimals(np.array(values, np.float32))


def _shortest(values: list[float]) -> list[bytes]:
    return shortest_tokens(np.array(values, np.float32))
