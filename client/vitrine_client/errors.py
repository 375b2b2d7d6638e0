"""Everything that the client and the gateway raise, under one base.

    VitrineError
    ├── InvalidRequest          400  the request makes no sense to the model
    │   └── InvalidImage        400  the picture cannot be read, or must not be
    ├── NotFound                404  no such model, version or label
    ├── MethodNotAllowed        405
    ├── PayloadTooLarge         413
    ├── UnsupportedMediaType    415
    ├── ResourceExhausted       429  too much at once
    ├── ServerError             500  a bug in a server, or an answer that makes no sense
    ├── Unavailable             503  nobody there, or not ready yet: trying again can help
    └── DeadlineExceeded        504  no answer in time

The gateway answers with the `status` of what it raises, and the client raises the class of the
status that it is answered with, so an error means the same on both sides of the wire.
"""


class VitrineError(Exception):
    """Base of all of them; `status` is its HTTP status, the message says what to do."""

    status = 500


class InvalidRequest(VitrineError):
    """The request makes no sense to the model (wrong shape, dtype, name or signature)."""

    status = 400


class InvalidImage(InvalidRequest):
    """The picture cannot be read, or must not be: garbage, a format we refuse, too many pixels."""


class NotFound(VitrineError):
    """No such model, version, version label or address."""

    status = 404


class MethodNotAllowed(VitrineError):
    """The address is right, the HTTP method is not."""

    status = 405


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


class Unavailable(VitrineError):
    """Nobody there, or not ready yet; trying again can help."""

    status = 503


class DeadlineExceeded(VitrineError):
    """No answer before the deadline."""

    status = 504


def for_status(status: int, message: str) -> VitrineError:
    """Returns the error that stands for an HTTP status, its nearest relative if none does."""
    for kind in VitrineError.__subclasses__():
        if kind.status == status:
            return kind(message)
    return InvalidRequest(message) if 400 <= status < 500 else ServerError(message)
