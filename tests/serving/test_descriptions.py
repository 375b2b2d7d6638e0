"""Descriptions of versions: asked once, and again when they may have changed."""

import asyncio

import numpy as np
import pytest

from tests.serving.asked_gateway import FakeServers
from tests.serving.test_misbehaving_models import brightest, classes_of
from vitrine_client.errors import ModelFault, Unavailable
from vitrine_client.results.profiles.description import Description
from vitrine_serving.gateway.inference.batcher import BatchingSettings
from vitrine_serving.gateway.inference.dataplane import DataPlane
from vitrine_serving.gateway.models.descriptions import Descriptions
from vitrine_serving.gateway.shedding import SheddingSettings


def described(*labels: str) -> Description:
    return Description(labels, {})


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_an_old_description_is_asked_again_and_nobody_waits():
    """A server that was started again may have another model as the same version."""

    async def main():
        known, answers = Descriptions(fresh_s=0), [described("a"), described("b"), None]

        async def ask():
            if (answer := answers.pop(0)) is None:
                raise Unavailable("not now")
            return answer

        async def labels() -> tuple[str, ...]:
            found = (await known.get("mlp", 3, ask, timeout_s=9)).labels
            await settled()
            return found

        assert [await labels() for _ in range(3)] == [("a",), ("a",), ("b",)]
        assert not answers
        answers += [None]
        assert await labels() == ("b",)

    asyncio.run(main())


@pytest.mark.parametrize("old_s", [0.0, 60.0])
def test_what_does_not_fit_is_asked_again(old_s):
    """At once where it was from before, so that the request is answered; else that is the model's
    fault, and each request asks once."""

    class Servers(FakeServers):
        known = Descriptions(old_s=old_s)
        times = 0

        async def describe(self, model, version, *, timeout_s, first=None):
            right = await super().describe(model, version, timeout_s=timeout_s)

            async def ask():
                self.times += 1
                return described("a") if self.times == 1 else right

            return await self.known.get(model, version, ask, timeout_s=timeout_s)

        def forget_description(self, model, version):
            return self.known.forget(model, version)

    async def main():
        servers = Servers()
        await servers.describe("mlp", 3, timeout_s=9)
        plane = DataPlane(servers, BatchingSettings(), SheddingSettings())
        if old_s:
            with pytest.raises(ModelFault, match="has 1 labels"):
                await classes_of(plane, brightest(7))
        assert np.shape(await classes_of(plane, brightest(7))) == (1,)
        assert servers.times == 2

    asyncio.run(main())
