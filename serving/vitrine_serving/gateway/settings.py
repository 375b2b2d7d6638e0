"""Every setting of the gateway: read from the environment once, checked, frozen."""

import os
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from vitrine_client.errors import InvalidRequest
from vitrine_client.http.default_model import FALLBACK, PREFERRED
from vitrine_client.process.addresses import (
    HOST,
    PORT,
    checked_model_server,
    gateway_port,
    model_server_port,
)
from vitrine_client.process.variables import PREFIX

Names = Annotated[tuple[str, ...], NoDecode]
"""Separated by commas in the environment."""


def _own_model_server(checked: dict[str, Any]) -> tuple[str, ...]:
    """Returns the address that follows from the gateway's port. Raises `InvalidRequest` where none
    does."""
    return (f"{HOST}:{model_server_port('VITRINE_GRPC_PORT', os.environ, checked['port'])}",)


class Settings(BaseSettings):
    """Each field is the environment variable of its name in capitals, after `VITRINE_`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, env_ignore_empty=True, allow_inf_nan=False
    )

    host: str = Field(default=HOST, description="Address to listen on; 0.0.0.0 for all.")
    port: int = Field(default=PORT, ge=1, le=65535, description="Port to listen on.")
    workers: int = Field(default=2, ge=1, description="Processes.")
    connections: int = Field(
        default=1000, ge=1, description="Connections that each process accepts at a time."
    )
    header_timeout_s: float = Field(
        default=10.0, gt=0, description="Seconds that a new connection has to send its headers."
    )
    body_timeout_s: float = Field(
        default=30.0, gt=0, description="Seconds that a request has to send its body."
    )
    models: Names = Field(
        default=("softmax", FALLBACK, PREFERRED),
        description="Models to list, separated by commas; ready means that all are AVAILABLE. By "
        f"default {PREFERRED} may be missing.",
    )
    request_timeout_s: float = Field(
        default=10.0, gt=0, description="Seconds after which an unanswered request fails with 504."
    )
    max_body_bytes: int = Field(
        default=32 * 1024 * 1024,
        ge=1,
        description="Largest request body, and what a gzip body may grow to; more is refused with "
        "413.",
    )
    max_images: int = Field(
        default=256, ge=1, description="Most images in one request; more is refused with 413."
    )
    max_pixels: int = Field(
        default=50_000_000,
        ge=1,
        description="Most pixels in one image, checked before decoding it.",
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
    model_server: Names = Field(
        default_factory=_own_model_server,
        min_length=1,
        description="The model servers' gRPC addresses, HOST:PORT, separated by commas. By default "
        "`VITRINE_GRPC_PORT` of this machine, or `VITRINE_PORT` + 420.",
    )
    model_server_ca: Path | None = Field(
        default=None, description="PEM file of whom to trust for the model servers; turns TLS on."
    )
    model_server_cert: Path | None = Field(
        default=None, description="PEM file of the certificate that model servers are shown."
    )
    model_server_key: Path | None = Field(
        default=None, description="PEM file of the key to that certificate."
    )
    model_server_name: str = Field(
        default="", description="Name in the model servers' certificates, if not their address."
    )
    max_attempts: int = Field(
        default=3, ge=1, description="Most calls to model servers for one that is UNAVAILABLE."
    )
    retry_budget: float = Field(default=0.1, ge=0, description="Most retries, as a share of calls.")
    breaker_failures: int = Field(
        default=5, ge=1, description="Failures in a row after which a model server is left alone."
    )
    breaker_open_s: float = Field(default=2.0, gt=0, description="Seconds until it is tried again.")
    version_labels: Names = Field(
        default=("stable", "canary"),
        description="Version labels to look for in the list of models, separated by commas.",
    )
    drift: bool = Field(
        default=True, description="Whether the gateway watches for drift, model by model."
    )
    drift_window: int = Field(
        default=500, ge=50, le=5000, description="Images in the window that drift is looked for in."
    )
    access_log: bool = Field(
        default=False, description="Whether each request is logged, and by which key it came."
    )
    log_format: Literal["text", "json"] = Field(
        default="text", description="How the log is written: text, or json, an object a line."
    )
    traces_url: str = Field(
        default="",
        description="Where OpenTelemetry traces go (OTLP over HTTP); needs the extra `otel`.",
    )
    prediction_log: Path | None = Field(
        default=None, description="File that predictions are noted in, as JSON lines."
    )
    prediction_log_sample: float = Field(
        default=1.0, gt=0, le=1, description="Share of the requests that are noted there."
    )
    prediction_log_images: bool = Field(
        default=False, description="Whether the 28x28 images are kept there as well."
    )
    prediction_log_max_bytes: int = Field(
        default=100 * 1024 * 1024, ge=4096, description="Size at which that file is rotated."
    )
    prediction_log_files: int = Field(
        default=5, ge=1, description="Most of those files, the current one included."
    )
    tls_cert: Path | None = Field(
        default=None, description="PEM file of the gateway's certificate; turns HTTPS on."
    )
    tls_key: Path | None = Field(default=None, description="PEM file of the key to it.")
    tls_client_ca: Path | None = Field(
        default=None, description="PEM file of whose certificates clients must show."
    )
    keys_file: Path | None = Field(
        default=None, description="File of API keys; predictions then need one."
    )
    rate_limit: float = Field(
        default=0.0,
        ge=0,
        description="Requests a second for each API key, or each address without keys; 0 for no "
        "limit.",
    )
    rate_burst: int = Field(
        default=0, ge=0, description="Requests that may come at once; 0 for a second's worth."
    )
    trusted_proxies: Names = Field(
        default=(),
        description="Networks of proxies whose X-Forwarded-For is believed, separated by commas.",
    )
    cors_origins: Names = Field(
        default=(),
        description="Origins whose pages may ask, separated by commas; `*` for all.",
    )

    @property
    def optional_models(self) -> frozenset[str]:
        """The models of the list that may be missing: one that was named by hand is expected; of
        the default list services whose models were trained before there was `photo` have two."""
        return frozenset() if "models" in self.model_fields_set else frozenset({PREFERRED})

    @field_validator(
        *("models", "version_labels", "model_server", "trusted_proxies", "cors_origins"),
        mode="before",
    )
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(name.strip() for name in value.split(",") if name.strip())
        return value

    @field_validator("port", mode="before")
    @classmethod
    def _is_port(cls, value: object) -> object:
        """By the rule of the clients that read the same variable."""
        try:
            return gateway_port({"VITRINE_PORT": value}) if isinstance(value, str) else value
        except InvalidRequest as error:
            raise ValueError(str(error).rpartition("; ")[2]) from error

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for network in value:
            try:
                ip_network(network, strict=False)
            except ValueError:
                raise ValueError(f"{network!r} is no network; write 10.0.0.0/8, say") from None
        return value

    @field_validator("model_server")
    @classmethod
    def _are_addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        try:
            return tuple(map(checked_model_server, value))
        except InvalidRequest as error:
            raise ValueError(str(error)) from error

    @model_validator(mode="after")
    def _has_pairs(self) -> Self:
        for kind in ("tls", "model_server"):
            if bool(getattr(self, f"{kind}_cert")) != bool(getattr(self, f"{kind}_key")):
                pair = f"{PREFIX}{kind.upper()}_CERT and {PREFIX}{kind.upper()}_KEY"
                raise ValueError(f"{pair} go together; set both or none")
        if self.tls_client_ca and not self.tls_cert:
            raise ValueError(f"{PREFIX}TLS_CLIENT_CA needs {PREFIX}TLS_CERT")
        if self.model_server_cert and not self.model_server_ca:
            raise ValueError(f"{PREFIX}MODEL_SERVER_CERT needs {PREFIX}MODEL_SERVER_CA")
        return self
