"""Errors of the client and the gateway, under one base.

    VitrineError
    ├── InvalidRequest          400  the request makes no sense to the model
    │   ├── InvalidImage        400  the picture cannot be read, or must not be
    │   │   ├── EmptyPicture    400  the picture can be read, and shows nothing
    │   │   └── NotAPicture     400  the argument is no picture, or not one: a list, a URL, None
    │   └── LabelNotMoved       400  a version label stays where it was
    ├── Unauthorized            401  no API key, or one that is not known
    ├── NotFound                404  no such model, version or label
    ├── MethodNotAllowed        405
    ├── RequestTimeout          408  the request itself was not sent in time
    ├── PayloadTooLarge         413
    ├── UnsupportedMediaType    415
    ├── ResourceExhausted       429  too much at once
    ├── ServerError             500  a bug in a server, or an answer that makes no sense
    ├── Unimplemented           501  the model server does not do that
    ├── Unavailable             503  nobody there, or not ready yet: trying again can help
    │   └── Unreachable         503  no connection to a model server
    ├── DeadlineExceeded        504  no answer in time
    └── ClientClosed            500  the client was closed before the call

The gateway answers with the `status` of what it raises, and the client raises the class of the
status that it is answered with, so an error means the same on both sides of the wire. A 502, which
is a proxy's word for a gateway that is not there, is `Unavailable`, too.
"""

_BAD_GATEWAY = 502


class VitrineError(Exception):
    """Base of all errors; `status` is its HTTP status, the message says what to do.

    `retry_after_s` is when trying again can help, where that is known: seconds from the answer.
    `headers` are further ones of the HTTP answer, name and value.
    """

    status = 500

    def __init__(
        self,
        *args: object,
        retry_after_s: float | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(*args)
        self.retry_after_s = retry_after_s
        self.headers = headers


class InvalidRequest(VitrineError):
    """The request makes no sense to the model (wrong shape, dtype, name or signature)."""

    status = 400


class InvalidImage(InvalidRequest):
    """The picture cannot be read, or must not be: garbage, a format we refuse, too many pixels."""


class EmptyPicture(InvalidImage):
    """The picture shows nothing: it is blank, black or noise, and no model was asked.

    `warnings` say in words which parts were left out, or are doubtful.
    """

    def __init__(self, *args: object, warnings: tuple[str, ...] = ()) -> None:
        super().__init__(*args)
        self.warnings = warnings


class NotAPicture(InvalidImage, TypeError):
    """The argument is no picture, or not one: None, a list, a URL, a folder, a file in text mode.
    The message says what to pass instead."""


class LabelNotMoved(InvalidRequest):
    """A version label stays where it was: no version to name, or a model server refuses it."""


class Unauthorized(VitrineError):
    """The gateway wants an API key, and was given none or one that it does not know."""

    status = 401


class NotFound(VitrineError):
    """No such model, version, version label or address."""

    status = 404


class MethodNotAllowed(VitrineError):
    """The address is right, the HTTP method is not."""

    status = 405


class RequestTimeout(VitrineError):
    """The request was begun, and did not come to its end in time."""

    status = 408


class PayloadTooLarge(VitrineError):
    """The body has more bytes, or more images, than the gateway takes at once."""

    status = 413


class UnsupportedMediaType(VitrineError):
    """The body's content type is none that the gateway reads."""

    status = 415


class ResourceExhausted(VitrineError):
    """Too much at once; less, or later, works."""

    status = 429


class ServerError(VitrineError):
    """A bug in a server, or an answer that makes no sense."""


class Unimplemented(VitrineError):
    """The model server does not do that, or has no JSON for values of that dtype."""

    status = 501


class Unavailable(VitrineError):
    """Nobody there, or not ready yet; trying again can help."""

    status = 503


class Unreachable(Unavailable):
    """There is no connection to a model server; the message has its address, and why."""


class DeadlineExceeded(VitrineError):
    """No answer before the deadline."""

    status = 504


class ClientClosed(VitrineError, RuntimeError):
    """The client was closed, by `close` or at the end of its `with` block, before the call."""


def check_open(closed: bool) -> None:
    """Raises `ClientClosed` where a client is."""
    if closed:
        raise ClientClosed("This client is closed; make another, or ask within its `with` block")


def for_status(status: int, message: str, retry_after_s: float | None = None) -> VitrineError:
    """Returns the error that stands for an HTTP status, its nearest relative if none does."""
    nearest = InvalidRequest if 400 <= status < 500 else ServerError
    status = Unavailable.status if status == _BAD_GATEWAY else status
    kinds = (kind for kind in VitrineError.__subclasses__() if kind.status == status)
    return next(kinds, nearest)(message, retry_after_s=retry_after_s)
