"""Errors of the client and the gateway, under one base.

The gateway answers with the `status` of what it raises, and the client raises the class of the
status that it is answered with, so an error means the same on both sides of the wire. A 502 that is
not the gateway's own is a proxy's word for a gateway that is not there, and `Unavailable`.
"""

_BAD_GATEWAY = 502


class VitrineError(Exception):
    """Base of all errors; `status` is the HTTP status, the message tells the way out.

    `retry_after_s` is when trying again can help, where that is known: seconds from the answer.
    `headers` are further ones of the HTTP answer, name and value; a `hint` is what it says beside
    another's words.
    """

    status = 500

    def __init__(
        self,
        *args: object,
        retry_after_s: float | None = None,
        headers: tuple[tuple[str, str], ...] = (),
        hint: str = "",
    ) -> None:
        super().__init__(*args)
        self.hint = hint
        self.retry_after_s = retry_after_s
        self.headers = headers


class InvalidRequest(VitrineError):
    """Request that makes no sense to the model (wrong shape, dtype, name or signature)."""

    status = 400


class InvalidArgument(InvalidRequest, ValueError):
    """Argument of a client that is none: a time-out, a key, retries, or files for TLS."""


class InvalidImage(InvalidRequest):
    """Picture that cannot be read, or must not be: garbage, a format we refuse, too many pixels."""


class EmptyPicture(InvalidImage):
    """Picture that shows nothing: it is blank, black or noise, and no model was asked.

    `warnings` say in words which parts were left out, or are doubtful.
    """

    def __init__(self, *args: object, warnings: tuple[str, ...] = ()) -> None:
        super().__init__(*args)
        self.warnings = warnings


class NotAPicture(InvalidImage, TypeError):
    """Argument that is no picture, or not one: None, a list, a URL, a folder, a file in text mode.
    The message says what to pass instead."""


class LabelNotMoved(InvalidRequest):
    """Version label that stays where it was: no version to name, or a model server refuses it."""


class Unauthorized(VitrineError):
    """API key that is missing, or that the gateway does not know."""

    status = 401


class NotFound(VitrineError):
    """Model, version, version label or address that is not there."""

    status = 404


class MethodNotAllowed(VitrineError):
    """HTTP method that an address does not have."""

    status = 405


class RequestTimeout(VitrineError):
    """Request that was begun, and did not come to its end in time."""

    status = 408


class AlreadyFlagged(VitrineError):
    """Picture that was flagged with another label before."""

    status = 409


class PayloadTooLarge(VitrineError):
    """Body with more bytes, or more images, than the gateway takes at once."""

    status = 413


class UnsupportedMediaType(VitrineError):
    """Content type of a body that the gateway does not read."""

    status = 415


class TakesNoPictures(VitrineError):
    """Model that no picture can be sent to: it is no image classifier, or does not say how its
    pictures are made. The message says what it takes, and what to write where."""

    status = 422


class ResourceExhausted(VitrineError):
    """Load shedding or a rate limit: too much at once; less, or later, works."""

    status = 429


class ServerError(VitrineError):
    """Bug in a server, or an answer that makes no sense."""


class ModelFault(ServerError):
    """Fault of a model: an answer that breaks its signature's promise, such as probabilities that
    are no numbers, or a version that cannot work; the message names both, and the way out."""

    status = 502


class Unimplemented(VitrineError):
    """Feature that the model server lacks, such as JSON for values of a dtype."""

    status = 501


class Unavailable(VitrineError):
    """Server that is not there, or not ready yet; trying again can help."""

    status = 503


class Unreachable(Unavailable):
    """Missing connection to a model server; the message has its address, and why."""


class NotGrpc(Unreachable):
    """Server that speaks another protocol at a model server's address."""

    reason = (
        "answers, but not by gRPC; TensorFlow Serving's gRPC port is 8500, and 8501 is for REST"
    )


class DeadlineExceeded(VitrineError):
    """Deadline that passed without an answer."""

    status = 504


class NotStored(VitrineError):
    """Feedback that the gateway could not write: its disk is full, or may not be written to."""

    status = 507


class ClientClosed(VitrineError, RuntimeError):
    """Client that was closed, by `close` or at the end of its `with` block, before the call."""


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
