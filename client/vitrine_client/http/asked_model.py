"""Model that an HTTP call asks: the one that is named, or the default."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from vitrine_client.http import missing, protocol
from vitrine_client.http.default_model import FALLBACK, PREFERRED, DefaultModel
from vitrine_client.http.protocol import Call, Conversation


@dataclass(frozen=True)
class AskedModel:
    """Model and its version: by number, by version label, or the newest.

    Where `model` is None the default is asked. `verb` is the kind of call. Raises
    `InvalidRequest` for a version together with a version label.
    """

    model: str | None
    version: int | None
    label: str | None
    default: DefaultModel
    verb: Literal["predict", "explain", "feedback"] = "predict"

    def __post_init__(self) -> None:
        self.path(PREFERRED if self.model is None else self.model)

    def path(self, model: str) -> str:
        """Returns the path at which `model` is asked."""
        if self.verb == "feedback":
            return f"{protocol.model_path(model, self.version, self.label)}/feedback"
        return protocol.verb_path(model, self.version, self.label, self.verb)

    def send(self, make: Callable[[str], Call]) -> Conversation[Any]:
        """Makes a call of the model's path, sends it, and returns the answer (JSON).

        Raises `NotFound` where no such model, version or version label is there, and names those
        that are.
        """
        names = (PREFERRED, FALLBACK) if self.model is None else (self.model,)
        return (yield from missing.explained(self._sent(make), names, self.version, self.label))

    def _sent(self, make: Callable[[str], Call]) -> Conversation[Any]:
        if self.model is not None:
            return (yield make(self.path(self.model)))
        return (
            yield from self.default.asked(
                lambda name: make(self.path(name)), protocol.states, self.version, self.label
            )
        )
