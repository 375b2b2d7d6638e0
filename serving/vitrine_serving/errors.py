"""Serving error: a refusal of TensorFlow Serving, with its gRPC status code and its words."""

import grpc


class ServingError(Exception):
    """A request that cannot be answered, with the gRPC `code` to say so; the `hint` is ours, beside
    TensorFlow Serving's words."""

    def __init__(self, code: grpc.StatusCode, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.hint = hint

    @classmethod
    def invalid(cls, message: str, hint: str = "") -> "ServingError":
        """Returns the error for a request that makes no sense to the model."""
        return cls(grpc.StatusCode.INVALID_ARGUMENT, message, hint)

    @classmethod
    def not_found(cls, servable: str) -> "ServingError":
        """Returns TensorFlow Serving's error for a model or version that is not loaded."""
        return cls(grpc.StatusCode.NOT_FOUND, f"Servable not found for request: {servable}")
