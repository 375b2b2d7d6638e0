"""HTTP protocol of a gateway: requests, responses and errors.

Nothing here connects or waits, so the client that blocks and the one that does not share it.
Several calls are a conversation: a generator that yields each call, is sent the answer (JSON) or
thrown the error, and returns the result.
"""

import base64
import json
import operator
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar
from urllib.parse import quote, unquote_to_bytes

from requests.utils import get_netrc_auth

from vitrine_client import errors
from vitrine_client.http.retries import retry_after_s
from vitrine_client.process import addresses, proxies
from vitrine_client.results import json_values, signatures
from vitrine_client.results.drift import DriftReport
from vitrine_client.results.predictions import VersionStatus
from vitrine_client.results.profiles.report import ProfileReport

C = TypeVar("C")
T = TypeVar("T")

LONGEST_S = 1_000_000
"""Longest time-out; a socket takes 24 days (2^31 ms), and no more."""

IS_IT_ONE = f"is that a Vitrine gateway? ({addresses.URL_NAMES})"
"""Question to the user where an answer is no gateway's."""


@dataclass(frozen=True, slots=True)
class Call:
    """Request to a gateway; `path` begins with a slash."""

    method: str
    path: str
    body: bytes = b""
    content_type: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """Headers of its own."""
        return {"Content-Type": self.content_type} if self.content_type else {}

    def read(self, url: str, status: int, headers: Mapping[str, str], body: bytes) -> Any:
        """Returns what an answer says; names in `headers` are found whatever their case. Raises
        the `VitrineError` that its status stands for."""
        return read_answer(url, status, headers, body)


class AnswerContent(dict[str, Any]):
    """Object of an answer, with the id of the request that it is to, empty where that has none."""

    request_id = ""


Conversation = Generator[Call, Any, T]


def held(conversation: Generator[C, Any, T], ask: Callable[[C], Any]) -> T:
    """Holds a conversation whose calls `ask` answers, and returns its result."""
    try:
        call = next(conversation)
        while True:
            try:
                answer = ask(call)
            except errors.VitrineError as error:
                call = conversation.throw(error)
            else:
                call = conversation.send(answer)
    except StopIteration as done:
        returned: T = done.value
        return returned


def checked_timeout_s(timeout_s: float) -> float:
    """Returns a time-out in seconds. Raises `InvalidArgument` unless it is above 0, and `LONGEST_S`
    at most."""
    if not isinstance(timeout_s, int | float) or not 0 < timeout_s <= LONGEST_S:
        raise errors.InvalidArgument(
            f"timeout_s is a number of seconds above 0 and at most {LONGEST_S:,}, not {timeout_s!r}"
        )
    return timeout_s


def checked_retries(retries: int) -> int:
    """Returns how often a call may be made again. Raises `InvalidArgument` unless that is a whole
    number from 0 on."""
    if not isinstance(retries, int) or retries < 0:
        raise errors.InvalidArgument(f"retries is a whole number from 0 on, not {retries!r}")
    return retries


def checked_answer_bytes(most_bytes: int) -> int:
    """Returns how many bytes an answer may have. Raises `InvalidArgument` unless that is a whole
    number from 1 on."""
    if not isinstance(most_bytes, int) or most_bytes < 1:
        raise errors.InvalidArgument(
            f"max_answer_bytes is a whole number from 1 on, not {most_bytes!r}"
        )
    return most_bytes


def key_headers(api_key: str) -> dict[str, str]:
    """Returns the header that shows an API key, if there is one. Raises `InvalidArgument` for what
    no header can have, such as a line's end."""
    if not api_key:
        return {}
    if not isinstance(api_key, str) or not (api_key.isascii() and api_key.isprintable()):
        raise errors.InvalidArgument("The API key is no text of ASCII characters in one line")
    if api_key.strip() != api_key:
        raise errors.InvalidArgument("The API key has a blank around it")
    return {"X-API-Key": api_key}


