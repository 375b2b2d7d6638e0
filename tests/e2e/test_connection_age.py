"""Age of connections, of a gateway as it is run: no client of ours loses anything by it."""

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.gateway import Gateway, gateway
from harness.paths import SAMPLES
from harness.ports import free_port
from vitrine_client import Client
from vitrine_client.aio import AsyncClient
from vitrine_client.cli import main

AGE_S, LONG_S = 0.3, 1.2


GRPC_PORT = free_port()


@pytest.fixture(scope="module")
def aging(service) -> Iterator[Gateway]:
    """A gateway whose connections do not live for long."""
    settings = {"connection_max_age_s": AGE_S, "v2_grpc_port": GRPC_PORT}
    with gateway(service.grpc_address, **settings) as running:
        yield running


def test_a_client_and_many_of_its_requests(aging):
    """Each is answered, for several ages."""
    with Client(aging.url) as client:
        until_s = time.monotonic() + LONG_S
        while time.monotonic() < until_s:
            assert client.predict(SAMPLES[0], model="mlp").label


def test_asynchronous_clients(aging):
    async def main():
        async with AsyncClient(aging.url) as client:
            until_s = time.monotonic() + LONG_S
            while time.monotonic() < until_s:
                found = await asyncio.gather(
                    *(client.predict(SAMPLES[0], model="mlp") for _ in range(4))
                )
                assert all(each.label for each in found)

    asyncio.run(main())


@pytest.mark.parametrize("way", ["raw", "v2-grpc"])
def test_the_load_lab(aging, way, tmp_path: Path):
    """No request is lost; connections whose end was announced are made again."""
    out = tmp_path / "load.json"
    url = f"grpc://127.0.0.1:{GRPC_PORT}" if way == "v2-grpc" else aging.url
    words = ["--url", url, "--as", way, "--model=mlp", "--json", str(out), "--processes=1"]
    done = CliRunner().invoke(
        main, ["loadtest", "open", str(SAMPLES[0]), "--rate=100", "--count=150", *words]
    )
    assert done.exit_code == 0, done.output
    assert "150 of 150" in done.stdout
    if way != "v2-grpc":  # where gRPC makes them
        assert json.loads(out.read_text())["connecting"]["again"] >= 2
