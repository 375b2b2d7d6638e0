"""Rehearsal before the load: each request once and alone, whose responses are the right ones.

One answer that is missing does not end a load test: a failure that may pass is tried again, and a
request that has none all the same gets its right answer from the first one under load.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from selectors import DefaultSelector

from vitrine_client import errors
from vitrine_client.http import unanswered_calls
from vitrine_client.loadtest.generator import faults
from vitrine_client.loadtest.generator.answers import Classes, classes_of
from vitrine_client.loadtest.generator.connections import LoadConnections, connections_to
from vitrine_client.loadtest.generator.http_connection import Endpoint, HttpConnection, tls_failure
from vitrine_client.loadtest.generator.targets import blaming, method_of
from vitrine_client.loadtest.plan import V2_KINDS, Workload
from vitrine_client.open_inference.client.calls import words_of
from vitrine_client.process import addresses, trust

_PAUSES_S = (0.1, 0.3, 0.9)
"""Before a request is sent again."""

_MOST_TIMEOUTS = 2
"""Of one request: a server that hangs is not waited for any longer."""

_MOST_IN_A_ROW = 3
"""Requests without an answer, after which no more are asked."""

_OF_REQUEST = (errors.InvalidRequest, errors.PayloadTooLarge, errors.UnsupportedMediaType)
"""Errors that may be one request's and not another's."""

_MAY_PASS = {
    *("HTTP 408", "HTTP 425", "HTTP 429"),
    *("ABORTED", "CANCELLED", "INTERNAL", "RESOURCE_EXHAUSTED", "UNKNOWN"),
}
_FAILED = "HTTP 5"
_NO_BINARY = (400, 415, 422, 500)
"""Of servers that take a body with binary data for broken JSON."""

_IS_IT = "is that what you want to measure?"
_NOT_OURS = {
    faults.NO_HTTP: "speaks no HTTP",
    faults.TOO_LONG: f"sends over {faults.LONGEST_BYTES >> 20} MiB for one request",
}
"""Why it cannot be what was meant, though somebody answers."""


@dataclass(frozen=True)
class Rehearsed:
    """Rehearsal's outcome: the classes in the answer to each request, None where there was none;
    `closed_after` so many answers the server closed the connection, 0 where it did not."""

    classes: tuple[Classes | None, ...]
    closed_after: int = 0


def rehearse(
    target: Workload, endpoint: Endpoint | str, requests: Sequence[bytes], timeout_s: float
) -> Rehearsed:
    """Asks for each request once, and again where that failed and may pass.

    Raises the `VitrineError` of the first that cannot be answered, or where none is at all: what
    the server says, `Unavailable` where it does not answer, `DeadlineExceeded` where it takes over
    `timeout_s` for one.
    """
    with (
        DefaultSelector() as selector,
        connections_to(
            endpoint,
            selector,
            timeout_s,
            tls=target.tls,
            headers=target.metadata,
            method=method_of(target.kind),
            kind=_Hearing,
        ) as connections,
    ):
        asker = _Asker(target, endpoint, selector, connections, timeout_s)
        classes: list[Classes | None] = []
        failed: errors.VitrineError | None = None
        missing = 0
        for turn, request in enumerate(requests):
            try:
                classes.append(asker.classes(request))
                missing = 0
            except _OF_REQUEST as error:
                told = blaming(target, (turn, len(requests)), str(error))
                raise type(error)(told) from error
            except _PassingError as error:
                failed = failed or error.reason
                classes.append(None)
                missing += 1
                hangs = isinstance(error.reason, errors.DeadlineExceeded)
                answered = len(classes) > classes.count(None)
                if failed and (missing >= _MOST_IN_A_ROW or (hangs and not answered)):
                    break
    if failed and len(classes) == classes.count(None):
        raise failed
    classes += [None] * (len(requests) - len(classes))
    return Rehearsed(tuple(classes), asker.closed_after)


class _PassingError(Exception):
    """Failure that may pass by the next time; `reason` says it to a user."""

    def __init__(self, reason: errors.VitrineError) -> None:
        super().__init__(reason)
        self.reason = reason


class _Hearing(HttpConnection):
    """Connection that keeps the headers of answers, by their names in lower case."""

    headers: dict[str, str]

    def on_message_begin(self) -> None:
        """Is called by the parser."""
        self.headers = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        """Is called by the parser, for each header."""
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")


class _Asker:
    """Asker over one connection, one request after the other."""

    def __init__(
        self,
        target: Workload,
        endpoint: Endpoint | str,
        selector: DefaultSelector,
        connections: LoadConnections,
        timeout_s: float,
    ) -> None:
        self._target, self._endpoint = target, endpoint
        self._selector, self._timeout_s = selector, timeout_s
        self._connections = connections
        self._ended: list[tuple[str, bytes]] = []
        self._connection = connections.connect(lambda *ended: self._ended.append(ended[:2]))

    @property
    def closed_after(self) -> int:
        """After how many answers the server closed a connection under a request, 0 if never."""
        return self._connections.tally.fewest

    def classes(self, request: bytes) -> Classes:
        """Returns the classes in its answer. Raises `_PassingError` where there is none, and
        `VitrineError` where it is none to wait for."""
        timeouts = 0
        for pause_s in (*_PAUSES_S, None):
            fault, body = self._sent(request)
            if fault == faults.CLOSED or faults.is_odd(fault or self._unread(body)):
                fault, body = self._sent(request)  # the next connection is a new one
            if not fault:
                return self._checked(classes_of(self._target.kind, body))
            timeouts += fault == faults.TIMEOUT
            if not _may_pass(fault):
                raise self._error(fault, body)
            if pause_s is None or timeouts >= _MOST_TIMEOUTS:
                break
            time.sleep(pause_s)
        raise _PassingError(self._error(fault, body))

    def _checked(self, found: Classes) -> Classes:
        """Raises `ServerError` for an answer of any server that has fewer rows than were sent."""
        if self._target.kind in V2_KINDS and len(found) < self._target.batch_size:
            raise errors.ServerError(
                f"{self._target.model} answers {len(found)} rows to {self._target.batch_size}"
            )
        return found

    def _unread(self, body: bytes) -> str:
        """Returns the fault of a body without classes."""
        try:
            classes_of(self._target.kind, body)
        except errors.InvalidImage:
            return faults.INVALID_IMAGE
        except errors.VitrineError:
            return faults.NO_ANSWER
        return ""

    def _sent(self, request: bytes) -> tuple[str, bytes]:
        """Returns the fault and the body of an answer."""
        deadline_s = time.monotonic() + self._timeout_s
        fault = self._connection.send(request)
        if fault:
            return fault, b""
        while not self._ended:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                self._connection.abort()
                return faults.TIMEOUT, b""
            for key, mask in self._selector.select(left_s):
                key.data(mask, time.monotonic())
        return self._ended.pop()

    def _error(self, fault: str, body: bytes) -> errors.VitrineError:
        address = addresses.without_password(self._target.address)
        if fault == faults.TIMEOUT:
            return errors.DeadlineExceeded(f"{address} did not answer one request in time")
        status = fault.removeprefix("HTTP ")
        if status.isdecimal():
            there = getattr(self._connection, "headers", {}).get("location")
            if status.startswith("3") and there:
                leads = f"{fault} and leads to {addresses.without_password(there)}"
                return errors.ServerError(
                    f"{address} answers {leads}; name that address, if it is what you want to "
                    "measure"
                )
            is_v2 = self._target.kind in V2_KINDS
            detail = (words_of(body) if is_v2 else _detail(body)) or _IS_IT
            if self._target.kind == "v2-binary" and int(status) in _NO_BINARY:
                detail += "; a server without binary data takes --as v2"
            return errors.for_status(int(status), f"{address} answers {fault}: {detail}")
        if self._target.is_grpc and fault not in _NOT_OURS:
            return _grpc_error(self._target, fault, body.decode())
        if fault == faults.TLS and isinstance(self._endpoint, Endpoint):
            why = tls_failure(self._endpoint, self._timeout_s) or OSError("reset")
            return unanswered_calls.untrusted(address, why)
        if fault in faults.OWN:
            return errors.VitrineError(f"No request can be sent: {faults.OWN[fault]}")
        if fault in _NOT_OURS:
            return errors.ServerError(f"What answers at {address} {_NOT_OURS[fault]}; {_IS_IT}")
        hint = f"; perhaps {trust.CERTIFICATE_HINT}" if address.startswith("https:") else ""
        return errors.Unavailable(f"{address} does not answer ({fault}){hint}")


def _may_pass(fault: str) -> bool:
    if fault in (faults.TLS, faults.NO_HTTP) or fault in faults.OWN:
        return False
    if not faults.is_answer(fault):
        return True
    return fault in _MAY_PASS or (fault.startswith(_FAILED) and fault != "HTTP 501")


def _grpc_error(target: Workload, name: str, details: str) -> errors.VitrineError:
    import grpc

    if target.kind == "v2-grpc":
        from vitrine_client.open_inference.client.grpc_client import error_for

        return error_for(grpc.StatusCode[name], details, target.address)
    from vitrine_client.tfserving import messages

    return messages.error_for(grpc.StatusCode[name], details, target.address)


def _detail(body: bytes) -> str:
    """Error message of a gateway or TensorFlow Serving, empty for others."""
    try:
        content = json.loads(body)
        return f"{content.get('detail') or content['error']!s:.500}"
    except (ValueError, AttributeError, KeyError, RecursionError):
        return ""
