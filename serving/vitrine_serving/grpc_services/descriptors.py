"""Descriptors of the services as their clients know them: by the names of Triton's .proto file.

Ours have names of their own, and share a message among methods.
"""

from collections.abc import Iterable, Mapping

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)

from vitrine_client.open_inference import wire_pb2 as wire
from vitrine_serving.grpc_services import services_pb2 as services

INFERENCE = "inference.GRPCInferenceService"
HEALTH = "grpc.health.v1.Health"

_MODEL_METHODS = ("ModelReady", "ModelMetadata", "ModelConfig", "ModelStatistics")
_REPOSITORY_METHODS = ("RepositoryModelLoad", "RepositoryModelUnload")

_UNARY = (
    *("ServerLive", "ServerReady", "ServerMetadata", *_MODEL_METHODS, "ModelInfer"),
    *("RepositoryIndex", *_REPOSITORY_METHODS, "TraceSetting", "LogSettings"),
    *("SystemSharedMemoryStatus", "SystemSharedMemoryRegister", "SystemSharedMemoryUnregister"),
    *("CudaSharedMemoryStatus", "CudaSharedMemoryRegister", "CudaSharedMemoryUnregister"),
)
"""Methods of one request and one response, which are called `<method>Request` and `Response`."""

_COPIES: Mapping[str, tuple[str, ...]] = {
    "ModelRequest": tuple(f"{method}Request" for method in _MODEL_METHODS),
    "RepositoryModelRequest": tuple(f"{method}Request" for method in _REPOSITORY_METHODS),
    "RepositoryModelResponse": tuple(f"{method}Response" for method in _REPOSITORY_METHODS),
}
"""Messages of ours that stand for several."""

_NESTED = {
    "ModelInferRequest": "InferInputTensor",
    "ModelInferResponse": "InferOutputTensor",
}
"""Messages that have the tensor's inside them, by this name."""

_TENSOR = "InferTensor"


def inference_file() -> FileDescriptorProto:
    """Returns the file of the Open Inference Protocol's service, with Triton's names. Messages that
    the protocol has and that nothing here reads are there without fields."""
    ours = FileDescriptorProto()
    wire.DESCRIPTOR.CopyToProto(ours)
    file = FileDescriptorProto(name="grpc_service.proto", package="inference", syntax="proto3")
    file.enum_type.extend(ours.enum_type)
    tensor = next(each for each in ours.message_type if each.name == _TENSOR)
    for message in ours.message_type:
        for name in _COPIES.get(message.name, (message.name,) if message is not tensor else ()):
            _add(file, message, name, ours.package)
    for message in file.message_type:
        if nested := _NESTED.get(message.name):
            _nest(message, tensor, nested, ours.package)
    service = file.service.add(name=INFERENCE.rpartition(".")[2])
    known = {message.name for message in file.message_type}
    for method in _UNARY:
        request, response = f"{method}Request", f"{method}Response"
        for name in (request, response):
            if name not in known:
                file.message_type.add(name=name)
        service.method.add(
            name=method, input_type=f".inference.{request}", output_type=f".inference.{response}"
        )
    service.method.add(
        name="ModelStreamInfer",
        input_type=".inference.ModelInferRequest",
        output_type=".inference.ModelStreamInferResponse",
        client_streaming=True,
        server_streaming=True,
    )
    return file


def health_file() -> FileDescriptorProto:
    """Returns the file of gRPC's health checking."""
    ours = FileDescriptorProto()
    services.DESCRIPTOR.CopyToProto(ours)
    package, _, service_name = HEALTH.rpartition(".")
    file = FileDescriptorProto(name="grpc/health/v1/health.proto", package=package, syntax="proto3")
    names = ("HealthCheckRequest", "HealthCheckResponse")
    for message in ours.message_type:
        if message.name in names:
            _add(file, message, message.name, ours.package)
    service = file.service.add(name=service_name)
    request, response = (f".{package}.{name}" for name in names)
    service.method.add(name="Check", input_type=request, output_type=response)
    service.method.add(
        name="Watch", input_type=request, output_type=response, server_streaming=True
    )
    return file


def _add(file: FileDescriptorProto, message: DescriptorProto, name: str, package: str) -> None:
    made = file.message_type.add()
    made.CopyFrom(message)
    made.name = name
    _rename(made, f".{package}.{message.name}.", f".{file.package}.{name}.")
    _rename(made, f".{package}.", f".{file.package}.")


def _nest(into: DescriptorProto, tensor: DescriptorProto, name: str, package: str) -> None:
    """Adds the tensor's message inside another, and has that one's fields mean it."""
    own = f".inference.{into.name}.{name}"
    made = into.nested_type.add()
    made.CopyFrom(tensor)
    made.name = name
    _rename(made, f".{package}.{_TENSOR}.", f"{own}.")
    _rename(made, f".{package}.", ".inference.")
    for field in into.field:
        if field.type_name == f".inference.{_TENSOR}":
            field.type_name = own


def _rename(message: DescriptorProto, before: str, after: str) -> None:
    """Renames the types of a message's fields that begin with `before`."""
    for field in _fields(message):
        if field.type_name.startswith(before):
            field.type_name = after + field.type_name.removeprefix(before)


def _fields(message: DescriptorProto) -> Iterable[FieldDescriptorProto]:
    yield from message.field
    for nested in message.nested_type:
        yield from _fields(nested)
