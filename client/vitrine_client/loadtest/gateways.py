"""Clients of the servers that a load test asks, before and beside the load."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import requests

from vitrine_client.client import Client
from vitrine_client.loadtest.plan import Workload
from vitrine_client.process.trust import Trust

C = TypeVar("C", bound=Client)


@contextmanager
def client_of(
    target: Workload,
    timeout_s: float,
    kind: type[C] = Client,  # type: ignore[assignment]
) -> Iterator[C]:
    """Gives a client that asks as the load does: with its key, its headers and its trust."""
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
