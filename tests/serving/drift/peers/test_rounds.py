"""Rounds over peers: what is pooled, what is left out, and when that is said."""

import asyncio
import logging
from dataclasses import replace

import pytest

from tests.serving.clock import Clock
from tests.serving.drift.asked import inverted
from tests.serving.drift.peers.pooled import FakeGateway, fleet, rounds
from vitrine_client.results.profiles.description import Description
from vitrine_serving.gateway.telemetry.drift.peers import PeerRounds, document
from vitrine_serving.gateway.telemetry.drift.peers.client import PeerError
from vitrine_serving.gateway.telemetry.drift.peers.pooled_window import CURRENT_S

TOGETHER_S = 5.0
"""About what is between two rounds."""


@pytest.fixture
def clock():
    return Clock(1_000_000_000.0)


@pytest.fixture
def said(caplog):
    """What the log says of peers."""
    caplog.set_level(logging.INFO, "vitrine_serving.gateway")
    return lambda: [each.message for each in caplog.records if "windows" in each.message]


def seen(found):
    return found["images"], found["gateways"], found["window"]


def without_two_classes(asked, gateway, count):
    asked.show(gateway.watch, count, of=[0, 2, 3, 4, 5, 6, 7, 9])


def test_all_judge_all_images(asked, description, clock):
    """A gateway without images as well; each image once, however many addresses its gateway has."""

    async def main():
        network = fleet(description, clock)
        first, second, third = network.values()
        network["[fd00::1]:8080"] = first
        asked.show(first.watch, 40)
        asked.show(second.watch, 30)
        await rounds(network)
        for each in (first, second, third):
            assert seen(await each.told()) == (70, 2, 1000)
            assert (each.state().images, each.state().gateways) == (70, 2)
        asked.show(third.watch, 20)
        await rounds(network)
        for each in (first, second, third):
            assert seen(await each.told()) == (90, 3, 1500)

    asyncio.run(main())


def test_a_shift_that_no_gateway_sees_alone(asked, description, clock):
    """Each has a third of its images. It ends, for all, when the images are themselves again."""

    async def main():
        network = fleet(description, clock, size=100)
        for gateway in network.values():
            without_two_classes(asked, gateway, 60)
            gateway.watch.flush()
            assert gateway.windows.find("m", 1).kind == "none", "each alone has no alarm"
        await rounds(network)
        for gateway in network.values():
            found = await gateway.told()
            assert (found["drift"], found["images"]) == ("label", 180), found["reason"]
            assert gateway.state().alarm == "label"
        for gateway in network.values():
            asked.show(gateway.watch, 120)
        await rounds(network)
        assert {(await each.told())["drift"] for each in network.values()} == {"none"}

    asyncio.run(main())


def test_an_alarm_is_one_of_all(asked, description, clock):
    """What keeps it up in one gateway does so in all, who would differ between the threshold and
    1.4 times that."""

    async def main():
        network = fleet(description, clock, 2, size=100)
        first, second = network.values()
        asked.show(first.watch, 100, inverted)
        await first.round()
        network["10.0.0.1:8080"] = first
        await rounds(network)
        assert (await first.told())["drift"] == (await second.told())["drift"] == "covariate"
        limits = [(await each.told())["thresholds"] for each in (first, second)]
        assert limits[0] == limits[1]

    asyncio.run(main())


def test_one_that_leaves_takes_its_images_with_it(asked, description, clock):
    """After a few rounds, whether it is gone from the DNS or does not answer; where nobody is left
    it is as without peers."""

    async def main():
        network = fleet(description, clock)
        first, *_ = network.values()
        for gateway in network.values():
            asked.show(gateway.watch, 20)

        async def after(seconds):
            clock.s += seconds
            await rounds(network)
            return seen(await first.told())

        assert await after(0) == (60, 3, 1500)
        del network["10.0.0.2:8080"]
        assert await after(TOGETHER_S) == (60, 3, 1500), "a name has its moments"
        assert await after(3 * TOGETHER_S + 1) == (40, 2, 1000)
        network["10.0.0.3:8080"] = PeerError("it cannot be reached")
        assert await after(TOGETHER_S) == (40, 2, 1000)
        assert await after(4 * TOGETHER_S) == (20, 1, 500)
        assert first.state().gateways == 1

    asyncio.run(main())


