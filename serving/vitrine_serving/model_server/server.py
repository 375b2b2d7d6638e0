"""Process of the model server: builds its parts, loads, listens, polls for changes, and ends."""

import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import grpc

from vitrine_client.process import signals
from vitrine_client.process.addresses import bracketed, unbracketed
from vitrine_serving.errors import ServingError
from vitrine_serving.model_server.api.calls import Calls
from vitrine_serving.model_server.api.dataplane import ModelServerApi
from vitrine_serving.model_server.api.local import answer_with
from vitrine_serving.model_server.api.tensorflow_grpc import make_server
from vitrine_serving.model_server.api.tensorflow_rest import make_app
from vitrine_serving.model_server.flags import Flags, parallelism
from vitrine_serving.model_server.local_server import LocalServer
from vitrine_serving.model_server.local_socket import LocalSocket
from vitrine_serving.model_server.metrics import ServingMetrics, read_monitoring
from vitrine_serving.model_server.repository.config import ModelConfig, read_config
from vitrine_serving.model_server.repository.repository import Repository
from vitrine_serving.model_server.rest_server import RestServer
from vitrine_serving.model_server.runtime.batching import (
    BatchingParameters,
    BatchScheduler,
    read_parameters,
)
from vitrine_serving.model_server.runtime.servable import Servable, session_config
from vitrine_serving.model_server.runtime.trial import try_signatures
from vitrine_serving.model_server.runtime.warm_up import warm_up

log = logging.getLogger("vitrine_serving.model_server")

_LOOK_S = 1.0
GRACE_S = 10
"""Seconds that requests in hand have to end when the server is told to."""


def serve(flags: Flags) -> None:
    """Serves until a signal, then answers the requests in hand and ends the process: with 0 after
    SIGTERM, with 130 after Ctrl-C.

    Ports open once every version has loaded or failed for good, as TensorFlow Serving's do.
    Raises `ValueError` for flags that make no sense, `OSError` where a port cannot be had.
    """
    configs, metrics = _configs(flags), ServingMetrics()
    monitoring = flags.monitoring_config_file
    monitoring_path = read_monitoring(monitoring) if monitoring else None
    repository = _repository(flags, metrics)
    try:
        repository.configure(configs)
    except ServingError as error:
        raise ValueError(str(error)) from error
    host = unbracketed(flags.bind_address)
    api = ModelServerApi(
        repository, metrics, as_content=flags.enable_serialization_as_tensor_content
    )
    calls = Calls(api, flags.grpc_max_threads)
    own_socket = (
        LocalSocket(flags.local_socket, flags.local_socket_group) if flags.local_socket else None
    )
    local_server = _local_server(own_socket, calls) if own_socket else None
    grpc_server = _grpc_server(flags, host, own_socket, calls)
    rest_server = _rest_server(flags, api, metrics, monitoring_path)
    stop = threading.Event()
    with signals.noting(stop) as noted:
        grpc_server.start()
        if local_server:
            local_server.start()
        if rest_server:
            _in_background("rest", partial(rest_server.run, stop))
        _look_for_changes(flags, configs, repository, stop)
        gc.collect()
        gc.freeze()  # TensorFlow's modules stay, and looking through them takes a tenth of a second
        log.info(
            "Running gRPC at %s:%d, REST at port %d%s",
            bracketed(host),
            flags.port,
            flags.rest_api_port,
            f", ttrpc at {own_socket.path}" if own_socket else "",
        )
        while not stop.wait(_LOOK_S):  # a signal just before a wait would not end it
            if rest_server:
                rest_server.end_idle()
        _end(repository, grpc_server, rest_server, local_server)
        if own_socket:
            own_socket.remove_grpc()
    # TensorFlow's threads need no goodbye, and its teardown takes seconds.
    sys.stdout.flush()
    os._exit(0 if noted.number == signal.SIGTERM else noted.exit_code or 0)


def _end(
    repository: Repository,
    grpc_server: Any,
    rest_server: RestServer | None,
    local_server: LocalServer | None,
) -> None:
    """Answers the requests in hand."""
    repository.stop()
    if rest_server:
        rest_server.close()
    stopped = grpc_server.stop(GRACE_S)
    if local_server:
        local_server.stop(GRACE_S)
    stopped.wait()
    if rest_server:
        rest_server.shut_down(GRACE_S)


def _local_server(own_socket: LocalSocket, calls: Calls) -> LocalServer:
    """Returns the server of the gateway on this machine, bound and not yet running."""
    return LocalServer(
        own_socket.listen(),
        answer_with(calls),
        max_threads=calls.max_threads,
        same_user=not own_socket.is_shared,
    )


