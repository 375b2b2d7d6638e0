"""Configuration that is tuned: the gateway's settings, the model server's threads and batching, and
their neighbours."""

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from vitrine_client.loadtest.plan import WorkloadKind

T = TypeVar("T", "Batching", "Configuration")


@dataclass(frozen=True)
class Batching:
    """TensorFlow Serving's `BatchingParameters`; the defaults are those of the batching.config that
    comes with the service. A batch may be waited for `batch_timeout_micros`."""

    max_batch_size: int = 256
    batch_timeout_micros: int = 0
    num_batch_threads: int = field(default_factory=lambda: os.cpu_count() or 1)
    max_enqueued_batches: int = 64

    def text(self) -> str:
        """Returns it as `--batching_parameters_file` has it."""
        values = dataclasses.asdict(self).items()
        return "".join(f"{name} {{ value: {value} }}\n" for name, value in values)


@dataclass(frozen=True)
class Configuration:
    """Configuration of the whole service; the defaults are its own.

    The model server's are `intra_op_threads` (of an operation of a model), `inter_op_threads`
    (operations at a time; the embedded server heeds it for REST alone), `onednn` (whether oneDNN's
    kernels take part), and `batching`, None for off."""

    workers: int = 2
    max_batch_size: int = 256
    intra_op_threads: int = 1
    inter_op_threads: int = 1
    onednn: bool = False
    batching: Batching | None = None

    def gateway(self) -> dict[str, str]:
        """Returns the gateway's environment variables."""
        return {
            "VITRINE_WORKERS": str(self.workers),
            "VITRINE_MAX_BATCH_SIZE": str(self.max_batch_size),
        }

    def model_server(self) -> dict[str, str]:
        """Returns the variables that `vitrine-serve up` and Compose start a model server by."""
        return {
            "VITRINE_INTRA_OP_THREADS": str(self.intra_op_threads),
            "VITRINE_INTER_OP_THREADS": str(self.inter_op_threads),
            "TF_ENABLE_ONEDNN_OPTS": str(int(self.onednn)),
        }

    def __str__(self) -> str:
        parts = [_shown(self.gateway()), _shown(self.model_server())]
        batching = f" {_shown(dataclasses.asdict(self.batching))}" if self.batching else " off"
        return ", ".join([*parts, f"batching{batching}"])


def _shown(values: Mapping[str, object]) -> str:
    return " ".join(f"{name}={value}" for name, value in values.items())


Axis = Callable[[Configuration], list[Configuration]]
"""Returns configurations that differ from one in one setting."""


def axes(kind: WorkloadKind, cores: int) -> list[Axis]:
    """Returns the axes that can matter to a load of this kind, the most important first.

    The gateway puts pictures and arrays together itself, and passes JSON on as it is; a load that
    goes to the model server does not meet the gateway. How long queues may become is no axis: it
    decides about requests beyond the rate that meets an objective, and not that rate.
    With batching on, model servers refuse the gateway the labels of its pictures, so one look at
    that will do; else it is looked at from several sides before it is left off.
    """
    workers = _setting("workers", (1, cores, 2 * cores))
    batch_size = _setting("max_batch_size", (16, 64, 256))
    threads = [_setting("intra_op_threads", (1, cores))]
    if kind == "rest":  # for whose time-outs alone the embedded server has threads of its own
        threads.append(_setting("inter_op_threads", (1, cores)))
    on = Batching(num_batch_threads=cores)
    looks = [on, *(dataclasses.replace(on, batch_timeout_micros=n) for n in (500, 2000))]
    looks.append(dataclasses.replace(on, max_batch_size=32))
    model_server = [
        *threads,
        _switch(looks if kind in ("json", "rest", "grpc") else [on]),
        _batching("batch_timeout_micros", (0, 500, 2000)),
        _batching("num_batch_threads", (1, cores, 2 * cores)),
        _batching("max_batch_size", (64, 256, 1024)),
        _setting("onednn", (False, True)),
    ]
    of_gateway = {"rest": [], "grpc": [], "json": [workers]}.get(kind, [workers, batch_size])
    return [*of_gateway, *model_server]


def _others(base: T, name: str, values: Sequence[int]) -> list[T]:
    """Returns a dataclass with each of the values that a member of it does not have."""
    others = dict.fromkeys(value for value in values if value != getattr(base, name))
    changes: list[dict[str, Any]] = [{name: value} for value in others]
    return [dataclasses.replace(base, **change) for change in changes]


def _setting(name: str, values: Sequence[int]) -> Axis:
    return lambda base: _others(base, name, values)


def _switch(looks: Sequence[Batching]) -> Axis:
    return lambda base: _batched(base, [None] if base.batching else looks)


def _batching(name: str, values: Sequence[int]) -> Axis:
    return lambda base: _batched(
        base, _others(base.batching, name, values) if base.batching else []
    )


def _batched(base: Configuration, others: Sequence[Batching | None]) -> list[Configuration]:
    return [dataclasses.replace(base, batching=other) for other in others]
