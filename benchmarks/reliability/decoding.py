"""More pictures than can be decoded."""

from dataclasses import dataclass

from benchmarks.decoding import item, noise, pinned, saved
from benchmarks.reliability.load import REFUSED, RIGHT, Replies, ask, statuses
from benchmarks.reliability.subject import await_predictions
from vitrine_client.loadtest.plan import Closed, Open, Phase

FORMATS = ("JPEG", "PNG", "WEBP")
_PIXELS = 12_000_000


@dataclass(frozen=True)
class Decoding:
    """What a gateway did with more photos than it can decode; times in milliseconds, photos a
    second."""

    capacity: float
    alone_p50_ms: float
    offered: float
    share_of_capacity: float
    statuses: dict[int, int]
    answered_p99_ms: float
    refused_p50_ms: float
    refused_p99_ms: float


def decoding(kind: str, duration_s: float, *, times: float = 2.5) -> Decoding:
    """Sends `times` as many photos of 12 megapixels as are decoded in a closed loop. The deadline
    is the default, 10 s."""
    options = {"compress_level": 1} if kind == "PNG" else {"quality": 85}
    photo = saved(noise(item(_PIXELS), 6), kind, **options)
    with pinned() as started:
        await_predictions(started.url, "")
        alone, full, offered = Replies(), Replies(), Replies()
        ask(started, Closed(1, duration_s / 8), alone, picture=photo)
        capacity = ask(started, Closed(8, duration_s / 4), full, picture=photo).throughput
        rate = times * capacity
        load = Open((Phase(duration_s, rate, rate),), "constant", connections=1000)
        ask(started, load, offered, picture=photo)
    return Decoding(
        capacity,
        alone.percentile_ms(RIGHT, 50),
        rate,
        offered.outcomes[RIGHT] / duration_s / capacity,
        statuses(offered.outcomes),
        offered.percentile_ms(RIGHT, 99),
        offered.percentile_ms(REFUSED, 50),
        offered.percentile_ms(REFUSED, 99),
    )
