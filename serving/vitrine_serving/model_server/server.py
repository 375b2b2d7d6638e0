"""Process of the model server: builds its parts, loads, listens, polls for changes, and ends."""

import gc
import logging
import os
import signal
import sys
import threading
from typing import Any

import grpc

from vitrine_client.process import signals
from vitrine_serving.errors import ServingError
from vitrine_serving.model_server.api.dataplane import ModelServerApi
from vitrine_serving.model_server.api.open_inference import OpenInferenceApi
from vitrine_serving.model_server.flags import Flags, parallelism
from vitrine_serving.model_server.metrics import ServingMetrics
from vitrine_serving.model_server.repository.repository import Load, Repository
from vitrine_serving.model_server.runtime.sessions import BFLOAT16, begin, session_config
from vitrine_serving.model_server.startup.listeners import Listeners, in_background
from vitrine_serving.model_server.startup.loading import loader
from vitrine_serving.model_server.startup.settings import ModelServerSettings, read_models

log = logging.getLogger("vitrine_serving.model_server")

_LOOK_S = 1.0


def serve(flags: Flags, settings: ModelServerSettings) -> None:
    """Serves until a signal, then answers the requests in hand and ends the process: with 0 after
    SIGTERM, with 129 after SIGHUP, with 130 after Ctrl-C.

    Ports open once every version has loaded or failed for good, as TensorFlow Serving's do.
    Raises `ServingError` for models that make no sense, `OSError` where a port cannot be had.
    """
    config = _session_config(flags)
    begin(config)
    metrics = ServingMetrics()
    repository = _repository(flags, loader(flags, settings, metrics, config))
    repository.configure(settings.configs)
    api = ModelServerApi(
        repository, metrics, as_content=flags.enable_serialization_as_tensor_content
    )
    listeners = Listeners.bound(flags, settings, api, metrics, OpenInferenceApi(repository))
    stop = threading.Event()
    with signals.noting(stop) as noted:
        listeners.start()
        _look_for_changes(flags, repository, stop)
        gc.collect()
        gc.freeze()  # TensorFlow's modules stay, and looking through them takes a tenth of a second
        log.info("%s", listeners.described)
        while not stop.wait(_LOOK_S):  # a signal just before a wait would not end it
            listeners.end_idle()
        repository.stop()
        listeners.end()
    # TensorFlow's threads need no goodbye, and its teardown takes seconds.
    sys.stdout.flush()
    os._exit(0 if noted.number == signal.SIGTERM else noted.exit_code or 0)


def _session_config(flags: Flags) -> Any:
    if flags.mixed_precision not in ("", BFLOAT16):
        log.warning(
            "%s auto mixed precision is not supported. Valid option: %s",
            *(flags.mixed_precision, BFLOAT16),
        )
    return session_config(
        *parallelism(flags),
        file=flags.tensorflow_session_config_file,
        gpu_memory_fraction=flags.per_process_gpu_memory_fraction,
        mixed_precision=flags.mixed_precision,
    )


def _repository(flags: Flags, load: Load) -> Repository:
    return Repository(
        load,
        load_retries=max(flags.max_num_load_retries, 0),
        retry_interval_s=max(flags.load_retry_interval_micros, 0) / 1e6,
        allow_unavailable_labels=flags.allow_version_labels_for_unavailable_models,
        load_threads=flags.num_load_threads or os.cpu_count() or 1,
    )


def _look_for_changes(flags: Flags, repository: Repository, stop: threading.Event) -> None:
    if flags.file_system_poll_wait_seconds > 0:
        in_background("poll", lambda: repository.poll(flags.file_system_poll_wait_seconds))
    if flags.model_config_file and flags.model_config_file_poll_wait_seconds > 0:
        in_background("config", lambda: _poll_config(flags, repository, stop))


def _poll_config(flags: Flags, repository: Repository, stop: threading.Event) -> None:
    """Follows the file, also where a reload has changed what is served, as TensorFlow Serving does.

    One that cannot be used leaves everything as it is, and is logged once.
    """
    said = ""
    while not stop.wait(flags.model_config_file_poll_wait_seconds):
        try:
            follow(flags, repository)
            said = ""
        except Exception as error:  # whatever it is, the next file may be good
            hint = error.hint if isinstance(error, ServingError) else ""
            if said != (said := f"{error} {hint}".rstrip()):
                log.error("%s is not followed: %s", flags.model_config_file, said)


def follow(flags: Flags, repository: Repository) -> None:
    """Has the repository serve what the file says, if it does not. Raises `ServingError` for a file
    that makes no sense, or no list of models of what is served; one whose new models fail is in
    effect, and that is logged."""
    configs = read_models(flags, lambda _: None)  # the repository checks labels, of a new list
    served = repository.configs()
    if configs is None:
        if served:
            raise ServingError(grpc.StatusCode.FAILED_PRECONDITION, _NO_TRANSITION)
        return
    if {config.name: config for config in configs} == served:
        return
    try:
        repository.configure(configs)
    except ServingError as error:
        if error.code is not grpc.StatusCode.UNKNOWN:
            raise
        log.error("Follows %s, but %s", flags.model_config_file, error)
    else:
        log.info("Follows %s", flags.model_config_file)


_NO_TRANSITION = (
    "Cannot transition to requested config. It is only legal to transition from one "
    "ModelConfigList to another."
)
