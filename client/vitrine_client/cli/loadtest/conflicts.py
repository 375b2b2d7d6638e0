"""Options of `vitrine loadtest` that do not go together."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from vitrine_client.loadtest.generator import headers

if TYPE_CHECKING:
    from vitrine_client.cli.loadtest.request import LoadRequest


def check(asked: "LoadRequest") -> None:
    """Raises `click.UsageError` where they do not, with what to do."""
    if asked.kind == "grpc":
        try:
            headers.check_metadata(asked.headers)
        except ValueError as error:
            raise click.UsageError(str(error)) from error
    for wrong, text in (
        (bool(asked.pictures or asked.replay) == bool(asked.earlier), "Give PICTURES to send, a "
         "log to --replay FILE, or --result FILE"),
        (asked.replay and (asked.rate or asked.concurrency or asked.duration_s or
         asked.is_by_chance), "--replay sends what is due by its log: leave out --rate, "
         "--concurrency, --duration-s, --arrivals and --seed"),
        (asked.is_closed and (asked.is_by_chance or asked.connections), "--arrivals, "
         "--connections and --seed are those of an open loop: give --rate"),
        (asked.replay and (asked.way or asked.model_server or asked.batch_size > 1 or
         asked.version is not None or asked.label is not None), "--replay asks the gateway for "
         "what is in its log: leave out --as, --batch-size, --model-server, --version and "
         "--label"),
        (asked.speed and not asked.replay, "--speed is that of a --replay"),
        (asked.rate and asked.concurrency, "--rate is an open loop, --concurrency a closed one"),
        (asked.way and asked.model_server, "--as is how pictures travel to the gateway; a model "
         "server is sent pixels"),
        (asked.sweep and asked.is_told, "--sweep chooses its loads: leave out --rate, "
         "--concurrency, --replay and --result"),
        (asked.chaos and asked.searches, "--chaos is for one load: give --rate or --concurrency"),
        (asked.compare and asked.searches, "--compare is for one load: give --rate or "
         "--concurrency"),
        (asked.duration_s and asked.searches, "--duration-s is for one load: give --rate or "
         "--concurrency"),
        (asked.earlier and asked.chaos, "--chaos does nothing to a --result"),
        (asked.batch_size > 1 and asked.kind == "raw", "One picture travels as it is; for "
         "--batch-size say --as multipart, npy or json"),
        (asked.count and (asked.searches or asked.replay or asked.chaos), "-n is for one load of "
         "--rate or --concurrency"),
        (asked.count and asked.warm_up_s, "-n counts from the first request: leave out "
         "--warm-up-s"),
        (asked.count and asked.rate and (len(asked.rate) > 1 or asked.rate[0][0] !=
         asked.rate[0][1]), "-n goes with one rate, and not with a ramp or steps"),
        (asked.longest_gap_s and not asked.replay, "--longest-gap-s is that of a --replay"),
        (asked.requests_file and asked.earlier, "--requests: a --result does not have them"),
        (asked.give_up_s and asked.searches, "--give-up-s is for one load: a search ends by "
         "itself where nobody answers"),
        (asked.kind == "grpc" and (asked.no_keep_alive or asked.insecure), "--no-keep-alive and "
         "--insecure are for HTTP: gRPC has one connection here, and trusts whom --ca names"),
        (asked.outputs.count(Path("-")) > 1, "Only one of --json, --csv, --requests and --html can "
         "be -"),
    ):  # fmt: skip
        if wrong:
            raise click.UsageError(text)
