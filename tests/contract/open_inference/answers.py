"""Answers that rows of the table want: refusals, tensors, and JSON."""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tests.contract.open_inference import arithmetic
from tests.contract.open_inference.seen import Output, Seen

BOTH = ("class_ids", "probabilities")


class Answer(ABC):
    """Answer that a row wants; `strictly` is how ours is to be, beyond what it says."""

    status = 200

    def check(self, seen: Seen, *, strictly: bool = True) -> None:
        """Asserts that an answer is this one."""
        said = f"{seen.code or seen.status}: {seen.words or seen.json!r:.500}"
        assert seen.status == self.status, f"{said}, instead of {self.status}"
        self._check(seen, strictly=strictly)

    @abstractmethod
    def _check(self, seen: Seen, *, strictly: bool) -> None: ...


@dataclass(frozen=True)
class Refused(Answer):
    """An error: its status, and words that are in its text; `is_silent` where it needs none."""

    status: int  # type: ignore[misc]
    words: tuple[str, ...] = ()
    is_silent: bool = False

    def _check(self, seen: Seen, *, strictly: bool) -> None:
        if not strictly:
            return
        for each in self.words:
            assert each in seen.words, f"{each!r} is not in {seen.words!r}"
        assert seen.words or self.is_silent, "an error without words"
        assert len(seen.words) < 2000, "an error of many words"
        assert "Traceback" not in seen.words, seen.words
        assert seen.is_readable_error, seen


def refused(status: int, *words: str) -> Refused:
    """An error with these words."""
    return Refused(status, words)


@dataclass(frozen=True)
class Tensors(Answer):
    """An inference's answer. `binary` are the outputs that come as bytes over HTTP; over gRPC all
    do. `in_json` are values that JSON has otherwise."""

    outputs: Mapping[str, tuple[str, list[int], list[Any]]]
    model: str
    version: str = "1"
    id: str = ""
    binary: Collection[str] = ()
    in_json: Mapping[str, list[Any]] = field(default_factory=dict)
    close: bool = False
    headers: Mapping[str, str | None] = field(default_factory=dict)

    def _check(self, seen: Seen, *, strictly: bool) -> None:
        assert seen.json["model_name"] == self.model, seen.json
        assert seen.json["model_version"] == self.version, seen.json
        assert seen.json.get("id", "") == self.id, seen.json
        names = list(seen.outputs)
        assert sorted(names) == sorted(self.outputs), names
        for name, (datatype, shape, values) in self.outputs.items():
            output = seen.outputs[name]
            assert (output.datatype, output.shape) == (datatype, shape), output
            is_binary = seen.transport == "grpc" or name in self.binary
            assert output.is_binary == is_binary, f"{name}: {output}"
            wanted = values if is_binary else self.in_json.get(name, values)
            self._check_values(output, wanted)
        if strictly:
            assert names == sorted(names), f"{names} are not in the order of the model"
            self._check_headers(seen)

    def _check_values(self, output: Output, wanted: list[Any]) -> None:
        if self.close and output.datatype == "FP32":
            np.testing.assert_allclose(output.values, wanted, atol=1e-5)
        else:
            # As text: 2 is not 2.0, -0.0 is not 0.0, and NaN is NaN.
            assert json.dumps(output.values) == json.dumps(wanted)

    def _check_headers(self, seen: Seen) -> None:
        if seen.transport == "grpc":
            return
        left = any(seen.outputs[name].values for name in self.binary)
        kind = "application/octet-stream" if left else "application/json"
        assert seen.headers.get("content-type") == kind, seen.headers
        assert ("inference-header-content-length" in seen.headers) == left, seen.headers
        assert ("id" in seen.json) == bool(self.id), seen.json
        for name, value in self.headers.items():
            assert seen.headers.get(name) == value, seen.headers


def echoed(model: str, datatype: str, *values: Any, **others: Any) -> Tensors:
    """What an echo answers."""
    return Tensors({"out": (datatype, [len(values)], list(values))}, model, **others)


def predicted(
    rows: int = 1, *outputs: str, version: str = "2", model: str = "mlp", **others: Any
) -> Tensors:
    """What `mlp` answers to as many pictures; without names, both outputs."""
    expected = arithmetic.softmax(arithmetic.pictures(rows), int(version))
    both: dict[str, tuple[str, list[int], list[Any]]] = {
        "class_ids": (
            *("INT64", [rows, 1] if model == "mlpb" else [rows]),
            expected.argmax(axis=1).tolist(),
        ),
        "probabilities": ("FP32", [rows, 10], expected.ravel().tolist()),
    }
    chosen = {name: both[name] for name in outputs or BOTH}
    return Tensors(chosen, model, version, close=True, **others)


@dataclass(frozen=True)
class Says(Answer):
    """A success, whose JSON or message passes a check; None of no body is passed on."""

    wanted: Callable[[Any], None]
    headers: Mapping[str, str | None] = field(default_factory=dict)

    def _check(self, seen: Seen, *, strictly: bool) -> None:
        self.wanted(seen.json)
        for name, value in self.headers.items() if strictly else ():
            assert seen.headers.get(name) == value, seen.headers


def anything(value: Any) -> None:
    """Takes any JSON."""


def equal(wanted: Any) -> Says:
    """A success with exactly this JSON; what a message leaves out is nothing."""

    def check(value: Any) -> None:
        assert value == wanted

    return Says(check)


def metadata(name: str, versions: list[str]) -> Says:
    """Metadata of a model; a platform of any name."""

    def check(value: Any) -> None:
        assert (value["name"], value["versions"]) == (name, versions), value
        assert value["platform"], value
        found = {
            key: {each["name"]: (each["datatype"], each["shape"]) for each in value[key]}
            for key in ("inputs", "outputs")
        }
        wanted = [-1, 1] if name == "mlpb" else [-1]
        assert found == IMAGES | {
            "outputs": {"probabilities": ("FP32", [-1, 10]), "class_ids": ("INT64", wanted)}
        }, found

    return Says(check)


IMAGES = {"inputs": {"images": ("FP32", [-1, 28, 28])}}
