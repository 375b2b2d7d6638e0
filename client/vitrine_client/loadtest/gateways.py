"""Clients of the servers that a load test asks, before and beside the load."""

import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TypeVar

import requests

from vitrine_client.client import Client
from vitrine_client.loadtest.plan import Workload
from vitrine_client.process.trust import Trust

C = TypeVar("C", bound=Client)


def client_of(target: Workload, timeout_s: float) -> AbstractContextManager[Client]:
    """Gives a client that asks as the load does: with its key, its headers and its trust."""
    return client_of_kind(Client, target, timeout_s)


@contextmanager
def client_of_kind(kind: type[C], target: Workload, timeout_s: float) -> Iterator[C]:
    """Gives a client of a kind that asks as the load does."""
    trust = target.tls or Trust.chosen()
    session = None
    if target.headers:
        session = requests.Session()
        session.headers.update(dict(target.headers))
    with (
        warnings.catch_warnings(),
        kind(
            target.url,
            timeout_s=timeout_s,
            api_key=target.api_key,
            verify=trust,
            session=session,
        ) as client,
    ):
        if not trust.verified:  # as was asked for
            warnings.filterwarnings("ignore", message="Unverified HTTPS request")
        yield client
