"""Health checking and reflection of the gateway by gRPC, for balancers and tools; without keys."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from vitrine_client.errors import InvalidRequest, RequestTimeout, VitrineError
from vitrine_client.tfserving.messages import code_for_status
from vitrine_serving.gateway.server.grpc_bounds import OpenStreams, read_message, read_next
from vitrine_serving.grpc_services import reflection
from vitrine_serving.grpc_services import services_pb2 as services
from vitrine_serving.grpc_services.descriptors import HEALTH
from vitrine_serving.grpc_services.reflection import Reflection

_LOOK_S = 0.5

_STATUS = services.HealthCheckResponse
_UNREADABLE = "This is no HealthCheckRequest"


class GatewayHealth:
    """Health of a process of the gateway: one status, whatever service is asked for, as Triton's.

    `is_serving` says whether requests are answered. A message has to come within `timeout_s`.
    """

    def __init__(
        self, is_serving: Callable[[], Awaitable[bool]], bounds: OpenStreams, timeout_s: float
    ) -> None:
        self._is_serving = is_serving
        self._bounds = bounds
        self._timeout_s = timeout_s
        self._ending = asyncio.Event()

    @property
    def handlers(self) -> dict[str, grpc.RpcMethodHandler]:
        """The handlers by the paths of methods."""
        return {
            f"/{HEALTH}/Check": grpc.stream_unary_rpc_method_handler(self._check),
            f"/{HEALTH}/Watch": grpc.stream_stream_rpc_method_handler(
                self._bounds.bounded(self._watch)
            ),
        }

    def end(self) -> None:
        """Has each watch tell that nothing is served any more, and end."""
        self._ending.set()

    async def _check(self, _: object, context: Any) -> bytes:
        await _check_request(context, self._timeout_s)
        return await self._status()

    async def _watch(self, _: object, context: Any) -> None:
        await _check_request(context, self._timeout_s)
        told = b""
        while not self._ending.is_set():
            status = await self._status()
            if status != told:
                await context.write(told := status)
            try:
                await asyncio.wait_for(self._ending.wait(), _LOOK_S)
            except TimeoutError:
                continue
        await context.write(_written(serves=False))

    async def _status(self) -> bytes:
        return _written(serves=not self._ending.is_set() and await self._is_serving())


async def _check_request(context: Any, timeout_s: float) -> None:
    try:
        services.HealthCheckRequest.FromString(await read_message(context, timeout_s))
    except DecodeError:
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, _UNREADABLE)
    except VitrineError as error:
        await context.abort(code_for_status(error.status), str(error))


def _written(*, serves: bool) -> bytes:
    return _STATUS(status=_STATUS.SERVING if serves else _STATUS.NOT_SERVING).SerializeToString()


def reflection_handlers(bounds: OpenStreams, timeout_s: float) -> dict[str, grpc.RpcMethodHandler]:
    """Returns the handlers of reflection by the paths of methods, of both its versions. Each
    request has to come within `timeout_s`."""
    answering = Reflection()

    async def serve(_: object, context: Any) -> None:
        try:
            while (content := await read_next(context, timeout_s)) is not None:
                await context.write(answering.answer(content))
        except (InvalidRequest, RequestTimeout) as error:
            await context.abort(code_for_status(error.status), str(error))

    handler = grpc.stream_stream_rpc_method_handler(bounds.bounded(serve))
    return {f"/{name}/{reflection.METHOD}": handler for name in reflection.NAMES}
