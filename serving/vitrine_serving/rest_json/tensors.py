"""Requests in TensorFlow Serving's JSON for `predict`: `instances` (rows) or `inputs` (columns)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_serving.errors import ServingError
from vitrine_serving.rest_json.deep import MAX_NUMPY_RANK, MAX_RANK, DeepArray
from vitrine_serving.rest_json.echoes import echo, pairs_of
from vitrine_serving.rest_json.parsing import MAX_VALUES, parse, parse_exactly, signature_name
from vitrine_serving.rest_json.strings import until_nul
from vitrine_serving.rest_json.values import EMPTY_DTYPES, check, is_base64, to_array

_ECHOED = ("JSON Value: ", "JSON object: {")
"""Words before a value of the body in an error: its numbers have RapidJSON's digits."""

_Arrays = dict[str, npt.NDArray[Any] | DeepArray]


class PredictBody:
    """Body of a request that is parsed, but not read: its values have the dtypes of a signature.

    Raises `ServingError` if it is no JSON object, or the signature's name no string, and what
    `parsing.parse` does. Its name may hold surrogates, which no signature's does.
    """

    def __init__(self, body: bytes, max_values: int = MAX_VALUES) -> None:
        self._body = body
        self._document = parse(body, max_values)
        self._bools = b"true" in body or b"false" in body
        self.signature_name = signature_name(self._document, body)
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

    def read_deep(
        self, dtypes: Mapping[str, int], empties: Mapping[int, Any] = EMPTY_DTYPES
    ) -> _Arrays:
        """Returns arrays by the names of a signature's inputs; strings are objects of bytes.

        `dtypes` are TensorFlow's numbers, and `empties` NumPy's dtypes by those, for lists without
        values. Raises `ServingError` where the values do not fit.
        """
        if wire.DT_DOUBLE not in dtypes.values():
            try:
                return self._read(dtypes, empties)
            except ServingError as error:
                if not any(echoed in str(error) for echoed in _ECHOED):
                    raise
        del self._document  # or there would be two of them
        self._document = parse_exactly(self._body)
        return self._read(dtypes, empties)

    def _read(self, dtypes: Mapping[str, int], empties: Mapping[int, Any]) -> _Arrays:
        document = self._document
        if not dtypes:
            name = self.signature_name or "DEFAULT"
            raise ServingError.invalid(f"Failed to get input map for signature: {name}")
        if self.by_row and "inputs" in document:
            raise ServingError.invalid(
                f"JSON Value: {echo(document)} Not formatted correctly expecting only"
                " one of 'inputs' or 'instances' keys to exist "
            )
        if not self.by_row and "inputs" not in document:
            raise ServingError.invalid("Missing 'inputs' or 'instances' key")
        read = _Reader(dtypes, empties, self._bools)
        inputs = read.rows(document) if self.by_row else read.columns(document["inputs"])
        for name, array in inputs.items():
            if array.ndim > MAX_RANK:
                raise ServingError.invalid(f"tensor parsing error: {name}")
        return inputs


@dataclass(frozen=True)
class _Reader:
    """Reader of values by the dtypes of a signature's inputs."""

    dtypes: Mapping[str, int]
    empties: Mapping[int, Any]
    bools: bool

    def columns(self, content: Any) -> _Arrays:
        """Returns `inputs`. Raises `ServingError`."""
        if not _is_object(content):
            if len(self.dtypes) > 1:
                raise ServingError.invalid(
                    "inputs is a plain value/list, but expecting an object as multiple"
                    " input tensors required as per tensorinfo_map"
                )
            return {name: self._array(name, content) for name in self.dtypes}
        inputs = {}
        for name in self.dtypes:
            if until_nul(name) not in content:
                raise ServingError.invalid(f"Missing named input: {name} in 'inputs' object.")
            inputs[name] = self._array(name, content[until_nul(name)])
        return inputs

    def rows(self, document: Mapping[str, Any]) -> _Arrays:
        """Returns `instances`, one row after the other. Raises `ServingError`."""
        rows = document["instances"]
        if not isinstance(rows, list):
            raise ServingError.invalid(
                f"JSON Value: {echo(document)} Expecting 'instances' to be an list/array"
            )
        if not rows:
            raise ServingError.invalid(
                f"JSON Value: {echo(document)} No values in 'instances' array"
            )
        if not isinstance(rows[0], dict) and len(self.dtypes) > 1:
            raise ServingError.invalid(
                "instances is a plain list, but expecting list of objects as multiple "
                "input tensors required as per tensorinfo_map"
            )
        inputs = {}
        for name, column in self._columns_of(rows).items():
            array = self._read(name, column)
            if array is None:
                _check_rows(rows, self.dtypes)
                raise ServingError.invalid("Failed to process 'instances' list")
            inputs[name] = array
        return inputs

    def _columns_of(self, rows: list[Any]) -> dict[str, list[Any]]:
        if not _is_object(rows[0]):
            return {next(iter(self.dtypes)): rows}
        names = self.dtypes.keys()
        if any(type(row) is not dict or row.keys() != names for row in rows):
            _check_rows(rows, self.dtypes)  # each of equal names has to fit
            rows = [_first(row) for row in rows]
        return {name: [row[name] for row in rows] for name in names}

    def _array(self, name: str, value: Any) -> npt.NDArray[Any] | DeepArray:
        array = self._read(name, value)
        if array is None:
            check(value, self.dtypes[name])
            # A list without values, of a dtype that no tensor in a message has.
            raise ServingError.invalid(f"tensor parsing error: {name}")
        return array

    def _read(self, name: str, value: Any) -> npt.NDArray[Any] | DeepArray | None:
        return to_array(value, self.dtypes[name], bools=self.bools, empties=self.empties)


def _first(row: dict[str, Any]) -> dict[str, Any]:
    """Returns a row's values by names that end at a NUL, as they do there; of equal ones the first
    counts."""
    return {until_nul(name): value for name, value in reversed([*pairs_of(row)])}


def _is_object(value: Any) -> bool:
    return isinstance(value, dict) and not is_base64(value)


def _check_rows(rows: list[Any], dtypes: Mapping[str, int]) -> None:
    """Raises `ServingError` for the first of the rows that doesn't fit the others or the signature:
    value by value, also those of equal names."""
    named = _is_object(rows[0])
    seen: dict[str, tuple[int, list[int]]] = {}
    for number, row in enumerate(rows):
        if named and not _is_object(row):
            raise ServingError.invalid(
                f"Expecting object but got list at item {number} of input list"
            )
        if not named and _is_object(row):
            raise ServingError.invalid(
                f"Expecting value/list but got object at item {number} of input list"
            )
        pairs = pairs_of(row) if named else [(next(iter(dtypes)), row)]
        names = set()
        for name, value in pairs:
            name = until_nul(name) if named else name
            names.add(name)
            try:
                _check_like(value, name, dtypes, seen)
            except ServingError as error:
                key = f" key: {name}" if named else ""
                raise ServingError.invalid(
                    f"Failed to process element: {number}{key} of 'instances' list."
                    f" Error: {error.code.name}: {error}",
                    error.hint,
                ) from error
        if named and names != dtypes.keys():
            raise ServingError.invalid(
                f"Failed to process element: {number} of 'instances' list. JSON object: "
                f"{echo(row)} keys must be equal to: {','.join(sorted(dtypes))}"
            )


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
