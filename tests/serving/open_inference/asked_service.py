"""Service of the Open Inference Protocol in front of model servers of a test's own making."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import numpy as np
import pytest

from tests.serving.open_inference.typed_servers import TypedServers, Version
from vitrine_client.errors import VitrineError
from vitrine_client.open_inference.datatypes import of_dtype
from vitrine_client.open_inference.messages import (
    NO_PARAMETERS,
    Parameters,
    RequestedOutput,
    V2Request,
    V2Tensor,
)
from vitrine_serving.gateway.api.open_inference.inference import V2Inference
from vitrine_serving.gateway.application import Gateway, create_app
from vitrine_serving.gateway.inference.requests import Caller
from vitrine_serving.gateway.models.reference import ModelRef
from vitrine_serving.gateway.settings import Settings

M = ModelRef("m")
CALLER = Caller("id-1")


def tensor(name: str, array: Any, datatype: str = "") -> V2Tensor:
    values = np.asarray(array)
    return V2Tensor(name, datatype or of_dtype(values.dtype).name, values)


def strings(name: str, *contents: bytes) -> V2Tensor:
    array = np.empty(len(contents), object)
    array[:] = contents
    return V2Tensor(name, "BYTES", array)


def request(*inputs: V2Tensor, outputs: Any = (), **parameters: Any) -> V2Request:
    """A request for outputs by name, each with its parameters."""
    wanted: Mapping[str, Parameters] = (
        outputs if isinstance(outputs, dict) else dict.fromkeys(outputs, NO_PARAMETERS)
    )
    return V2Request(
        list(inputs),
        [RequestedOutput(name, given) for name, given in wanted.items()],
        parameters=parameters,
    )


class Asked:
    """Gateway in a loop of its own, whose service is asked."""

    def __init__(self, runner: asyncio.Runner, *versions: Version, **settings: Any) -> None:
        self._runner = runner
        self.servers = TypedServers(*versions)
        self.app: Gateway = create_app(Settings(models=("m",), **settings), self.servers)
        runner.run(self._start())
        assert self.app.open_inference
        self.service = self.app.open_inference

    async def _start(self) -> None:
        self.app.start()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self._runner.run(work)

    async def infer(
        self, asked: V2Request, model: ModelRef = M, left_s: float = 10.0
    ) -> V2Inference:
        return await self.service.infer(asked, model, CALLER, time.monotonic() + left_s)

    def outputs(self, asked: V2Request, model: ModelRef = M) -> dict[str, Any]:
        """Returns the outputs of a response as lists, by name."""
        response = self.run(self.infer(asked, model)).response
        return {each.name: each.array.tolist() for each in response.outputs}

    def refusal(self, asked: V2Request, model: ModelRef = M, left_s: float = 10.0) -> VitrineError:
        with pytest.raises(VitrineError) as caught:
            self.run(self.infer(asked, model, left_s))
        return caught.value

    def until(self, reached: Callable[[], Any]) -> None:
        """Lets the loop have its turns until something is so."""

        async def wait() -> None:
            async with asyncio.timeout(30):
                while not reached():
                    await asyncio.sleep(0)

        self.run(wait())
