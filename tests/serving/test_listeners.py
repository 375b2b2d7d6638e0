"""Listeners of the model server: they end together."""

from types import SimpleNamespace

from tests.serving.clock import Clock
from vitrine_serving.model_server.startup import listeners
from vitrine_serving.model_server.startup.listeners import Listeners


def test_the_end_has_one_deadline(monkeypatch):
    """What gRPC took of the time that requests have, REST has no more."""
    clock, told = Clock(), []

    def wait(grace_s):
        clock.s += grace_s - 4

    rest = SimpleNamespace(close=lambda: told.append("close"), shut_down=told.append)
    grpc_server = SimpleNamespace(stop=lambda grace_s: SimpleNamespace(wait=lambda: wait(grace_s)))
    monkeypatch.setattr(listeners, "time", SimpleNamespace(monotonic=clock))
    streams = SimpleNamespace(end=lambda: told.append("end"))
    Listeners(grpc_server, None, streams, rest, None, "").end()
    assert told == ["close", "end", 4]
