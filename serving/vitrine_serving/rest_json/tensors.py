"""Requests in TensorFlow Serving's JSON for `predict`: `instances` (rows) or `inputs` (columns)."""

from collections.abc import Mapping
from typing import Any

import numpy.typing as npt

from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_serving.errors import ServingError
from vitrine_serving.rest_json.deep import MAX_NUMPY_RANK, MAX_RANK, DeepArray
from vitrine_serving.rest_json.echoes import echo
from vitrine_serving.rest_json.parsing import MAX_VALUES, parse, parse_exactly, signature_name
from vitrine_serving.rest_json.values import check, is_base64, to_array


class PredictBody:
    """Body of a request that is parsed, but not read: its values have the dtypes of a signature.

    Raises `ServingError` if it is no JSON object, or the signature's name no string, and what
    `text.parse` does.
    """

    def __init__(self, body: bytes, max_values: int = MAX_VALUES) -> None:
        self._body = body
        self._document = parse(body, max_values)
        self._bools = b"true" in body or b"false" in body
        self.signature_name = signature_name(self._document)
        self.by_row = "instances" in self._document

    def read(self, dtypes: Mapping[str, int]) -> dict[str, npt.NDArray[Any]]:
        """Returns what `read_deep` does. Raises `ServingError` also where NumPy has too few
        dimensions."""
        inputs = {}
        for name, array in self.read_deep(dtypes).items():
            if isinstance(array, DeepArray):
                raise ServingError.invalid(f"Lists are nested more than {MAX_NUMPY_RANK} deep")
            inputs[name] = array
        return inputs

    def read_deep(self, dtypes: Mapping[str, int]) -> dict[str, npt.NDArray[Any] | DeepArray]:
        """Returns arrays by the names of a signature's inputs; strings are objects of bytes.

        `dtypes` are TensorFlow's numbers. Raises `ServingError` where the values do not fit.
        """
        if wire.DT_DOUBLE not in dtypes.values():
            try:
                return self._read(dtypes)
            except ServingError:
                pass  # its text may have numbers in RapidJSON's digits
        del self._document  # or there would be two of them
        self._document = parse_exactly(self._body)
        return self._read(dtypes)

    def _read(self, dtypes: Mapping[str, int]) -> dict[str, npt.NDArray[Any] | DeepArray]:
        document = self._document
        if not dtypes:
            name = self.signature_name or "DEFAULT"
            raise ServingError.invalid(f"Failed to get input map for signature: {name}")
        if self.by_row and "inputs" in document:
            raise ServingError.invalid(
                f"JSON Value: {echo(document)} Not formatted correctly expecting only"
                " one of 'inputs' or 'instances' keys to exist "
            )
        if self.by_row:
            return _read_rows(document, dtypes, self._bools)
        if "inputs" not in document:
            raise ServingError.invalid("Missing 'inputs' or 'instances' key")
        return _read_columns(document["inputs"], dtypes, self._bools)


def _read_columns(
    content: Any, dtypes: Mapping[str, int], bools: bool
) -> dict[str, npt.NDArray[Any] | DeepArray]:
    if not _is_object(content):
        if len(dtypes) > 1:
            raise ServingError.invalid(
                "inputs is a plain value/list, but expecting an object as multiple"
                " input tensors required as per tensorinfo_map"
            )
        content = dict.fromkeys(dtypes, content)
    inputs = {}
    for name, dtype in dtypes.items():
        if name not in content:
            raise ServingError.invalid(f"Missing named input: {name} in 'inputs' object.")
        array = to_array(content[name], dtype, bools=bools)
        if array is None:
            check(content[name], dtype)
            raise ServingError.invalid(f"Failed to process input: {name}")
        inputs[name] = _checked(name, array)
    return inputs


def _read_rows(
    document: Mapping[str, Any], dtypes: Mapping[str, int], bools: bool
) -> dict[str, npt.NDArray[Any] | DeepArray]:
    rows = document["instances"]
    if not isinstance(rows, list):
        raise ServingError.invalid(
            f"JSON Value: {echo(document)} Expecting 'instances' to be an list/array"
        )
    if not rows:
        raise ServingError.invalid(f"JSON Value: {echo(document)} No values in 'instances' array")
    if not isinstance(rows[0], dict) and len(dtypes) > 1:
        raise ServingError.invalid(
            "instances is a plain list, but expecting list of objects as multiple "
            "input tensors required as per tensorinfo_map"
        )
    if not _is_object(rows[0]):
        first = next(iter(dtypes))
        columns = {first: rows}
    elif all(isinstance(row, dict) and row.keys() == dtypes.keys() for row in rows):
        columns = {name: [row[name] for row in rows] for name in dtypes}
    else:
        raise _misfit(rows, dtypes)
    inputs = {}
    for name, column in columns.items():
        array = to_array(column, dtypes[name], bools=bools)
        if array is None:
            raise _misfit(rows, dtypes)
        inputs[name] = _checked(name, array)
    return inputs


def _checked(name: str, array: Any) -> Any:
    if array.ndim > MAX_RANK:
        raise ServingError.invalid(f"tensor parsing error: {name}")
    return array


def _is_object(value: Any) -> bool:
    return isinstance(value, dict) and not is_base64(value)


def _misfit(rows: list[Any], dtypes: Mapping[str, int]) -> ServingError:
    """Returns the error for the first of the rows that doesn't fit the others or the signature."""
    named = _is_object(rows[0])
    seen: dict[str, tuple[int, list[int]]] = {}
    for number, row in enumerate(rows):
        if named and not _is_object(row):
            return ServingError.invalid(
                f"Expecting object but got list at item {number} of input list"
            )
        if not named and _is_object(row):
            return ServingError.invalid(
                f"Expecting value/list but got object at item {number} of input list"
            )
        for name, value in (row if named else {next(iter(dtypes)): row}).items():
            try:
                _check_like(value, name, dtypes, seen)
            except ServingError as error:
                key = f" key: {name}" if named else ""
                return ServingError.invalid(
                    f"Failed to process element: {number}{key} of 'instances' list."
                    f" Error: {error.code.name}: {error}",
                    error.hint,
                )
        if named and row.keys() != dtypes.keys():
            return ServingError.invalid(
                f"Failed to process element: {number} of 'instances' list. JSON object: "
                f"{echo(row)} keys must be equal to: {','.join(sorted(dtypes))}"
            )
    return ServingError.invalid("Failed to process 'instances' list")


def _check_like(
    value: Any, name: str, dtypes: Mapping[str, int], seen: dict[str, tuple[int, list[int]]]
) -> None:
    if name not in dtypes:
        raise ServingError.invalid(f"JSON object: does not have named input: {name}")
    size, shape = check(value, dtypes[name])
    first_size, first_shape = seen.setdefault(name, (size, shape))
    if size != first_size:
        raise ServingError.invalid(f"Expecting tensor size: {first_size} but got: {size}")
    if shape != first_shape:
        raise ServingError.invalid(
            f"Expecting shape {_listed(first_shape)} but got: {_listed(shape)}"
        )


def _listed(shape: list[int]) -> str:
    return f"[{','.join(map(str, shape))}]"
