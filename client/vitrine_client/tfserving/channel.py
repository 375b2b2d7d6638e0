"""Channel to a model server: gRPC's connection, its TLS trust, and its end by a fork.

gRPC goes on in a forked process where none of its threads was busy at the fork
(https://github.com/grpc/grpc/blob/master/doc/fork_support.md): the child makes a channel of its
own. Where one was, or where `GRPC_ENABLE_FORK_SUPPORT=0`, calls in the child never end, not even at
their deadlines, so that they raise instead.
"""

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal

import grpc

from vitrine_client import errors
from vitrine_client.process import local_sockets
from vitrine_client.process.per_process import PerProcess
from vitrine_client.process.trust import Certificate, StrPath, Trust
from vitrine_client.tfserving import messages

Verify = Literal[True] | StrPath | Trust | None
"""The CAs to trust: a PEM file, the usual ones, or those of `VITRINE_MODEL_SERVER_CA`."""

_Method = Callable[..., bytes]
_VARIABLES = ("VITRINE_MODEL_SERVER_CERT", "VITRINE_MODEL_SERVER_KEY")
_OFF = ("0", "false", "no", "off")

_busy: set[tuple[int, object]] = set()
"""Calls under way: the process of each. A fork copies those of other threads, which never end."""

_users: set[int] = set()
"""The processes that have used gRPC: this one, and those that it was forked from."""


class Channel:
    """Channel to one model server, over a connection that is made when it is needed."""

    def __init__(
        self,
        address: str,
        methods: Iterable[str],
        connect: Callable[[], grpc.Channel],
    ) -> None:
        self._address, self._methods = address, tuple(methods)
        self._connect = connect
        self._made = PerProcess(self._make(), lambda _: self._make())

    def call(self, method: str, request: bytes, timeout_s: float) -> bytes:
        """Asks once more where nobody answers: all that is asked may be asked twice. Raises
        `VitrineError`."""
        ask = self._made.get()[1][method]
        deadline, this_call = time.monotonic() + timeout_s, (os.getpid(), object())
        _busy.add(this_call)
        try:
            return ask(request, timeout=timeout_s)
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise self._translated(error) from error
            return self._called_again(ask, request, deadline, error)
        finally:
            _busy.discard(this_call)

    def wait_until_ready(self, timeout_s: float) -> None:
        """Blocks until the server takes messages. Raises `Unavailable` after `timeout_s`."""
        try:
            grpc.channel_ready_future(self._made.get()[0]).result(timeout=timeout_s)
        except grpc.FutureTimeoutError:
            raise errors.Unavailable(
                f"No model server answered at {self._address} within {timeout_s:g} s"
            ) from None

    def close(self) -> None:
        """Ends the connection of this process."""
        if made := self._made.own():
            made[0].close()

    def _called_again(self, ask: _Method, request: bytes, deadline: float, first: Any) -> bytes:
        left_s = max(deadline - time.monotonic(), 0.0)
        try:
            return ask(request, timeout=min(messages.RECONNECT_S, left_s), wait_for_ready=True)
        except grpc.RpcError as error:
            late = error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            raise self._translated(first if late else error) from error

    def _translated(self, error: Any) -> errors.VitrineError:
        return messages.error_for(error.code(), error.details(), self._address)

    def _make(self) -> tuple[grpc.Channel, dict[str, _Method]]:
        _check_process()
        channel = self._connect()
        return channel, {
            name: channel.unary_unary(messages.path_of(name)) for name in self._methods
        }


def _check_process() -> None:
    """Raises `VitrineError` where gRPC does not work in this process."""
    own = os.getpid()
    off = os.environ.get("GRPC_ENABLE_FORK_SUPPORT", "").lower() in _OFF
    if any(pid != own for pid, _ in tuple(_busy)) or (off and _users - {own}):
        why = "with GRPC_ENABLE_FORK_SUPPORT off" if off else "while another thread called by gRPC"
        raise errors.VitrineError(
            f"This process was forked {why}, which gRPC does not survive; fork before the first "
            'call, or start processes with multiprocessing.get_context("spawn")'
        )
    _users.add(own)


def new_channel(
    address: str,
    trust: Trust | None,
    server_name: str = "",
    credentials: grpc.ChannelCredentials | None = None,
    most_bytes: int = -1,
) -> grpc.Channel:
    """Returns a channel, with TLS where there is whom to trust or there are credentials; without
    `server_name` it is that of `VITRINE_MODEL_SERVER_NAME`, if that is set. It takes answers of up
    to `most_bytes`, -1 for any."""
    if local_sockets.path_of(address):  # which nobody listens in on
        address, trust, credentials = local_sockets.grpc_address(address), None, None
    name = server_name or os.environ.get("VITRINE_MODEL_SERVER_NAME", "")
    options = messages.channel_options(name, most_bytes)
    shown = credentials or (_credentials(trust) if trust else None)
    if shown:
        return grpc.secure_channel(address, shown, options=options)
    return grpc.insecure_channel(address, options=options)


def trust_of(verify: Verify, cert: Certificate) -> Trust | None:
    """Returns the trust for TLS; None without it, where neither the caller nor the environment
    names a CA. Raises `InvalidRequest` for a file that cannot be used."""
    verify = verify or os.environ.get("VITRINE_MODEL_SERVER_CA") or None
    if verify is None:
        if cert is not None:
            raise errors.InvalidRequest(f"A certificate to show needs a CA to trust: {_HINT}")
        return None
    trust = Trust.chosen(verify, cert, variables=_VARIABLES)
    trust.context()  # gRPC would find out with the first call only, and say little
    return trust


def _credentials(trust: Trust) -> grpc.ChannelCredentials:
    key = trust.key or trust.cert
    return grpc.ssl_channel_credentials(
        b"".join(_pem_of(authority) for _, authority in trust.authorities),
        Path(key).read_bytes() if key else None,
        Path(trust.cert).read_bytes() if trust.cert else None,
    )


_HINT = "--ca, VITRINE_MODEL_SERVER_CA or `verify` name it"


def _pem_of(authority: str) -> bytes:
    path = Path(authority)
    files = sorted(each for each in path.iterdir() if each.is_file()) if path.is_dir() else [path]
    return b"\n".join(each.read_bytes() for each in files)
