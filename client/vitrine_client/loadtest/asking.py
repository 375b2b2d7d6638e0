"""A client that asks a target what is not part of the load: which models it has, in what state."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import requests

from vitrine_client.client import Client
from vitrine_client.loadtest.plan import Target
from vitrine_client.process.trust import Trust


@contextmanager
def client_of(target: Target, timeout_s: float) -> Iterator[Client]:
    """Gives a client that asks as the load does: with its key, its headers and its trust."""
    trust = target.tls or Trust.chosen()
    session = None
    if target.headers:
        session = requests.Session()
        session.headers.update(dict(target.headers))
    with (
        warnings.catch_warnings(),
        Client(
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
