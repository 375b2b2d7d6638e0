"""The model that a load test asks, where none is named."""

from dataclasses import replace

from vitrine_client.cli import options
from vitrine_client.cli.loadtest.request import LoadRequest
from vitrine_client.loadtest.asking import client_of
from vitrine_client.loadtest.plan import Target


def of_served_model(asked: LoadRequest, target: Target) -> Target:
    """Returns the target with the service's own default model, where none was named; asks for
    it once. Raises `VitrineError` where nobody answers."""
    if asked.model is not None or asked.replay:
        return target
    told = options.note if not asked.quiet else lambda _: None
    if target.kind != "grpc":
        with client_of(target, asked.timeout_s) as client:
            return replace(target, model=options.default_model(client.status, told))
    with options.needs("grpc", "--model-server"):
        from vitrine_client.model_server import ModelServerClient
    with ModelServerClient(target.address, timeout_s=asked.timeout_s, verify=target.tls) as server:
        return replace(target, model=options.default_model(server.status, told))
