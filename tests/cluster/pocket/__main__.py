"""Command of the pocket cluster: plays the scenario, prints its tables, and fails if an answer was
lost or wrong, or came too late."""

import asyncio
import json
import sys
import tempfile
from pathlib import Path

import click

from tests.cluster.pocket import namespaces
from tests.cluster.pocket.cluster import NotInTimeError
from tests.cluster.pocket.scenario import Variant, play

UNAVAILABLE = 69
"""Exit status where this machine gives no namespaces; as of sysexits.h."""


@click.command()
@click.option("--seconds", default=600.0, show_default=True, help="How long clients send.")
@click.option("--most-ms", type=float, help="Fail if the p99 is longer.")
@click.option("--models", type=click.Path(path_type=Path, exists=True), help="Real model servers.")
@click.option("--without-pre-stop", is_flag=True, help="Leave the manifests' hooks out.")
@click.option("--kill-gateway", is_flag=True, help="Kill a gateway, and change nothing else.")
@click.option("--folder", type=click.Path(path_type=Path), help="Where logs and results are kept.")
def main(
    seconds: float,
    most_ms: float | None,
    models: Path | None,
    without_pre_stop: bool,
    kill_gateway: bool,
    folder: Path | None,
) -> None:
    """Plays Kubernetes with 2 gateways, 3 model servers and 32 clients."""
    if not namespaces.is_inside():
        try:
            with namespaces.inside("tests.cluster.pocket", sys.argv[1:]) as cluster:
                sys.exit(cluster.wait())
        except namespaces.NoNamespacesError as error:
            print(f"Skipped: {error}")
            sys.exit(UNAVAILABLE)
    folder = (folder or Path(tempfile.mkdtemp(prefix="pocket-cluster-"))).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    variant = Variant(
        seconds, not without_pre_stop, kill_gateway, models.absolute() if models else None
    )
    print(f"The pods start; then {seconds:g} s of load, and these changes:", flush=True)
    try:
        report = asyncio.run(play(variant, folder, lambda line: print(line, flush=True)))
    except NotInTimeError as error:
        sys.exit(f"Error: {error}")
    print(*report.lines(10 if seconds < 120 else 30), sep="\n")
    (folder / "events.json").write_text(json.dumps(report.events))
    late = most_ms is not None and report.p99_ms > most_ms
    limit = f", at most {most_ms:.0f} wanted" if most_ms is not None else ""
    print(
        f"{report.failed} failed, {report.wrong} wrong, p99 {report.p99_ms:.0f} ms{limit}; "
        f"logs are in {folder}"
    )
    sys.exit(bool(report.failed or report.wrong or late))


if __name__ == "__main__":
    main()
