"""Health checks over gRPC (grpc.health.v1): the server, and its services by TensorFlow Serving's
names for them."""

from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2

_SERVICES = ("PredictionService", "ModelService")
"""Services that are known, without their package; server.cc of TensorFlow Serving says SERVING for
these, and no other name is known."""


class Health(health.HealthServicer):
    """Health servicer whose answers and words are those of gRPC's default one in C++."""

    def __init__(self) -> None:
        super().__init__()
        for service in _SERVICES:
            self.set(service, health_pb2.HealthCheckResponse.SERVING)

    def Check(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802 (gRPC's name)
        """Answers a check; of a name that is not known, NOT_FOUND."""
        response = super().Check(request, context)
        if context.code() is grpc.StatusCode.NOT_FOUND:
            context.set_details("service name unknown")
        return response
