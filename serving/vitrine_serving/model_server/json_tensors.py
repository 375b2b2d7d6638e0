"""TensorFlow Serving's JSON to arrays and back: by row (`instances`) or by column (`inputs`)."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import tensorflow as tf

from vitrine_serving.model_server.errors import ServingError


@dataclass(frozen=True)
class Body:
    """A parsed request: `content` is the value of `instances` if `by_row`, else of `inputs`."""

    signature_name: str
    content: Any
    by_row: bool

    def to_arrays(self, declared: Mapping[str, Any]) -> dict[str, Any]:
        """Returns NumPy arrays by the names and dtypes of a signature's inputs.

        Raises `ServingError` (INVALID_ARGUMENT) where names are missing or values don't fit.
        """
        named = self._rows_by_name() if self.by_row else self.content
        if not isinstance(named, dict) or set(named) == {"b64"}:
            if len(declared) != 1:
                raise ServingError.invalid(
                    f"The signature has {len(declared)} inputs; give them by name"
                )
            named = {next(iter(declared)): named}
        return {
            name: _to_array(name, value, declared[name].dtype if name in declared else None)
            for name, value in named.items()
        }

    def _rows_by_name(self) -> Any:
        rows = self.content
        if not isinstance(rows, list) or not rows:
            raise ServingError.invalid('"instances" must be a list with at least one element')
        if not isinstance(rows[0], dict) or set(rows[0]) == {"b64"}:
            return rows
        names = set(rows[0])
        if any(not isinstance(row, dict) or set(row) != names for row in rows):
            raise ServingError.invalid('All "instances" must have the same names')
        return {name: [row[name] for row in rows] for name in names}


def read_body(data: bytes) -> Body:
    """Parses a request. Raises `ServingError` (INVALID_ARGUMENT)."""
    try:
        parsed = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise ServingError.invalid(f"JSON Parse error: {error}") from error
    if not isinstance(parsed, dict):
        raise ServingError.invalid("The request must be a JSON object")
    by_row = "instances" in parsed
    if by_row == ("inputs" in parsed):
        raise ServingError.invalid('Give either "instances" or "inputs", and not both')
    content = parsed["instances" if by_row else "inputs"]
    return Body(str(parsed.get("signature_name", "")), content, by_row)


def write_body(outputs: Mapping[str, Any], *, by_row: bool) -> dict[str, Any]:
    """Returns the JSON object for named output arrays; names are left out where there is one."""
    columns = {name: _to_json(name, value) for name, value in outputs.items()}
    if not by_row:
        return {"outputs": next(iter(columns.values())) if len(columns) == 1 else columns}
    if len({len(value) for value in outputs.values() if value.ndim}) > 1 or any(
        not value.ndim for value in outputs.values()
    ):
        raise ServingError.invalid('The outputs have no common batch size; ask with "inputs"')
    if len(columns) == 1:
        return {"predictions": next(iter(columns.values()))}
    rows = zip(*columns.values(), strict=True)
    return {"predictions": [dict(zip(columns, row, strict=True)) for row in rows]}


def _to_array(name: str, value: Any, dtype: int | None) -> Any:
    try:
        numpy_dtype = None if dtype is None else tf.as_dtype(dtype).as_numpy_dtype
        if numpy_dtype is object:
            return np.array(_decode(value), object)
        return np.array(value, numpy_dtype)
    except (TypeError, ValueError, OverflowError, binascii.Error) as error:
        raise ServingError.invalid(f"Failed to process element of input {name}: {error}") from error


def _decode(value: Any) -> Any:
    if isinstance(value, list):
        return [_decode(item) for item in value]
    if isinstance(value, dict) and set(value) == {"b64"}:
        return base64.b64decode(value["b64"], validate=True)
    if isinstance(value, str):
        return value.encode()
    raise ValueError(f"expected a string or an object with b64, not {type(value).__name__}")


def _to_json(name: str, value: Any) -> Any:
    if value.dtype != object:
        return value
    encode = _b64 if name.endswith("_bytes") else _text
    return np.frompyfunc(encode, 1, 1)(value).tolist()


def _b64(value: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(value).decode()}


def _text(value: bytes) -> str:
    return value.decode(errors="replace")
