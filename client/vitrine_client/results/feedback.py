"""Feedback that a gateway took: a picture that was answered wrongly, with its right label."""

from dataclasses import dataclass
from typing import Any

from vitrine_client.results import json_values
from vitrine_client.results.strict_json import JsonRecord


@dataclass(frozen=True)
class Feedback(JsonRecord):
    """Feedback as it is noted: of the picture `index` in the request `request_id` to a model, the
    right class. With `again` it was noted before, and is not noted twice."""

    request_id: str
    index: int
    model: str
    class_id: int
    label: str
    again: bool

    @classmethod
    def from_json(cls, content: Any) -> "Feedback":
        """Reads a gateway's answer; raises as `json_values` does where it makes no sense."""
        again = content["again"]
        if not isinstance(again, bool):
            raise ValueError(f"{again!r} is neither true nor false")
        return cls(
            json_values.text(content["request_id"]),
            json_values.whole(content["index"]),
            json_values.text(content["model"]),
            json_values.whole(content["class_id"]),
            json_values.text(content["label"]),
            again,
        )