def test_where_no_process_asks_any_more(asked, description, clock):
    """What was pooled holds for as long as that of a peer."""

    async def main():
        network = fleet(description, clock)
        first, *_ = network.values()
        for gateway in network.values():
            asked.show(gateway.watch, 20)
        await rounds(network)
        clock.s += 4 * TOGETHER_S + 1
        assert seen(await first.told()) == (20, 1, 500)

    asyncio.run(main())


def test_other_baselines_are_not_pooled(asked, card, description, clock):
    """As while a version is replaced by another of the same number."""
    means = [1.01 * each for each in card["baseline"]["means"]]
    other = Description(description.labels, {"baseline": card["baseline"] | {"means": means}})

    async def main():
        network = fleet(description, clock, 1)
        (first,) = network.values()
        second = network["10.0.0.2:8080"] = FakeGateway(network, other, clock)
        asked.show(first.watch, 20)
        replace(asked, description=other).show(second.watch, 30)
        await rounds(network)
        assert seen(await first.told()) == (20, 1, 500)
        assert seen(await second.told()) == (30, 1, 500)

    asyncio.run(main())


def test_windows_of_different_sizes(asked, description, clock):
    """Each tells its own: all images count."""

    async def main():
        network = fleet(description, clock, 1, size=50)
        network["10.0.0.2:8080"] = FakeGateway(network, description, clock, size=200)
        for gateway in network.values():
            asked.show(gateway.watch, 100)
        await rounds(network)
        for gateway in network.values():
            assert seen(await gateway.told()) == (150, 2, 250)

    asyncio.run(main())


def test_windows_that_are_larger_together_than_one_may_be(asked, description, clock):
    """Of many gateways, or of two that exaggerate: what was pooled is read, and rounds go on."""

    async def main():
        network = fleet(description, clock, 2)
        first, second = network.values()
        asked.show(second.watch, 20)
        second.watch.flush()
        (own,) = document.read(second.watch.document(), clock()).windows
        large = replace(own, size=1_000_000, largest=1_000_000, gateways=1_000_000, since=-1e300)
        for number in (2, 3):
            content = document.written(f"peer {number}", [large], clock())
            network[f"10.0.0.{number}:8080"] = content
        for _ in range(2):
            await first.round()
            assert seen(await first.told()) == (40, 2_000_000, 2_000_000)
            assert first.state().images == 40

    asyncio.run(main())


def test_a_gateway_that_nobody_asks_any_more(asked, description, clock):
    """Its images of long ago are not pooled with those of others; where nobody is asked, all stays
    as it was."""

    async def main():
        network = fleet(description, clock, 2)
        first, second = network.values()
        asked.show(first.watch, 30)
        asked.show(second.watch, 40)
        await rounds(network)
        clock.s += CURRENT_S + 1
        await rounds(network)
        assert seen(await first.told()) == (70, 2, 1000)
        assert first.state() is None, "as of a window that is alone"
        asked.show(second.watch, 10)
        await rounds(network)
        assert seen(await first.told()) == (50, 1, 500)
        assert first.state().images == 50

    asyncio.run(main())


def test_a_version_that_has_ended(asked, description, clock):
    """Its metrics end with the next scrape, also those of images that others were asked about."""

    async def main():
        network = fleet(description, clock, 2)
        first, second = network.values()
        asked.show(second.watch, 40)
        await rounds(network)
        assert first.state().images == 40

        class Nothing:
            async def all_statuses(self, model, *, timeout_s):
                return [[]]

        await first.watch.forget_ended(Nothing())
        assert first.state() is None

    asyncio.run(main())


