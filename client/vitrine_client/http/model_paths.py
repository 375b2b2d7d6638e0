"""Model paths: the addresses below a gateway's at which a model, or a version of it, is asked."""

import operator
from urllib.parse import quote

from vitrine_client import errors


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
