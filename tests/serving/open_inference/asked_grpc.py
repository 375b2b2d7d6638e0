"""Somebody who calls a gateway by gRPC, over a socket in this process, and messages for it."""

import asyncio
from collections.abc import AsyncIterable, Sequence
from typing import Any, NamedTuple

import grpc
import numpy as np

from harness.ports import free_port
from vitrine_client.open_inference import grpc_messages
from vitrine_client.open_inference import wire_pb2 as wire
from vitrine_client.open_inference.messages import V2Request, V2Tensor
from vitrine_serving.gateway.application import Gateway
from vitrine_serving.gateway.http.reading import RequestSettings
from vitrine_serving.gateway.server.grpc_server import GrpcLimits, GrpcServer

X = np.array([[0.1, 2, 3], [4, 5, 6]], np.float32)
LIMITS = GrpcLimits(100, 10.0, 75.0, 30.0, RequestSettings())


class Called(NamedTuple):
    """End of a call: its code and words, the response where it is OK, and its metadata."""

    code: grpc.StatusCode
    words: str
    content: bytes
    metadata: dict[str, str]


class GrpcCaller:
    """Calls a gateway's gRPC server, which it starts."""

    def __init__(
        self,
        app: Gateway,
        runner: asyncio.Runner,
        limits: GrpcLimits = LIMITS,
        pems: Any = None,
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        self.app = app
        self.runner = runner
        self.noted = 0
        self.address = f"127.0.0.1:{free_port()}"
        runner.run(self._start(limits, pems, credentials))

    async def _start(self, limits: GrpcLimits, pems: Any, credentials: Any) -> None:
        def note() -> None:
            self.noted += 1

        self.app.start()
        self.server = GrpcServer(self.app, self.address, limits, pems, note)
        await self.server.start()
        options = [("grpc.max_receive_message_length", -1)]
        self.channel = (
            grpc.aio.secure_channel(self.address, credentials, options)
            if credentials
            else grpc.aio.insecure_channel(self.address, options)
        )

    def close(self) -> None:
        async def close() -> None:
            await self.channel.close()
            await self.server.end(0)
            self.app.close()

        self.runner.run(close())

    def call(self, method: str, message: Any = b"", **options: Any) -> Called:
        """Calls a method of the service, or one by its path."""
        return self.runner.run(self.called(method, message, **options))

    async def called(self, method: str, message: Any = b"", **options: Any) -> Called:
        path = method if method.startswith("/") else grpc_messages.path_of(method)
        content = message if isinstance(message, bytes) else message.SerializeToString()
        call = self.channel.unary_unary(path)(content, **({"timeout": 20} | options))
        try:
            answered = await call
        except grpc.aio.AioRpcError as error:
            return Called(
                error.code(), error.details() or "", b"", _text(error.trailing_metadata())
            )
        return Called(grpc.StatusCode.OK, "", answered, _text(await call.trailing_metadata()))

    def infer(self, message: Any = None, **options: Any) -> Called:
        return self.call("ModelInfer", asked() if message is None else message, **options)

    def stream(
        self, requests: Sequence[Any] | AsyncIterable[bytes], **options: Any
    ) -> tuple[list[wire.ModelStreamInferResponse], grpc.StatusCode, str]:
        return self.runner.run(self.streamed(requests, **options))

    async def streamed(self, requests: Any, **options: Any):
        """Returns the responses of a stream, and its code and words."""
        if isinstance(requests, list | tuple):
            sent = [
                each if isinstance(each, bytes) else each.SerializeToString() for each in requests
            ]
        else:
            sent = requests
        call = self.channel.stream_stream(grpc_messages.path_of("ModelStreamInfer"))(
            _each(sent), **({"timeout": 20} | options)
        )
        found = []
        while True:
            try:
                content = await call.read()
            except grpc.aio.AioRpcError:
                break
            if content is grpc.aio.EOF:
                break
            found.append(wire.ModelStreamInferResponse.FromString(content))
        return found, await call.code(), await call.details()


async def _each(requests: Any):
    if isinstance(requests, list):
        for each in requests:
            yield each
        return
    async for each in requests:
        yield each


def _text(metadata: Any) -> dict[str, str]:
    return {name: value for name, value in metadata or () if isinstance(value, str)}


def asked(array: np.ndarray = X, **fields: Any) -> wire.ModelInferRequest:
    """A request to `m` for an array."""
    request = V2Request([V2Tensor("x", "FP32", array)], model_name="m")
    for name, value in fields.items():
        setattr(request, name, value)
    return wire.ModelInferRequest.FromString(grpc_messages.write_request(request))


def answered(called: Called) -> dict[str, np.ndarray]:
    """The outputs of a response by name."""
    assert called.code is grpc.StatusCode.OK, called
    response = grpc_messages.read_response(called.content)
    return {each.name: each.array for each in response.outputs}
