"""Configuration that is tuned: the gateway's settings and the model server's batching, and their
neighbours."""

import dataclasses
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from vitrine_client.loadtest.plan import WorkloadKind

T = TypeVar("T", "Batching", "Configuration")


@dataclass(frozen=True)
class Batching:
    """TensorFlow Serving's `BatchingParameters`; the defaults are those of the batching.config that
    comes with the service. A batch may be waited for `batch_timeout_micros`."""

    max_batch_size: int = 128
    batch_timeout_micros: int = 0
    num_batch_threads: int = field(default_factory=lambda: os.cpu_count() or 1)
    max_enqueued_batches: int = 64

    def text(self) -> str:
        """Returns it as `--batching_parameters_file` has it."""
        values = dataclasses.asdict(self).items()
        return "".join(f"{name} {{ value: {value} }}\n" for name, value in values)


@dataclass(frozen=True)
class Configuration:
    """Configuration of the whole service; the defaults are its own. `batching` is the model
    server's, None for off."""

    workers: int = 2
    max_batch_size: int = 64
    batching: Batching | None = None

    def environment(self) -> dict[str, str]:
        """Returns the gateway's environment variables."""
        return {
            "VITRINE_WORKERS": str(self.workers),
            "VITRINE_MAX_BATCH_SIZE": str(self.max_batch_size),
        }

    def __str__(self) -> str:
        gateway = " ".join(f"{name}={value}" for name, value in self.environment().items())
        if not self.batching:
            return f"{gateway}, batching off"
        shown = dataclasses.asdict(self.batching).items()
        return f"{gateway}, batching {' '.join(f'{name}={value}' for name, value in shown)}"


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
    workers = _gateway("workers", (1, cores, 2 * cores))
    batch_size = _gateway("max_batch_size", (16, 64, 256))
    on = Batching(num_batch_threads=cores)
    looks = [on, *(dataclasses.replace(on, batch_timeout_micros=n) for n in (500, 2000))]
    looks.append(dataclasses.replace(on, max_batch_size=32))
    model_server = [
        _switch(looks if kind in ("json", "rest", "grpc") else [on]),
        _batching("batch_timeout_micros", (0, 500, 2000)),
        _batching("num_batch_threads", (1, cores, 2 * cores)),
        _batching("max_batch_size", (32, 128, 512)),
    ]
    of_gateway = {"rest": [], "grpc": [], "json": [workers]}.get(kind, [workers, batch_size])
    return [*of_gateway, *model_server]


def _others(base: T, name: str, values: Sequence[int]) -> list[T]:
    """Returns a dataclass with each of the values that a member of it does not have."""
    others = dict.fromkeys(value for value in values if value != getattr(base, name))
    changes: list[dict[str, Any]] = [{name: value} for value in others]
    return [dataclasses.replace(base, **change) for change in changes]


def _gateway(name: str, values: Sequence[int]) -> Axis:
    return lambda base: _others(base, name, values)


def _switch(looks: Sequence[Batching]) -> Axis:
    return lambda base: _batched(base, [None] if base.batching else looks)


def _batching(name: str, values: Sequence[int]) -> Axis:
    return lambda base: _batched(
        base, _others(base.batching, name, values) if base.batching else []
    )


def _batched(base: Configuration, others: Sequence[Batching | None]) -> list[Configuration]:
    return [dataclasses.replace(base, batching=other) for other in others]
