"""Model that an HTTP call asks: the one that is named, or the default."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from vitrine_client.errors import InvalidRequest, NotFound, VitrineError
from vitrine_client.http import missing, model_paths
from vitrine_client.http import protocol as http_calls
from vitrine_client.http.default_model import (
    FALLBACK,
    PREFERRED,
    DefaultModel,
    is_served,
    may_be_missing,
)
from vitrine_client.http.protocol import Call, Conversation


@dataclass(frozen=True)
class AskedModel:
    """A model, and which version of it: by number, by version label, or the newest.

    Where `model` is None the default is asked. `verb` is what it is asked for. Raises
    `InvalidRequest` for a version together with a version label.
    """

    model: str | None
    version: int | None
    label: str | None
    default: DefaultModel
    verb: Literal["predict", "explain"] = "predict"

    def __post_init__(self) -> None:
        self.path(PREFERRED if self.model is None else self.model)

    def path(self, model: str) -> str:
        """Returns the path at which `model` is asked."""
        return model_paths.verb_path(model, self.version, self.label, self.verb)

    def send(self, make: Callable[[str], Call]) -> Conversation[Any]:
        """Makes a call of the model's path, sends it, and returns what is answered (JSON).

        If the default model is not served, the next one is asked; that is known from the call's own
        failure, so one that succeeds costs nothing more. Raises `NotFound` where no such model,
        version or version label is there, which says what is.
        """
        names = (PREFERRED, FALLBACK) if self.model is None else (self.model,)
        return (yield from missing.explained(self._sent(make), names, self.version, self.label))

    def _sent(self, make: Callable[[str], Call]) -> Conversation[Any]:
        if self.model is not None:
            return (yield make(self.path(self.model)))
        name = self.default.name()
        try:
            answer = yield make(self.path(name))
        except (NotFound, InvalidRequest) as error:
            if name == FALLBACK or not (yield from self._is_missing(error)):
                raise
        else:
            if name == PREFERRED:
                self.default.found()
            return answer
        answer = yield make(self.path(FALLBACK))
        self.default.missing()
        return answer

    def _is_missing(self, error: VitrineError) -> Conversation[bool]:
        if not may_be_missing(error, self.label):
            return False
        if self.version is None and self.label is None:
            return True
        try:  # it may be no more than that version which is missing
            return not is_served((yield from http_calls.states(PREFERRED)))
        except NotFound:
            return True
