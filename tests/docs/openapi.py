"""OpenAPI document as `make docs` writes it: operations and components of the `.yaml` files, each
operation at all its addresses in the route table, with examples that the gateway has answered."""

import json
import math
import re
from collections.abc import Iterator
from typing import Any

import yaml

from tests.docs.openapi_examples import Examples, examples
from tests.docs.pages import ROOT
from vitrine_serving.gateway.http.routes import PATHS

FOLDER = ROOT / "serving" / "vitrine_serving" / "gateway" / "api" / "openapi"
TIMES = re.compile(r"dur=[\d.]+|\d{4}-\d\d-\d\dT[\d:]+")
FILE = FOLDER / "openapi.json"
URL = "http://127.0.0.1:8080"
TWINS = {
    "Version": ("a version of a model", "/versions/1"),
    "Label": ("the version with a version label", "/labels/stable"),
}
"""Ends of operations that are another's at another address: the words of their summaries, and where
their commands ask."""


def made(examples: Examples) -> dict[str, Any]:
    """Returns the document with these examples."""
    document = {
        "x-generated": "by `make docs` of the .yaml files beside it; edit those",
        **_read("paths.yaml"),
        "components": {**_read("components.yaml"), "schemas": _read("schemas.yaml")},
    }
    more = _read("open_inference.yaml")
    document["components"]["schemas"] |= more["schemas"]
    document["paths"] = dict(_paths(document["paths"] | more["paths"]))
    for path, item in document["paths"].items():
        [(_, operation)] = [each for each in item.items() if each[0] != "parameters"]
        _add(operation, path, examples)
    for name, response in document["components"]["responses"].items():
        if not name.startswith("Error"):
            continue
        problem = examples.problems.get(int(name.removeprefix("Error")))
        response["content"]["application/problem+json"]["example"] = problem
    for name, header in document["components"]["headers"].items():
        header["example"] = examples.headers.get(name)
    return json.loads(json.dumps(document))


def text(document: dict[str, Any]) -> str:
    """Returns the file's content; rows of numbers stand in a line."""
    written = json.dumps(document, ensure_ascii=False, indent=1)
    return re.sub(r"\[[-\d.e,\s]*\]", lambda row: re.sub(r"\s+", " ", row[0]), written) + "\n"


def _read(name: str) -> dict[str, Any]:
    # By way of JSON nothing is shared any more that an alias repeats.
    return json.loads(json.dumps(yaml.safe_load((FOLDER / name).read_text())))


def _paths(paths: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for path, item in paths.items():
        yield path, item
        [(method, operation)] = [each for each in item.items() if each[0] != "parameters"]
        for end, (model, below) in TWINS.items():
            name = operation["operationId"] + end
            if name not in PATHS:
                continue
            twin = json.loads(json.dumps(item))
            place = {"$ref": f"#/components/parameters/{end.lower()}"}
            twin["parameters"].insert(1, place)
            about = twin[method]
            about["operationId"] = name
            about["summary"] = re.sub(
                r"the (newest version|versions) of a model", model, about["summary"]
            )
            for sample in about.get("x-codeSamples", ()):
                sample["source"] = sample["source"].replace("/models/mlp", f"/models/mlp{below}")
            yield PATHS[name], twin


def _add(operation: dict[str, Any], path: str, examples: Examples) -> None:
    """Adds the examples of an operation, and the command of one that only asks for its path."""
    name = operation["operationId"]
    base = name.removesuffix("Version").removesuffix("Label")
    here = path.format(model="mlp", version=1, label="stable")
    command = {"lang": "Shell", "source": f"curl {URL}{here}"}
    operation.setdefault("x-codeSamples", [command])
    if body := examples.bodies.get(base):
        operation["requestBody"]["content"]["application/json"]["example"] = body
    for status, response in operation["responses"].items():
        found = examples.answers.get((base, int(status)))
        if found and (name == base or base != "explain"):  # it is long, so only one has it
            response["content"]["application/json"] |= found


def alike(one: Any, other: Any) -> bool:
    """Says whether two documents are the same, but for times and the last digits of numbers."""
    match one, other:
        case dict(), dict():
            return list(one) == list(other) and all(alike(one[key], other[key]) for key in one)
        case list(), list():
            return len(one) == len(other) and all(map(alike, one, other))
        case float(), float():
            return math.isclose(one, other, rel_tol=0.01, abs_tol=1e-4)
        case str(), str():
            return TIMES.sub("", one) == TIMES.sub("", other)
    return bool(one == other)


def main() -> None:
    """Writes the file, unless it says the same already."""
    document = made(examples())
    if not FILE.exists() or not alike(json.loads(FILE.read_text()), document):
        FILE.write_text(text(document))


if __name__ == "__main__":
    main()
