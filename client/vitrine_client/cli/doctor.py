"""Doctor command: prints a diagnosis of this machine and the service."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import urllib3
from rich.text import Text

from vitrine_client.cli import options
from vitrine_client.cli.gateway import TlsFiles, gateway_tls
from vitrine_client.cli.output import tables
from vitrine_client.doctor import (
    CHECKS,
    CLUSTER_CHECKS,
    Check,
    Finding,
    Installation,
    Level,
    examine,
)
from vitrine_client.errors import InvalidRequest
from vitrine_client.process import local_sockets
from vitrine_client.process.addresses import Addresses

_LIMITS = 4
"""Longest wait for a check, in longest waits for one answer: some ask several times."""

_MARKS = {Level.OK: ("ok", "green"), Level.NOTE: ("note", "yellow"), Level.PROBLEM: ("fix", "red")}


@click.command(short_help="Say what is wrong here, and what to do.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--problems", is_flag=True, help="Leave out what is well.")
@click.option(
    "--cluster",
    is_flag=True,
    help="Look from inside a gateway's pod at its cluster: DNS, model servers, peers, limits.",
)
@click.option(
    "--url",
    envvar="VITRINE_URL",
    show_envvar=True,
    help="The gateway.  [default: http://127.0.0.1 and VITRINE_PORT, or 8080]",
)
@options.key
@gateway_tls
@options.models_dir("Folder with the models' versions.")
@click.option(
    "--model-server",
    envvar="VITRINE_MODEL_SERVER",
    show_envvar=True,
    metavar="HOST:PORT",
    help="The model server, or several, separated by commas.  [default: the one of this machine]",
)
@click.option(
    "--timeout-s",
    type=options.SECONDS,
    default=3.0,
    help=f"Longest wait for one answer, in seconds; a whole check takes {_LIMITS} of them at most.",
)
def doctor(as_json: bool, problems: bool, cluster: bool, timeout_s: float, **named: Any) -> None:
    """Look at this machine and at the service, and say what is wrong and what to do.

    \b
    vitrine doctor                       a line for each check
    vitrine doctor --problems            only what needs fixing
    vitrine doctor --url https://there   of a gateway elsewhere
    vitrine doctor --json | jq '.findings[] | select(.level != "ok")'
    kubectl exec deploy/vitrine -c gateway -- vitrine doctor --cluster

    It changes nothing, and sends nothing to anybody but the service. Python and libraries, memory,
    disk and descriptors, environment variables, certificates and keys, the data set, published
    models and why one is not served, ports, gateway, model server and containers are looked at.

    With --cluster it looks from a pod instead: names and their addresses, each model server behind
    them (health, versions, version labels), peers, probes, links of services, limits.

    `ok` is well; `note` is good to know, such as an extra that is not installed; `fix` is broken,
    or will be. Run it in the directory, and with the variables, with which the service is started.

    Exit codes: 0 nothing to fix; 1 something is; 2 wrong usage; 130 Ctrl-C.
    """
    installation = _installation(timeout_s, cluster=cluster, **named)
    checks = CLUSTER_CHECKS if cluster else CHECKS
    if cluster:
        # As the kubelet, it takes whatever certificate a gateway shows.
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    examined = examine(checks, installation, limit_s=_LIMITS * timeout_s)
    if as_json:
        findings = [finding for _, found in examined for finding in found]
    else:
        findings = _told(examined, only_bad=problems)
    wrong = sum(finding.level is Level.PROBLEM for finding in findings)
    if as_json:
        shown = [each for each in findings if each.level is not Level.OK] if problems else findings
        tables.print_json({"ok": not wrong, "problems": wrong, "findings": shown})
    else:
        click.echo(_verdict(findings, wrong, notes_shown=not problems))
    sys.exit(1 if wrong else 0)


def _installation(
    timeout_s: float,
    *,
    cluster: bool,
    url: str | None,
    key: str,
    models_dir: Path,
    model_server: str | None,
    tls: TlsFiles,
) -> Installation:
    environment = dict(os.environ)
    try:
        chosen = Addresses.chosen(environment)
    except InvalidRequest:  # the check of ports says so
        chosen = Addresses()
    servers = [each.strip() for each in (model_server or "").split(",") if each.strip()]
    return Installation(
        environment,
        url=url or chosen.url,
        url_named=bool(url),
        api_key=key,
        models_dir=models_dir,
        model_servers=tuple(servers) or (_usual_server(chosen, environment, cluster),),
        wait_s=timeout_s,
        ca=tls.ca,
        cert=tls.certificate,
    )


def _usual_server(chosen: Addresses, environment: dict[str, str], cluster: bool) -> str:
    """The one that a gateway asks which is told of none."""
    own = environment.get("VITRINE_LOCAL_SOCKET", "")
    named = cluster and own not in ("", local_sockets.OFF)
    return f"{local_sockets.SCHEME}{own}" if named else chosen.model_server


def _told(examined: Iterator[tuple[Check, list[Finding]]], *, only_bad: bool) -> list[Finding]:
    """Prints findings as they come, under the headings of their sections, and returns them."""
    findings: list[Finding] = []
    heading = ""
    for check, found in examined:
        shown = [each for each in found if each.level is Level.PROBLEM or not only_bad]
        if shown and check.section != heading:
            _print(Text(f"\n{check.section}" if heading else check.section, "bold"))
            heading = check.section
        for each in shown:
            _print(_line(each))
            if each.todo:
                arrow = "->" if options.console.options.ascii_only else "→"
                _print(Text(f"      {arrow} {_in_one_line(each.todo)}"))
        findings += found
    return findings


def _line(finding: Finding) -> Text:
    mark, colour = _MARKS[finding.level]
    return Text.assemble(
        (f"{mark:<5} ", colour),
        (_in_one_line(finding.name), "bold"),
        f": {_in_one_line(finding.seen)}",
    )


def _in_one_line(text: str) -> str:
    """Text of others, a server or a file's name, makes no line of its own."""
    return " ".join(text.splitlines())


def _print(text: Text) -> None:
    """Prints a line without characters that can't be encoded."""
    encoding = options.console.encoding
    text.plain = text.plain.encode(encoding, "replace").decode(encoding)
    options.console.print(text, soft_wrap=True)


def _verdict(findings: list[Finding], wrong: int, *, notes_shown: bool) -> str:
    notes = sum(finding.level is Level.NOTE for finding in findings)
    told = f", {notes} note{'s' * (notes != 1)}" if notes else ""
    told += "" if notes_shown or not notes else " (without --problems they are shown)"
    if not wrong:
        return f"\nNothing to fix{told}."
    return f"\n{wrong} to fix{told}. Fix the first one first: it may have caused the others."
