"""Explanations over HTTP: a picture and a class are sent, attributions of pixels come back.

Like everything in `protocol`, it neither connects nor waits.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from vitrine_client.errors import EmptyPicture, InvalidImage, InvalidRequest
from vitrine_client.http import predictions
from vitrine_client.http.asked_model import AskedModel
from vitrine_client.http.protocol import Conversation, sensible
from vitrine_client.images import NOTHING, Picture, find_item, pictures
from vitrine_client.results import json_values
from vitrine_client.results.explanations import Explanation, Floats


def explain(
    picture: Picture,
    asked: AskedModel,
    *,
    class_id: int | str | None = None,
    box: Sequence[float] | None = None,
) -> Conversation[Explanation]:
    """Asks why a class is as probable as it is, by its id or name, or why the answered one is.

    Raises `InvalidImage` where the picture cannot be read, `EmptyPicture` where it shows nothing,
    and `InvalidRequest` where the model has no such class.
    """
    body = pictures.encoded(picture)
    if isinstance(class_id, str):
        predicted = yield from predictions.predict(body, replace(asked, verb="predict"))
        class_id = _id_of(class_id, tuple(predicted.probabilities), predicted.model)
    parameters: dict[str, Any] = {} if class_id is None else {"class_id": class_id}
    query = predictions.query(parameters, box)
    try:
        answer = yield from asked.send(lambda path: predictions.as_is(path + query, body))
    except InvalidRequest as refusal:
        try:
            find_item(body)
        except InvalidImage:
            raise InvalidImage(str(refusal)) from refusal
        raise
    return _explanation(answer)


def _id_of(name: str, labels: Sequence[str], model: str) -> int:
    """Returns the id of a class by its name, else by its number, else by its name in other
    letters, capital or small, where that is one class."""
    if name in labels:
        return labels.index(name)
    if name.isascii() and name.isdecimal() and int(name) < len(labels):
        return int(name)
    alike = [number for number, label in enumerate(labels) if label.lower() == name.lower()]
    if len(alike) == 1:
        return alike[0]
    raise InvalidRequest(f"{model} has no class {name}; there are {', '.join(labels)}")


def _explanation(answer: Any) -> Explanation:
    with sensible():
        spec, (entry,) = answer["model_spec"], json_values.items(answer["explanations"])
        if not entry.get("empty"):
            attributions = _attributions(entry["attributions"])
            return Explanation(
                *predictions.answered_in(entry),
                attributions,
                json_values.text(spec["name"]),
                json_values.version(spec["version"]),
                *predictions.found_in(entry),
            )
        _, warnings = predictions.found_in(entry)
    raise EmptyPicture(NOTHING, warnings=warnings)


def _attributions(rows: Any) -> Floats:
    listed = [list(map(json_values.number, json_values.items(row))) for row in rows]
    with np.errstate(over="ignore"):
        attributions = np.array(listed, np.float32)
    if attributions.ndim != 2 or not attributions.size:
        raise ValueError(f"attributions are {list(attributions.shape)}")
    if not np.isfinite(attributions).all():
        raise ValueError("attributions are beyond all float32")
    return attributions
