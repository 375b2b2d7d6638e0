"""Probes as the kubelet has them: their handlers, periods and thresholds."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Protocol

import grpc

from tests.cluster.pocket.manifests import Probe

_SERVING = b"\x08\x01"
"""`HealthCheckResponse` whose status is SERVING."""


class Probed(Protocol):
    """Container that a probe looks at."""

    @property
    def has_ended(self) -> bool:
        """Whether it has ended."""

    async def run(self, command: tuple[str, ...], timeout_s: float) -> bool:
        """Runs a command in it."""


async def is_healthy(probe: Probe, address: str, container: Probed) -> bool:
    """Tries once, and says whether the container passed."""
    try:
        async with asyncio.timeout(probe.timeout_s):
            match probe.kind:
                case "httpGet":
                    return await _get(address, probe.port, probe.path)
                case "grpc":
                    return await _check(address, probe.port)
                case "tcpSocket":
                    _, writer = await asyncio.open_connection(address, probe.port)
                    writer.close()
                    return True
                case _:
                    return await container.run(probe.command, probe.timeout_s)
    except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError):
        return False


async def watch(
    probe: Probe, address: str, container: Probed, told: Callable[[bool], None]
) -> None:
    """Probes until it is cancelled, or the container has ended; calls `told` each time that
    successes or failures in a row reach their threshold."""
    await asyncio.sleep(probe.initial_delay_s)
    last, in_a_row = None, 0
    while not container.has_ended:
        passed = await is_healthy(probe, address, container)
        in_a_row = in_a_row + 1 if passed is last else 1
        last = passed
        if in_a_row >= (probe.success_threshold if passed else probe.failure_threshold):
            told(passed)
        await asyncio.sleep(probe.period_s)


async def has_started(probe: Probe | None, address: str, container: Probed) -> bool:
    """Waits for a startup probe, and says whether it has passed before it failed for good."""
    if probe is None:
        return not container.has_ended
    result: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def told(passed: bool) -> None:
        if not result.done():
            result.set_result(passed)

    watching = asyncio.create_task(watch(probe, address, container, told))
    try:
        await asyncio.wait({watching, result}, return_when=asyncio.FIRST_COMPLETED)
        return result.done() and result.result()
    finally:
        watching.cancel()


async def _get(address: str, port: int, path: str) -> bool:
    reader, writer = await asyncio.open_connection(address, port)
    with contextlib.closing(writer):
        head = f"GET {path} HTTP/1.1\r\nHost: {address}:{port}\r\nUser-Agent: kube-probe\r\n"
        writer.write(f"{head}Connection: close\r\n\r\n".encode())
        line = await reader.readline()
        return 200 <= int(line.split()[1] if b" " in line else b"0") < 400


async def _check(address: str, port: int) -> bool:
    async with grpc.aio.insecure_channel(f"{address}:{port}") as channel:
        check = channel.unary_unary("/grpc.health.v1.Health/Check")
        try:
            return bool(await check(b"", timeout=30) == _SERVING)
        except grpc.aio.AioRpcError:
            return False
