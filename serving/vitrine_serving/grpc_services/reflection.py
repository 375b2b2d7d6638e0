"""Reflection of gRPC (grpc.reflection.v1 and v1alpha): services and their messages, for grpcurl.

Requests and responses are bytes, whatever carries them.
"""

from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError

from vitrine_client.errors import InvalidRequest
from vitrine_serving.grpc_services import services_pb2 as services
from vitrine_serving.grpc_services.descriptors import HEALTH, INFERENCE, health_file, inference_file

NAMES = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")
"""Names of the service itself, whose messages are the same."""

METHOD = "ServerReflectionInfo"

_NOT_FOUND, _INVALID_ARGUMENT = 5, 3


class Reflection:
    """Reflection of the services `listed`; their files are in a pool of their own, in which no
    official package's clash with them."""

    def __init__(self, listed: tuple[str, ...] = (INFERENCE, HEALTH)) -> None:
        self._listed = listed
        self._pool = DescriptorPool()
        for file in (inference_file(), health_file()):
            self._pool.Add(file)

    def answer(self, content: bytes) -> bytes:
        """Returns the response to a request. Raises `InvalidRequest` for bytes that are none."""
        try:
            request = services.ServerReflectionRequest.FromString(content)
        except DecodeError as error:
            raise InvalidRequest(f"This is no ServerReflectionRequest: {error}") from error
        response = services.ServerReflectionResponse(
            valid_host=request.host, original_request=request
        )
        self._fill(request, response)
        return response.SerializeToString()

    def _fill(
        self,
        request: services.ServerReflectionRequest,
        response: services.ServerReflectionResponse,
    ) -> None:
        kind = request.WhichOneof("message_request")
        if kind == "list_services":
            for name in self._listed:
                response.list_services_response.service.add(name=name)
            return
        if kind is None:
            response.error_response.error_code = _INVALID_ARGUMENT
            response.error_response.error_message = "The request asks for nothing"
            return
        found = self._found(kind, request)
        if found is None:
            response.error_response.error_code = _NOT_FOUND
            response.error_response.error_message = "There is no such file, symbol or extension"
        else:
            response.file_descriptor_response.file_descriptor_proto.append(found)

    def _found(self, kind: str, request: services.ServerReflectionRequest) -> bytes | None:
        """Returns the file that a request asks for. Nothing here has extensions."""
        finders = {
            "file_by_filename": self._pool.FindFileByName,
            "file_containing_symbol": self._pool.FindFileContainingSymbol,
        }
        if kind not in finders:
            return None
        name = getattr(request, kind)
        try:
            found = finders[kind](name)
        except KeyError:
            try:
                found = self._pool.FindMethodByName(name).containing_service.file
            except KeyError:
                return None
        file = FileDescriptorProto()
        found.CopyToProto(file)
        return file.SerializeToString()