@pytest.mark.parametrize(
    ("tells", "why"),
    [
        (PeerError("it answers 404: it is older"), "it answers 404: it is older"),
        (PeerError("it did not answer in 2 s"), "it did not answer in 2 s"),
        (b"<html>", "its answer is no document of windows: it is no JSON"),
        (b'{"format": 2}', "of another release"),
    ],
)
def test_who_tells_nothing_is_left_out_and_said_once(asked, description, clock, said, tells, why):
    """In the third round, as those that begin and end fail, too; and when it tells again."""

    async def main():
        network = fleet(description, clock, 2)
        first, second = network.values()
        asked.show(first.watch, 20)
        asked.show(second.watch, 20)
        await rounds(network)
        network["10.0.0.3:8080"] = tells
        await first.round()
        await first.round()
        assert said() == []
        for _ in range(10):
            await first.round()
        (line,) = said()
        assert line.startswith("The drift windows of the gateway at 10.0.0.3:8080 are left out: ")
        assert why in line
        assert seen(await first.told()) == (40, 2, 1000)
        network["10.0.0.3:8080"] = FakeGateway(network, description, clock)
        await first.round()
        assert said()[1:] == ["The gateway at 10.0.0.3:8080 tells its drift windows again"]

    asyncio.run(main())


def test_one_that_is_gone_is_forgotten(description, clock, said):
    """It is said again, once, should it come back as it was."""

    async def main():
        network = fleet(description, clock, 1)
        (first,) = network.values()
        for _ in range(2):
            network["10.0.0.3:8080"] = PeerError("it cannot be reached")
            for _ in range(5):
                await first.round()
            del network["10.0.0.3:8080"]
            await first.round()
        assert len(said()) == 2

    asyncio.run(main())


def test_more_versions_than_a_gateway_has_windows(asked, description, clock):
    """Those that were used last are pooled."""

    async def main():
        network = fleet(description, clock, 2)
        first, second = network.values()
        asked.show(second.watch, 20)
        second.watch.flush()
        clock.s += TOGETHER_S
        (own,) = document.read(second.watch.document(), clock()).windows
        made_up = [replace(own, model=f"m{number}", used=own.used + 1) for number in range(15)]
        network["10.0.0.2:8080"] = document.written("x", [own, *made_up], clock())
        await first.round()
        assert first.pool.all().keys() >= {("m", 1)}
        made_up += [replace(own, model="m15", used=own.used + 1)]
        network["10.0.0.2:8080"] = document.written("x", [own, *made_up], clock())
        await first.round()
        assert ("m", 1) not in first.pool.all(), "16 are newer"

    asyncio.run(main())


async def no_baseline(model, version):
    return None


def test_a_round_that_fails_is_not_the_last(description, clock, caplog):
    """It is logged, and another follows."""

    async def main():
        network = fleet(description, clock, 1)
        (first,) = network.values()
        again = asyncio.Event()
        bugs = [RuntimeError("a bug")]

        def own():
            if bugs:
                raise bugs.pop()
            again.set()
            return []

        tasks = PeerRounds(first.pool, lambda: [], own, no_baseline, every_s=0.01)
        task = asyncio.create_task(tasks.run())
        await asyncio.wait_for(again.wait(), 30)
        task.cancel()
        assert "a bug" in caplog.text

    asyncio.run(main())


def test_one_process_asks(description, clock):
    """Whoever leads; where it ends, another goes on."""

    async def main():
        network = fleet(description, clock, 1)
        (first,) = network.values()
        with first.pool.lead() as is_leading:
            assert is_leading
        first.watch.start(lambda: list(network), first.servers)
        asked = first.pool.client.asked
        while not asked:
            await asyncio.sleep(0)
        first.watch.stop()
        await asyncio.sleep(0)
        with first.pool.lead() as is_leading:
            assert is_leading

    asyncio.run(main())
