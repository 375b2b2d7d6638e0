"""`python -m benchmarks.decoding`: what pictures take of a gateway, each kind at its limit.

Memory is that of all processes of the gateway together, above idle; the highest of each is added
up, so the truth is no more. Then many hostile pictures come at once, while `/healthz` is asked
every 10 ms. The gateway has one core, and what measures it another.
"""

import io
import os
import struct
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from math import isqrt
from pathlib import Path
from typing import Any

import click
import numpy as np
import requests
from PIL import Image, ImageDraw
from rich.console import Console
from rich.table import Table

from benchmarks import results
from harness.fake_model_server import FakeModelServer, classifying
from harness.gateway import PREDICT, Gateway, gateway
from harness.processes import children_of, rss_mb
from vitrine_client.images import find_item
from vitrine_client.images.headers import MOST_PIXELS

_HOSTILE = 64
_ASK_EVERY_S = 0.01


def item(pixels: int, mode: str = "RGB") -> Image.Image:
    """Returns a picture, 4 by 3, of a dark item on a ground that is not even."""
    height = isqrt(pixels * 3 // 4)
    width = pixels // height
    ground = np.linspace(235, 200, height, dtype=np.float32)[:, None] + np.zeros(width, np.float32)
    image = Image.fromarray(ground.astype(np.uint8))
    ImageDraw.Draw(image).ellipse((width // 3, height // 6, width // 2, height * 5 // 6), 60)
    return image.convert(mode)


def clear(image: Image.Image) -> Image.Image:
    """Returns it with a transparent margin."""
    alpha = Image.new("L", image.size, 255)
    alpha.paste(0, (0, 0, image.width // 4, image.height))
    image.putalpha(alpha)
    return image


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    """Returns the file of a picture."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def deep_png(pixels: int) -> bytes:
    """Returns a PNG of 10 bits in 16, RGBA, as Pillow writes none."""
    levels = np.asarray(clear(item(pixels))).astype(">u2") * 4
    height, width = levels.shape[:2]
    rows = np.zeros((height, 1 + 8 * width), np.uint8)
    rows[:, 1:] = levels.view(np.uint8).reshape(height, -1)

    def chunk(name: bytes, content: bytes) -> bytes:
        check = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)

    head = struct.pack(">IIBBBBB", width, height, 16, 6, 0, 0, 0)
    body = zlib.compress(rows.tobytes(), 1)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def second(image: Image.Image, kind: str) -> bytes:
    """Returns an animation whose first frame is empty."""
    blank = Image.new(image.mode, image.size, 200 if image.mode == "L" else (200, 200, 200))
    return saved(blank, kind, save_all=True, append_images=[image])


def noise(image: Image.Image, levels: int) -> Image.Image:
    """Returns it with up to so many levels added or taken: its file is larger, as a photo's is."""
    pixels = np.asarray(image).astype(np.int16)
    pixels += np.random.default_rng(1).integers(-levels, levels, pixels.shape, np.int16)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


PICTURES: dict[str, tuple[str, Callable[[int], bytes]]] = {
    "JPEG": ("JPEG", lambda most: saved(item(most), "JPEG")),
    "progressive JPEG, 4:4:4": (
        "progressive JPEG",
        lambda most: saved(item(most), "JPEG", progressive=True, subsampling=0),
    ),
    "progressive CMYK JPEG": (
        "progressive CMYK JPEG",
        lambda most: saved(item(most, "CMYK"), "JPEG", progressive=True),
    ),
    "PNG": ("PNG", lambda most: saved(item(most), "PNG", compress_level=1)),
    "PNG of 30 MB": ("PNG", lambda _: saved(noise(item(13_000_000), 20), "PNG", compress_level=6)),
    "PNG with transparency": (
        "PNG with transparency",
        lambda most: saved(clear(item(most)), "PNG", compress_level=1),
    ),
    "PNG, transparent palette": (
        "PNG with transparency",
        lambda most: saved(item(most).quantize(9), "PNG", compress_level=1, transparency=0),
    ),
    "16-bit PNG": ("16-bit PNG", deep_png),
    "animated PNG": ("animated PNG", lambda most: second(item(most), "PNG")),
    "WebP": ("WebP", lambda most: saved(item(most), "WEBP", method=0)),
    "WebP with transparency": (
        "WebP with transparency",
        lambda most: saved(clear(item(most)), "WEBP", method=0),
    ),
    "lossless WebP": ("lossless WebP", lambda most: saved(item(most), "WEBP", lossless=True)),
    "animated WebP": ("animated WebP", lambda most: second(item(most), "WEBP")),
    "GIF": ("GIF", lambda most: saved(item(most).quantize(9), "GIF", transparency=0)),
    "GIF, animated": ("GIF", lambda most: second(item(most), "GIF")),
    "BMP of 31 MB": ("BMP", lambda _: saved(item(10_800_000), "BMP")),
    "TIFF": ("TIFF", lambda most: saved(item(most), "TIFF", compression="tiff_lzw")),
    "TIFF of floats": (
        "TIFF of many bits",
        lambda most: saved(
            Image.fromarray(np.asarray(item(most, "L")).astype(np.float32)),
            "TIFF",
            compression="tiff_lzw",
        ),
    ),
    "AVIF": ("AVIF", lambda most: saved(item(most), "AVIF", speed=10)),
}


def send(running: Gateway, picture: bytes) -> requests.Response:
    """Sends a picture over a connection of its own."""
    headers = {"Content-Type": "application/octet-stream"}
    return requests.post(running.url + PREDICT, picture, headers=headers, timeout=60)


def highest_mb(running: Gateway, do: Callable[[], object]) -> float:
    """Returns the memory in MB that all processes of a gateway took more while something was
    done; those that ended meanwhile excepted."""
    processes = [running.process.pid, *children_of(running.process.pid)]
    before = {pid: _status_mb(pid, "VmRSS") for pid in processes}
    for pid in processes:
        Path(f"/proc/{pid}/clear_refs").write_text("5")  # the highest begins again
    do()
    return sum(max(0.0, _status_mb(pid, "VmHWM") - before[pid]) for pid in processes)


def _status_mb(pid: int, name: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0


@contextmanager
def pinned(**settings: Any) -> Iterator[Gateway]:
    """Runs a gateway on the first core, and all else on the others."""
    cores = os.sched_getaffinity(0)
    with FakeModelServer(classifying()) as server, gateway(server.address, **settings) as running:
        if len(cores) > 1:
            first = min(cores)
            for pid in (running.process.pid, *children_of(running.process.pid)):
                os.sched_setaffinity(pid, {first})
            os.sched_setaffinity(0, cores - {first})
        try:
            yield running
        finally:
            os.sched_setaffinity(0, cores)


class _Asking(threading.Thread):
    """Asks `/healthz` every 10 ms over one connection, and keeps how long that took, in seconds."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        self._end = threading.Event()
        self.took_s: list[float] = []

    def run(self) -> None:
        with requests.Session() as session:
            while not self._end.wait(_ASK_EVERY_S):
                began = time.monotonic()
                session.get(f"{self._url}/healthz", timeout=30)
                self.took_s.append(time.monotonic() - began)

    def stop(self) -> None:
        self._end.set()
        self.join()


def hostile() -> list[bytes]:
    """Returns pictures that cost much for their size in bytes."""
    worst = ("lossless WebP", "progressive JPEG, 4:4:4", "16-bit PNG", "WebP", "animated PNG")
    large = [make(MOST_PIXELS[kind]) for name, (kind, make) in PICTURES.items() if name in worst]
    return [large[number % len(large)] for number in range(_HOSTILE)]


@click.command()
@click.option("--kinds", default="", help="Those whose names begin so, separated by commas.")
@click.option("--hostile/--no-hostile", "with_hostile", default=True, show_default=True)
def main(kinds: str, with_hostile: bool) -> None:
    """Send a gateway a picture of each kind at its limit, then many of the worst at once."""
    console = Console(highlight=False)
    wanted = tuple(kinds.split(","))
    table = Table("kind", "million pixels", "MB of file", "MB at most", "ms", "answer")
    found: dict[str, object] = {}
    with pinned() as running:
        for name, (kind, make) in PICTURES.items():
            if not name.startswith(wanted):
                continue
            picture = make(MOST_PIXELS[kind])
            find_item(picture)  # it can be read
            send(running, saved(item(100_000), "PNG"))
            answers: list[requests.Response] = []
            mb = max(
                highest_mb(running, lambda: answers.append(send(running, picture)))  # noqa: B023
                for _ in range(3)
            )
            ms = 1e3 * min(each.elapsed.total_seconds() for each in answers)
            statuses = "/".join(sorted({str(each.status_code) for each in answers}))
            found[name] = {"mb": mb, "ms": ms, "file_mb": len(picture) / 1e6}
            table.add_row(
                name,
                f"{MOST_PIXELS[kind] / 1e6:g}",
                f"{len(picture) / 1e6:.1f}",
                f"{mb:.0f}",
                f"{ms:.0f}",
                statuses,
            )
    console.print(table)
    if with_hostile:
        found["hostile"] = at_once(console)
    results.write("decoding", found)


def at_once(console: Console) -> dict[str, object]:
    """Sends many hostile pictures at once, and forms of small files."""
    pictures = hostile()
    flat = Image.new("RGB", item(MOST_PIXELS["lossless WebP"]).size, "red")
    small = [("image", saved(flat, "WEBP", lossless=True))] * 32  # some hundred bytes each
    with pinned() as running:
        workers = running.workers
        idle_mb = sum(rss_mb(running.process.pid))
        asking = _Asking(running.url)
        asking.start()
        most_mb, done = 0.0, threading.Event()

        def weigh() -> None:
            nonlocal most_mb
            while not done.wait(0.02):
                most_mb = max(most_mb, sum(rss_mb(running.process.pid)))

        weighing = threading.Thread(target=weigh)
        weighing.start()
        with ThreadPoolExecutor(_HOSTILE + 4) as threads:
            single = [threads.submit(send, running, each) for each in pictures]
            forms = [
                threads.submit(requests.post, running.url + PREDICT, files=small, timeout=60)
                for _ in range(4)
            ]
            statuses = Counter(each.result().status_code for each in (*single, *forms))
        done.set()
        weighing.join()
        asking.stop()
        outcome = {
            "statuses": dict(statuses),
            "mb": most_mb - idle_mb,
            "healthz_p50_ms": 1e3 * float(np.percentile(asking.took_s, 50)),
            "healthz_p99_ms": 1e3 * float(np.percentile(asking.took_s, 99)),
            "workers_alive": running.workers == workers,
        }
    console.print(f"{_HOSTILE} hostile pictures and 4 forms of 32 at once", outcome)
    return outcome


if __name__ == "__main__":
    main()
