"""Command-line flags, with TensorFlow Serving's names and defaults."""

import os
from dataclasses import dataclass
from pathlib import Path

_THREADS = 4 * (os.cpu_count() or 1)  # as TensorFlow Serving


@dataclass(frozen=True)
class Flags:
    """The flags of the model server; `--help` explains each."""

    port: int = 8500
    rest_api_port: int = 8501
    bind_address: str = "127.0.0.1"
    grpc_max_threads: int = _THREADS
    rest_api_num_threads: int = _THREADS
    rest_api_timeout_in_ms: int = 30_000
    model_config_file: Path | None = None
    model_config_file_poll_wait_seconds: float = 0
    model_name: str = "default"
    model_base_path: Path | None = None
    saved_model_tags: str = "serve"
    file_system_poll_wait_seconds: float = 1
    num_load_threads: int = 0
    max_num_load_retries: int = 5
    load_retry_interval_micros: int = 60_000_000
    allow_version_labels_for_unavailable_models: bool = False
    enable_model_warmup: bool = True
    enable_batching: bool = False
    batching_parameters_file: Path | None = None
    monitoring_config_file: Path | None = None
    enable_grpc_healthcheck_service: bool = False
    enable_serialization_as_tensor_content: bool = False
    log_level: str = "info"
