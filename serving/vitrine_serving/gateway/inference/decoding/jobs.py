"""Decoding jobs as they travel between processes: a JSON head and bytes, there and back.

No pickles: what a decoding process answers is only data, whatever has become of it.
"""

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

import grpc

from vitrine_client import errors
from vitrine_client.errors import VitrineError
from vitrine_serving.errors import ServingError

log = logging.getLogger(__name__)

LENGTHS = 12
"""Bytes before each message: the length of its head in 4, and of what follows that in 8."""

Head = Mapping[str, Any]

Task = Callable[[Head, bytes], tuple[Head, bytes]]
"""Makes the answer of a job's head and content; may raise `VitrineError`, `ServingError` and
`MemoryError`."""

Tasks = Mapping[str, Task]
"""By the `task` in a job's head."""


def message(head: Head, content_bytes: int) -> bytes:
    """Returns the beginning of a message, which its content follows."""
    encoded = json.dumps(head).encode()
    return len(encoded).to_bytes(4, "big") + content_bytes.to_bytes(8, "big") + encoded


def lengths(first: bytes) -> tuple[int, int]:
    """Returns how many bytes the head and the content of a message have, by its first bytes."""
    return int.from_bytes(first[:4], "big"), int.from_bytes(first[4:], "big")


def parsed(encoded: bytes) -> Head:
    """Returns the head of a message."""
    head: Head = json.loads(encoded)
    return head


def done(tasks: Tasks, head: Head, content: bytes) -> tuple[Head, bytes]:
    """Does a job, and returns its answer, which may be an error."""
    try:
        return tasks[head["task"]](head, content)
    except MemoryError:
        return {"error": "MemoryError"}, b""
    except ServingError as error:
        told = {"message": str(error), "code": error.code.name, "hint": error.hint}
        return {"error": "ServingError", **told}, b""
    except VitrineError as error:
        return {"error": type(error).__name__, "message": str(error)}, b""
    except Exception:
        log.exception("A decoding job failed")
        return {"error": "ServerError", "message": "The gateway failed; its log says why"}, b""


def checked(head: Head) -> Head:
    """Returns the head of an answer. Raises the error that it is, as a task has raised it."""
    match head.get("error"):
        case None:
            return head
        case "MemoryError":
            raise MemoryError
        case "ServingError":
            raise ServingError(grpc.StatusCode[head["code"]], head["message"], head["hint"])
        case name:
            raise getattr(errors, name)(head["message"])
