"""Health checking and reflection of the gateway by gRPC, for balancers and tools; without keys."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from vitrine_client.errors import InvalidRequest
from vitrine_serving.grpc_services import reflection
from vitrine_serving.grpc_services import services_pb2 as services
from vitrine_serving.grpc_services.descriptors import HEALTH
from vitrine_serving.grpc_services.reflection import Reflection

_LOOK_S = 0.5

_STATUS = services.HealthCheckResponse
_UNREADABLE = "This is no HealthCheckRequest"


class GatewayHealth:
    """Health of a process of the gateway: one status, whatever service is asked for, as Triton's.

    `is_serving` says whether requests are answered.
    """

    def __init__(self, is_serving: Callable[[], Awaitable[bool]]) -> None:
        self._is_serving = is_serving
        self._ending = asyncio.Event()

    @property
    def handlers(self) -> dict[str, grpc.RpcMethodHandler]:
        """The handlers by the paths of methods."""
        return {
            f"/{HEALTH}/Check": grpc.unary_unary_rpc_method_handler(self._check),
            f"/{HEALTH}/Watch": grpc.unary_stream_rpc_method_handler(self._watch),
        }

    def end(self) -> None:
        """Has each watch tell that nothing is served any more, and end."""
        self._ending.set()

    async def _check(self, content: bytes, context: Any) -> bytes:
        await _checked(content, context)
        return await self._status()

    async def _watch(self, content: bytes, context: Any) -> None:
        await _checked(content, context)
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


async def _checked(content: bytes, context: Any) -> None:
    try:
        services.HealthCheckRequest.FromString(content)
    except DecodeError:
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, _UNREADABLE)


def _written(*, serves: bool) -> bytes:
    return _STATUS(status=_STATUS.SERVING if serves else _STATUS.NOT_SERVING).SerializeToString()


def reflection_handlers() -> dict[str, grpc.RpcMethodHandler]:
    """Returns the handlers of reflection by the paths of methods, of both its versions."""
    answering = Reflection()

    async def serve(_: object, context: Any) -> None:
        while isinstance(content := await context.read(), bytes):
            try:
                response = answering.answer(content)
            except InvalidRequest as error:
                await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
            await context.write(response)

    handler = grpc.stream_stream_rpc_method_handler(serve)
    return {f"/{name}/{reflection.METHOD}": handler for name in reflection.NAMES}
