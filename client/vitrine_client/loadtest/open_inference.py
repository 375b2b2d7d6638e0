"""Servers of the Open Inference Protocol as load tests ask them: what they say of their models."""

from collections.abc import Iterator
from contextlib import contextmanager

from vitrine_client.loadtest.gateways import client_of_kind
from vitrine_client.loadtest.plan import Workload
from vitrine_client.open_inference.client.http_client import V2HttpClient
from vitrine_client.open_inference.client.picture_model import PictureModel
from vitrine_client.open_inference.client.predictor import V2Server, found_model
from vitrine_client.process.trust import Trust
from vitrine_client.tfserving.channel import trust_of


@contextmanager
def server_of(target: Workload, timeout_s: float) -> Iterator[V2Server]:
    """Gives the server, asked as the load does: with its key, its headers and its trust."""
    if not target.is_grpc:
        with client_of_kind(V2HttpClient, target, timeout_s) as client:
            yield client
        return
    from vitrine_client.open_inference.client.grpc_client import V2GrpcClient

    scheme, _, address = target.address.rpartition("://")
    trust = target.tls or (trust_of(None, None) if not scheme else None)
    if scheme == "grpcs":
        trust = trust or Trust.chosen()
    with V2GrpcClient(address, timeout_s=timeout_s, trust=trust, headers=target.metadata) as client:
        yield client


def model_of(target: Workload, timeout_s: float) -> PictureModel:
    """Returns how pictures are made for the model. Raises `NotFound`, and `TakesNoPictures`."""
    with server_of(target, timeout_s) as server:
        return found_model(server, target.model, target.version, target.layers)
