"""Fake server of the Open Inference Protocol over gRPC, with the model of the one over HTTP."""

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc

from tests.client.open_inference.fake_v2_server import MODEL, brightest
from vitrine_client.open_inference import grpc_messages
from vitrine_client.open_inference import wire_pb2 as wire
from vitrine_client.open_inference.messages import V2Response

METADATA = wire.ModelMetadataResponse(
    name=MODEL,
    versions=["2"],
    inputs=[{"name": "images", "datatype": "FP32", "shape": [-1, 28, 28]}],
    outputs=[{"name": "probabilities", "datatype": "FP32", "shape": [-1, 10]}],
)


class FakeV2GrpcServer:
    """Fake server that keeps the metadata of calls; with a `code` all inferences end with that."""

    def __init__(self) -> None:
        self.address = ""
        self.metadata: list[dict[str, str]] = []
        self.code: grpc.StatusCode | None = None

    def called(self, method: str, body: bytes, context: grpc.ServicerContext) -> bytes:
        """Answers a call."""
        self.metadata.append(dict(context.invocation_metadata()))
        if method == "ModelMetadata":
            if wire.ModelRequest.FromString(body).name != MODEL:
                context.abort(
                    grpc.StatusCode.NOT_FOUND, "Request for unknown model: it is not found"
                )
            return METADATA.SerializeToString()
        if method != "ModelInfer":
            context.abort(grpc.StatusCode.UNIMPLEMENTED, "")
        if self.code:
            context.abort(self.code, "no")
        request = grpc_messages.read_request(grpc_messages.parsed(body))
        response = V2Response(MODEL, "2", brightest(request)[:1], request.id)
        return grpc_messages.write_response(response).SerializeToString()


class _Methods(grpc.GenericRpcHandler):
    def __init__(self, fake: FakeV2GrpcServer) -> None:
        self._fake = fake

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        service, _, method = details.method.rpartition("/")
        if service != f"/{grpc_messages.SERVICE}":
            return None
        return grpc.unary_unary_rpc_method_handler(
            lambda body, context: self._fake.called(method, body, context)
        )


@contextlib.contextmanager
def v2_grpc_server(
    credentials: grpc.ServerCredentials | None = None,
) -> Iterator[FakeV2GrpcServer]:
    """Runs a server until the end of the block, with TLS where it has credentials."""
    fake = FakeV2GrpcServer()
    server = grpc.server(ThreadPoolExecutor(8), handlers=(_Methods(fake),))
    free = "127.0.0.1:0"
    port = (
        server.add_secure_port(free, credentials) if credentials else server.add_insecure_port(free)
    )
    fake.address = f"127.0.0.1:{port}"
    server.start()
    try:
        yield fake
    finally:
        server.stop(None).wait()
