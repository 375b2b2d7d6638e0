"""Fault attribution: whether a failed call is the caller's fault, the model's or the server's."""

from typing import Literal

from vitrine_client.errors import ResourceExhausted, ServerError, Unimplemented, VitrineError

Fault = Literal["caller", "model", "server"]


def fault_of(error: VitrineError) -> Fault:
    """Returns the one at fault for a call that failed with `error`.

    The caller's are requests that no model would answer; the model's are computations that failed,
    and answers that do not keep the signature's promise; the server's are full queues, lost
    connections and missed deadlines.
    """
    if isinstance(error, Unimplemented):
        return "caller"
    if isinstance(error, ServerError):
        return "model"
    if 400 <= error.status < 500 and not isinstance(error, ResourceExhausted):
        return "caller"
    return "server"
