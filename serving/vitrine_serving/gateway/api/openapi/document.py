"""OpenAPI 3.1 document of the gateway: https://spec.openapis.org/oas/v3.1.1.html

`openapi.json` is made of the `.yaml` files beside it by `make docs`.
"""

from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import orjson

Json = dict[str, Any]

_SHOWN = "/models/mlp"
"""The model that the commands of the file ask."""


def document(models: Sequence[str]) -> Json:
    """Returns the document; its commands ask the first of `models`, which the gateway lists."""
    found: Json = orjson.loads(files(__package__).joinpath("openapi.json").read_bytes())
    names = list(models) or ["mlp"]
    examples = {name: {"value": name} for name in names}
    for name in ("model", "v2Model"):
        found["components"]["parameters"][name]["examples"] = examples
    for item in found["paths"].values():
        for method in item.keys() - {"parameters"}:
            for sample in item[method]["x-codeSamples"]:
                sample["source"] = sample["source"].replace(_SHOWN, f"/models/{names[0]}")
    return found
