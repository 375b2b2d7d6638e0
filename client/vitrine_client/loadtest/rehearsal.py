"""Before the load: each request once and alone. What comes back are the right answers."""

import json
import time
from collections.abc import Sequence
from selectors import DefaultSelector

from vitrine_client import errors, trust, unanswered_calls
from vitrine_client.loadtest.answers import Classes, classes_of
from vitrine_client.loadtest.connections import connections_to
from vitrine_client.loadtest.endpoint import Endpoint, tls_failure
from vitrine_client.loadtest.plan import Target


def right_answers(
    target: Target, endpoint: Endpoint | str, requests: Sequence[bytes], timeout_s: float
) -> tuple[Classes, ...]:
    """Returns the classes in the answer to each request.

    Raises the `VitrineError` of the first that has none: what the server says, `Unavailable` where
    it does not answer, `DeadlineExceeded` where it takes over `timeout_s` for one.
    """
    answers: list[tuple[str, bytes]] = []
    with (
        DefaultSelector() as selector,
        connections_to(endpoint, selector, timeout_s, tls=target.tls) as connect,
    ):
        connection = connect(lambda fault, body, _: answers.append((fault, body)))
        found = []
        for request in requests:
            deadline_s = time.monotonic() + timeout_s
            fault = connection.send(request)
            if fault:
                answers.append((fault, b""))
            while not answers:
                left_s = deadline_s - time.monotonic()
                if left_s <= 0:
                    connection.abort()
                    answers.append(("timeout", b""))
                for key, mask in selector.select(max(left_s, 0)):
                    key.data(mask, time.monotonic())
            fault, body = answers.pop()
            if fault == "TLS" and isinstance(endpoint, Endpoint):
                why = tls_failure(endpoint, timeout_s) or OSError("reset")
                raise unanswered_calls.untrusted(target.address, why)
            if fault:
                raise _error(target, fault, body)
            found.append(classes_of(target.kind, body))
    return tuple(found)


def _error(target: Target, fault: str, body: bytes) -> errors.VitrineError:
    if fault == "timeout":
        return errors.DeadlineExceeded(f"{target.address} did not answer one request in time")
    status = fault.removeprefix("HTTP ")
    if status.isdecimal():
        detail = _detail(body) or "is that what you want to measure?"
        return errors.for_status(int(status), f"{target.address} answers {fault}: {detail}")
    if target.kind == "grpc":
        return _grpc_error(target, fault, body.decode())
    hint = f"; perhaps {trust.CERTIFICATE_HINT}" if target.address.startswith("https:") else ""
    return errors.Unavailable(f"{target.address} does not answer ({fault}){hint}")


def _grpc_error(target: Target, name: str, details: str) -> errors.VitrineError:
    import grpc

    from vitrine_client import calls

    return calls.error_for(grpc.StatusCode[name], details, target.address)


def _detail(body: bytes) -> str:
    """What a gateway or TensorFlow Serving says of it, empty where it is neither."""
    try:
        content = json.loads(body)
        return str(content.get("detail") or content["error"])
    except (ValueError, AttributeError, KeyError):
        return ""
