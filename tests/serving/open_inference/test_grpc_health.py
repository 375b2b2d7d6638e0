"""Health checking and reflection by gRPC."""

import asyncio

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from tests.serving.open_inference.asked_grpc import LIMITS, asked
from vitrine_serving.gateway.http.reading import RequestSettings
from vitrine_serving.grpc_services import services_pb2 as services

CODE = grpc.StatusCode
CHECK, WATCH = "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"
REFLECTION = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
SERVING, NOT_SERVING = (
    services.HealthCheckResponse.SERVING,
    services.HealthCheckResponse.NOT_SERVING,
)


def status(content: bytes) -> int:
    return services.HealthCheckResponse.FromString(content).status


@pytest.mark.parametrize("service", ["", "inference.GRPCInferenceService", "m", "nope"])
def test_check_is_readiness_whatever_the_service(caller, servers, service):
    request = services.HealthCheckRequest(service=service)
    assert status(caller.call(CHECK, request).content) == SERVING
    servers.names = ()
    assert status(caller.call(CHECK, request).content) == NOT_SERVING


def test_check_of_a_gateway_that_drains(caller):
    caller.app.begin_draining()
    assert status(caller.call(CHECK).content) == NOT_SERVING
    assert caller.infer(asked()).code is CODE.OK


def test_bytes_that_are_no_check(caller):
    assert caller.call(CHECK, b"\xff").code is CODE.INVALID_ARGUMENT


def test_a_watch_tells_changes_and_ends_with_the_server(caller, servers):
    async def run():
        call = caller.channel.unary_stream(WATCH)(b"", timeout=20)
        found = [status(await call.read())]
        servers.names = ()
        found.append(status(await call.read()))
        servers.names = ("m",)
        found.append(status(await call.read()))
        ending = asyncio.create_task(caller.server.end(5))
        found.append(status(await call.read()))
        await ending
        return found, await call.code()

    told, code = caller.runner.run(run())
    assert told == [SERVING, NOT_SERVING, SERVING, NOT_SERVING]
    assert code is CODE.OK


@pytest.mark.parametrize("path", [CHECK, WATCH, REFLECTION])
def test_messages_that_do_not_come(calling, path):
    """Whoever has no key may ask for health, and must not keep a call for nothing."""
    caller = calling(LIMITS._replace(requests=RequestSettings(body_timeout_s=0.2)))

    async def run():
        call = caller.channel.stream_stream(path)(timeout=20)
        return await call.code(), await call.details()

    code, words = caller.runner.run(run())
    assert (code, "did not come within 0.2 s" in words) == (CODE.DEADLINE_EXCEEDED, True)


@pytest.mark.parametrize("path", [CHECK, WATCH])
def test_health_without_a_message(caller, path):
    async def run():
        call = caller.channel.stream_stream(path)(timeout=20)
        await call.done_writing()
        return await call.code()

    assert caller.runner.run(run()) is CODE.INVALID_ARGUMENT


def reflected(caller, version="v1", **request) -> services.ServerReflectionResponse:
    async def run():
        path = f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"
        call = caller.channel.stream_stream(path)(timeout=20)
        await call.write(services.ServerReflectionRequest(**request).SerializeToString())
        content = await call.read()
        await call.done_writing()
        assert await call.code() is CODE.OK
        return content

    return services.ServerReflectionResponse.FromString(caller.runner.run(run()))


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_reflection_lists_services(caller, version):
    listed = reflected(caller, version, list_services="*").list_services_response
    assert [each.name for each in listed.service] == [
        "inference.GRPCInferenceService",
        "grpc.health.v1.Health",
    ]


@pytest.mark.parametrize(
    ("symbol", "file"),
    [
        ("inference.GRPCInferenceService", "grpc_service.proto"),
        ("inference.GRPCInferenceService.ModelInfer", "grpc_service.proto"),
        ("inference.ModelInferRequest.InferInputTensor", "grpc_service.proto"),
        ("inference.RepositoryModelUnloadRequest", "grpc_service.proto"),
        ("grpc.health.v1.HealthCheckRequest", "grpc/health/v1/health.proto"),
    ],
)
def test_reflection_finds_symbols(caller, symbol, file):
    found = reflected(caller, file_containing_symbol=symbol).file_descriptor_response
    assert FileDescriptorProto.FromString(found.file_descriptor_proto[0]).name == file
    again = reflected(caller, file_by_filename=file).file_descriptor_response
    assert again == found


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"file_containing_symbol": "nope"}, 5),
        ({"file_by_filename": "nope"}, 5),
        ({"all_extension_numbers_of_type": "inference.ModelInferRequest"}, 5),
        ({"file_containing_extension": services.ExtensionRequest(containing_type="x")}, 5),
        ({}, 3),
    ],
)
def test_reflection_of_what_is_not_there(caller, request_, code):
    assert reflected(caller, **request_).error_response.error_code == code


def test_bytes_that_are_no_reflection(caller):
    path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
    assert caller.call(path, b"\xff").code is CODE.INVALID_ARGUMENT