def _grpc_server(
    flags: Flags, host: str, own_socket: LocalSocket | None, calls: Calls
) -> grpc.Server:
    """Returns the gRPC side, bound and not yet running: at a port, and beside the local socket."""
    addresses = [f"{bracketed(host)}:{flags.port}"]
    with own_socket.creating() if own_socket else nullcontext():
        made = make_server(
            calls,
            addresses + ([own_socket.grpc_address] if own_socket else []),
            with_health=flags.enable_grpc_healthcheck_service,
        )
    if own_socket:
        own_socket.share_grpc()
    return made


def _repository(flags: Flags, metrics: ServingMetrics) -> Repository:
    return Repository(
        _loader(flags, _scheduler(flags), metrics),
        load_retries=flags.max_num_load_retries,
        retry_interval_s=flags.load_retry_interval_micros / 1e6,
        allow_unavailable_labels=flags.allow_version_labels_for_unavailable_models,
        load_threads=flags.num_load_threads or os.cpu_count() or 1,
    )


def _rest_server(
    flags: Flags, api: ModelServerApi, metrics: ServingMetrics, monitoring_path: str | None
) -> RestServer | None:
    """Returns the REST side, bound and not yet running; None where there is to be none."""
    if not flags.rest_api_port:
        return None
    app = make_app(
        api,
        timeout_s=flags.rest_api_timeout_in_ms / 1e3,
        metrics=(monitoring_path, metrics.text) if monitoring_path else None,
        observe=api.observe_request,
        shortest_floats=flags.rest_api_shortest_floats,
        cors=flags.rest_api_enable_cors_support,
    )
    host = unbracketed(flags.bind_address)
    # waitress' sockets of IPv6 are of that alone, gRPC's of both.
    hosts = ["0.0.0.0", "[::]"] if host == "::" else [bracketed(host)]  # noqa: S104
    listen = [f"{each}:{flags.rest_api_port}" for each in hosts]
    return RestServer(app, listen, threads=flags.rest_api_num_threads)


def _configs(flags: Flags) -> Sequence[ModelConfig]:
    if flags.model_config_file:
        return read_config(flags.model_config_file.read_text())
    if flags.model_base_path:
        return [ModelConfig(flags.model_name, flags.model_base_path.absolute())]
    raise ValueError("Give --model_config_file, or --model_name and --model_base_path")


def _scheduler(flags: Flags) -> BatchScheduler | None:
    file = flags.batching_parameters_file
    if not flags.enable_batching:
        if file:
            raise ValueError("You supplied --batching_parameters_file without --enable_batching")
        return None
    return BatchScheduler(read_parameters(file) if file else BatchingParameters())


def _loader(
    flags: Flags, scheduler: BatchScheduler | None, metrics: ServingMetrics
) -> Callable[[str, int, Path], Servable]:
    tags, config = flags.saved_model_tags.split(","), session_config(*parallelism(flags))

    def load(name: str, version: int, path: Path) -> Servable:
        servable = Servable(
            *(name, version, path),
            tags=tags,
            scheduler=scheduler,
            observe=metrics.observe_run,
            config=config,
            checks_methods=flags.enable_signature_method_name_check,
        )
        if flags.enable_model_warmup:
            try:
                try_signatures(servable)
                warm_up(servable, path)
            except BaseException:
                servable.close()
                raise
        return servable

    return load


def _look_for_changes(
    flags: Flags, configs: Sequence[ModelConfig], repository: Repository, stop: threading.Event
) -> None:
    if flags.file_system_poll_wait_seconds > 0:
        _in_background("poll", lambda: repository.poll(flags.file_system_poll_wait_seconds))
    if flags.model_config_file and flags.model_config_file_poll_wait_seconds > 0:
        _in_background("config", lambda: _poll_config(flags, configs, repository, stop))


def _poll_config(
    flags: Flags, seen: Sequence[ModelConfig], repository: Repository, stop: threading.Event
) -> None:
    """Follows the file. One that cannot be used leaves everything as it is, and is logged once."""
    said = ""
    while not stop.wait(flags.model_config_file_poll_wait_seconds):
        try:
            configs = _configs(flags)
            if configs != seen:
                repository.configure(configs)
                log.info("Follows the changed %s", flags.model_config_file)
                seen = configs
            said = ""
        except Exception as error:  # whatever it is, the next file may be good
            if said != (said := str(error)):
                log.error("%s is not followed: %s", flags.model_config_file, error)


def _in_background(name: str, target: Callable[[], Any]) -> None:
    threading.Thread(target=target, daemon=True, name=name).start()
