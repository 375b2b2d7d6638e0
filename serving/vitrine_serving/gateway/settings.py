"""Every setting of the gateway: read from the environment once, checked, frozen."""

from typing import Annotated

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PREFIX = "VITRINE_"


class Settings(BaseSettings):
    """Each field is the environment variable of its name in capitals, after `VITRINE_`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True)

    host: str = Field(default="127.0.0.1", description="Address to listen on; 0.0.0.0 for all.")
    port: int = Field(default=8080, ge=1, le=65535, description="Port to listen on.")
    workers: int = Field(default=2, ge=1, description="Processes.")
    connections: int = Field(
        default=1000, ge=1, description="Connections that each process accepts at a time."
    )
    model_server: str = Field(
        default="127.0.0.1:8500", description="The model server's gRPC address."
    )
    models: Annotated[tuple[str, ...], NoDecode] = Field(
        default=("softmax", "mlp"),
        description="Models to list, separated by commas; ready means that all are AVAILABLE.",
    )
    request_timeout_s: float = Field(
        default=10.0, gt=0, description="Seconds after which an unanswered request fails with 504."
    )
    max_body_bytes: int = Field(
        default=32 * 1024 * 1024,
        ge=1,
        description="Largest request body; more is refused with 413.",
    )
    max_images: int = Field(
        default=256, ge=1, description="Most images in one request; more is refused with 413."
    )
    max_batch_size: int = Field(
        default=64, ge=1, description="Most images that go to the model server in one call."
    )
    max_queued_images: int = Field(
        default=1024,
        ge=1,
        description="Most images that may wait in a process for each model; more is refused with "
        "503.",
    )
    max_pixels: int = Field(
        default=50_000_000,
        ge=1,
        description="Most pixels in one image, checked before decoding it.",
    )

    @field_validator("models", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(name.strip() for name in value.split(",") if name.strip())
        return value


def explain(error: ValidationError) -> str:
    """Returns a line for each bad setting that names its environment variable."""
    return "\n".join(
        f"{PREFIX}{str(problem['loc'][0]).upper()}={problem['input']!r}: {problem['msg']}"
        for problem in error.errors()
    )
