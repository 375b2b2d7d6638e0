"""Loading of versions: a servable that has been tried and warmed up, batched where that is on."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from vitrine_serving.model_server.flags import Flags
from vitrine_serving.model_server.metrics import OTHER, ServingMetrics
from vitrine_serving.model_server.repository.repository import Load
from vitrine_serving.model_server.runtime.batching import BatchScheduler, read_parameters
from vitrine_serving.model_server.runtime.servable import Servable
from vitrine_serving.model_server.runtime.trial import try_signatures
from vitrine_serving.model_server.runtime.warm_up import warm_up
from vitrine_serving.model_server.startup.settings import ModelServerSettings

OWN_BATCHING = "batching_params.pbtxt"
"""File of a version directory that says how it is batched; bundle_factory_util.cc."""


def loader(
    flags: Flags, settings: ModelServerSettings, metrics: ServingMetrics, config: Any
) -> Load:
    """Returns what loads a version into a session with the options `config`."""
    tags = flags.saved_model_tags.split(",")
    scheduler_of = _schedulers(flags, settings)

    def load(name: str, version: int, path: Path) -> Servable:
        scheduler, is_own = scheduler_of(path)
        try:
            servable = Servable(
                *(name, version, path),
                tags=tags,
                scheduler=scheduler,
                is_own_scheduler=is_own,
                observe=metrics.observe_run,
                # A warm-up's requests may name any model.
                observe_examples=lambda told, count: metrics.observe_examples(
                    told if told == name else OTHER, count
                ),
                config=config,
                checks_methods=flags.enable_signature_method_name_check,
            )
        except BaseException:
            if scheduler and is_own:
                scheduler.close()
            raise
        if flags.enable_model_warmup:
            try:
                try_signatures(servable, path)
                warm_up(servable, path, flags.num_request_iterations_for_warmup)
            except BaseException:
                servable.close()
                raise
        return servable

    return load


def _schedulers(
    flags: Flags, settings: ModelServerSettings
) -> Callable[[Path], tuple[BatchScheduler | None, bool]]:
    """Returns what returns the scheduler of a version directory, and whether it is its own."""
    shared = settings.batching
    if shared is None:
        return lambda _: (None, False)
    if not flags.enable_per_model_batching_parameters:
        scheduler = BatchScheduler(shared)
        return lambda _: (scheduler, False)

    def own(path: Path) -> tuple[BatchScheduler | None, bool]:
        file = path / OWN_BATCHING
        if not file.exists():
            return None, False
        parameters = replace(read_parameters(file), num_batch_threads=shared.num_batch_threads)
        return BatchScheduler(parameters), True

    return own
