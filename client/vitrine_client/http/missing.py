"""Missing model, version or version label: said with those that there are.

A gateway passes on the model server's words, which name the missing one and nothing else. Where a
call fails by it, one more call asks for the models, and the error says which to ask for.
"""

from collections.abc import Sequence
from typing import TypeVar

from vitrine_client.errors import InvalidImage, InvalidRequest, NotFound, VitrineError
from vitrine_client.http import protocol
from vitrine_client.http.default_model import is_served
from vitrine_client.http.protocol import Conversation
from vitrine_client.results.predictions import VersionStatus

T = TypeVar("T")

_UNKNOWN_LABEL = "version label"  # "Unrecognized servable version label: blue", a 400


def explained(
    conversation: Conversation[T],
    models: Sequence[str],
    version: int | None = None,
    label: str | None = None,
) -> Conversation[T]:
    """Holds a conversation about the first of `models` that is served, and raises `NotFound` that
    names those that there are, where no such model, version or version label is there."""
    try:
        return (yield from conversation)
    except (NotFound, InvalidRequest) as error:
        unknown_label = label is not None and _UNKNOWN_LABEL in str(error)
        if isinstance(error, InvalidImage) or not (isinstance(error, NotFound) or unknown_label):
            raise
        reason = yield from _reason(models, version, label)
        if not reason:
            raise
        raise NotFound(reason) from error


def _reason(
    models: Sequence[str], version: int | None, label: str | None
) -> Conversation[str | None]:
    """Asks for the models that there are; None where that does not explain the failure."""
    try:
        listed = yield from protocol.models()
    except VitrineError:  # of an error there is one already
        return None
    model = next((name for name in models if name in listed), None)
    if model is None:
        if (yield from _answers(models)):  # a gateway lists the models of its settings alone
            return None
        wanted = " and no model ".join(models)
        return f"No model {wanted}; {_there_are(sorted(listed), 'no model is served')}"
    statuses = listed[model]
    if not is_served(statuses):
        return f"No version of {model} is available: {_told(statuses)}"
    if version is not None:
        return _without_version(model, version, statuses)
    if label is not None:
        return _without_label(model, label, statuses)
    return None


def _answers(models: Sequence[str]) -> Conversation[bool]:
    for model in models:
        try:
            if is_served((yield from protocol.states(model))):
                return True
        except VitrineError:
            continue
    return False


def _without_version(model: str, version: int, statuses: Sequence[VersionStatus]) -> str | None:
    found = [one for one in statuses if one.version == version]
    if any(one.state == "AVAILABLE" for one in found):
        return None
    if found:
        return f"Version {version} of {model} is not available: {_told(found)}"
    available = [str(one.version) for one in statuses if one.state == "AVAILABLE"]
    return f"{model} has no version {version}; {_there_are(available, 'none is available')}"


def _without_label(model: str, label: str, statuses: Sequence[VersionStatus]) -> str | None:
    known = {name: one.version for one in statuses for name in one.version_labels}
    if label in known:
        return None
    labels = [f"{name} (version {number})" for name, number in sorted(known.items())]
    return f"{model} has no version label {label}; {_there_are(labels, 'no label names a version')}"


def _told(statuses: Sequence[VersionStatus]) -> str:
    words = [
        f"version {one.version} is {one.state}"
        + (f" ({one.error_message})" if one.error_message else "")
        for one in statuses
    ]
    return "; ".join(words) or "there are none"


def _there_are(names: Sequence[str], none: str) -> str:
    if not names:
        return none
    return f"there {'is' if len(names) == 1 else 'are'} {', '.join(names)}"