def basic_authorization(userinfo: str) -> str:
    """Returns the header's value that shows the `user:password` of an address (RFC 7617), empty
    where there is none."""
    user, _, password = userinfo.encode(errors="surrogateescape").partition(b":")
    shown = unquote_to_bytes(user) + b":" + unquote_to_bytes(password)
    return f"Basic {base64.b64encode(shown).decode()}" if userinfo else ""


def netrc_headers(url: str) -> dict[str, str]:
    """Returns the header that shows the user and password of a URL's host in .netrc, if any."""
    found = get_netrc_auth(url)
    userinfo = ":".join(quote(each, safe="") for each in found) if found else ""
    return {"Authorization": basic_authorization(userinfo)} if userinfo else {}


def model_path(model: str, version: int | None = None, label: str | None = None) -> str:
    """Returns the path of a model, or of a version of it by number or version label. Raises
    `InvalidRequest` for names and numbers that none can have, and for both of the latter."""
    if version is not None and label is not None:
        raise errors.InvalidRequest("Give a version or a version label, not both")
    chosen = "" if version is None else f"/versions/{_number(version)}"
    if label is not None:
        chosen = f"/labels/{_name(label, 'version label')}"
    return f"/v1/models/{_name(model, 'model')}{chosen}"


def _name(name: object, kind: str) -> str:
    if not isinstance(name, str) or not name:
        raise errors.InvalidRequest(f"A {kind} is named by text, such as 'mlp', not {name!r}")
    try:
        return quote(name, safe="")
    except UnicodeEncodeError as error:
        raise errors.InvalidRequest(
            f"{name!r} is no name of a {kind}: it is not Unicode"
        ) from error


def _number(version: object) -> int:
    try:
        number = -1 if isinstance(version, bool) else operator.index(version)  # type: ignore[arg-type]
    except TypeError:
        number = -1
    if number < 0:
        raise errors.InvalidRequest(f"A version is a whole number from 0 on, not {version!r}")
    return number


def verb_path(model: str, version: int | None, label: str | None, verb: str = "predict") -> str:
    """Returns the path at which a model, or a version of it, predicts or explains."""
    return f"{model_path(model, version, label)}:{verb}"


def models() -> Conversation[dict[str, list[VersionStatus]]]:
    """Asks for all models, the states of their versions, the version labels that name them, and
    whether pictures can be sent to them."""
    answer = yield Call("GET", "/v1/models")
    with sensible():
        return {
            json_values.text(model["name"]): _told(
                model, _statuses(model, model.get("version_labels", {}))
            )
            for model in json_values.items(answer["models"])
        }


def states(model: str) -> Conversation[list[VersionStatus]]:
    """Asks for the states of the versions of one model, without version labels."""
    answer = yield Call("GET", model_path(model))
    with sensible():
        return _statuses(answer, {})


def metadata(model: str, version: int | None, label: str | None) -> Conversation[dict[str, Any]]:
    """Asks for the signatures of a version, in TensorFlow Serving's JSON."""
    answer = yield Call("GET", f"{model_path(model, version, label)}/metadata")
    with sensible():
        return signatures.checked(answer)


def profile(model: str, version: int | None, label: str | None) -> Conversation[ProfileReport]:
    """Asks what pictures a version takes, and what is assumed of that."""
    answer = yield Call("GET", f"{model_path(model, version, label)}/profile")
    with sensible():
        return ProfileReport.from_json(answer)


def drift(model: str, version: int | None) -> Conversation[DriftReport]:
    """Asks whether the versions of a model, or one of them, see what they were trained on."""
    answer = yield Call("GET", f"{model_path(model, version)}/drift")
    with sensible():
        return DriftReport.from_json(answer)


def _told(model: dict[str, Any], statuses: list[VersionStatus]) -> list[VersionStatus]:
    """Returns the statuses, that of the newest version which is AVAILABLE with what the list says
    of it."""
    available = [each.version for each in statuses if each.state == "AVAILABLE"]
    classifier = model.get("classifier")
    if not isinstance(classifier, bool | None):
        raise ValueError(f"{classifier!r} is neither true nor false")
    told: dict[str, Any] = {
        "classifier": classifier,
        "reason": json_values.text(model.get("reason", "")),
        "assumptions": json_values.texts(model.get("assumptions", [])),
    }
    newest = max(available, default=None)
    return [replace(each, **told) if each.version == newest else each for each in statuses]


def _statuses(answer: dict[str, Any], labels: dict[str, Any]) -> list[VersionStatus]:
    named = {label: json_values.version(version) for label, version in labels.items()}
    return [_status(entry, named) for entry in json_values.items(answer["model_version_status"])]


def _status(entry: dict[str, Any], labels: dict[str, int]) -> VersionStatus:
    number = json_values.version(entry["version"])
    return VersionStatus(
        version=number,
        state=json_values.text(entry["state"]),
        error_code=json_values.text(entry["status"]["error_code"]),
        error_message=json_values.text(entry["status"]["error_message"]),
        version_labels=tuple(sorted(label for label in labels if labels[label] == number)),
    )


MAX_ANSWER_BYTES = 32 * 2**20
"""Largest answer, unpacked: 128 pictures of 7,000 classes. Its JSON takes several times that."""


class AnswerBody:
    """Body of an answer as it comes, unpacked, up to a number of bytes."""

    def __init__(self, url: str, most_bytes: int) -> None:
        self._url = url
        self._most_bytes = most_bytes
        self._pieces: list[bytes] = []
        self._size = 0

    def add(self, piece: bytes) -> None:
        """Takes the next bytes. Raises `ServerError` where there are too many in all."""
        self._size += len(piece)
        if self._size > self._most_bytes:
            raise errors.ServerError(
                f"{addresses.without_password(self._url)} answers with more than "
                f"{self._most_bytes:,} bytes; ask about fewer pictures at once (batch_size), or "
                "allow a client more (max_answer_bytes)"
            )
        self._pieces.append(piece)

    def whole(self) -> bytes:
        """Returns all of it."""
        return b"".join(self._pieces)


@contextmanager
def sensible(hint: str = IS_IT_ONE) -> Iterator[None]:
    """Raises `ServerError`, with a hint, where an answer lacks members, or has wrong ones."""
    try:
        yield
    except (AttributeError, LookupError, OverflowError, TypeError, ValueError) as error:
        raise errors.ServerError(f"The answer makes no sense ({error!r}); {hint}") from error


def read_answer(url: str, status: int, headers: Mapping[str, str], body: bytes) -> Any:
    """Returns the JSON of an answer. Raises the `VitrineError` that its status stands for.

    Names in `headers` are found whatever their case.
    """
    shown = addresses.without_password(url)
    if 300 <= status < 400 and (there := headers.get("Location")):
        # Not followed: the key would go wherever that leads.
        raise errors.ServerError(
            f"{shown} answered {status} and leads to {addresses.without_password(there)}; if that "
            f"is the gateway, name it ({addresses.URL_NAMES})"
        )
    content = _json_of(body)
    if status < 300 and isinstance(content, dict):
        content = AnswerContent(content)
        content.request_id = headers.get("X-Request-ID", "")
    if status < 300 and content is not None:
        return content
    told = content if isinstance(content, dict) else {}
    after_s = retry_after_s(headers.get("Retry-After", ""))
    if told.get("detail") and status == errors.ModelFault.status:
        raise errors.ModelFault(str(told["detail"]))
    if told.get("detail"):
        raise errors.for_status(status, str(told["detail"]), after_s)
    # A proxy's, or no gateway's: TensorFlow Serving, to name one, has an `error` alone.
    why = _without_json(headers) if content is None else str(told.get("error", "without a reason"))
    text = f"{shown} answered {status} ({why}); {IS_IT_ONE}{proxies.hint_for(url)}"
    if status == errors.NotFound.status:
        raise errors.ServerError(text)  # it says nothing of a model
    raise errors.for_status(status, text, after_s)


def _without_json(headers: Mapping[str, str]) -> str:
    """Returns in words what an answer is that has none; one of no length ends where it breaks
    off."""
    is_bounded = headers.get("Content-Length") or headers.get("Transfer-Encoding")
    return "without JSON" if is_bounded else "without JSON; perhaps it broke off"


def _json_of(body: bytes) -> Any:
    """Returns the JSON of a body, None where it has none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
