"""Check of peers: the other gateways of the same service, as many as there are said to be."""

import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

import requests

from vitrine_client.doctor.cluster.endpoints import (
    MOST_ASKED,
    Endpoint,
    endpoints,
    grouped,
    side_by_side,
    told,
)
from vitrine_client.doctor.cluster.names import PEERS
from vitrine_client.doctor.finding import Finding, note, ok, problem
from vitrine_client.doctor.installation import Installation
from vitrine_client.doctor.name_service import NoNameService, NoSuchName
from vitrine_client.doctor.service import probe
from vitrine_client.doctor.service.gateway import is_ours
from vitrine_client.errors import InvalidRequest
from vitrine_client.process.addresses import checked_peers
from vitrine_client.process.trust import Trust

_NAME = "peers"
_SKEW_S = 60
_HEADLESS = f"`export {PEERS}=vitrine-peers:8080`, a headless Service of all gateways"


def check(here: Installation) -> Iterator[Finding]:
    """Asks all gateways that `VITRINE_PEERS` leads to."""
    setting = here.environment.get(PEERS, "").strip()
    if not setting:
        yield from _alone(here)
        return
    try:
        setting = checked_peers(setting)
    except InvalidRequest:  # the check of variables says so
        return
    yield from _counted(setting) if setting.isdecimal() else _found(setting, here)


def _alone(here: Installation) -> Iterator[Finding]:
    limit = here.environment.get("VITRINE_RATE_LIMIT", "").strip()
    if limit and limit.strip("0.") and here.names("KUBERNETES_SERVICE_HOST"):
        seen = f"none named, so that each gateway grants VITRINE_RATE_LIMIT={limit} by itself"
        yield note(_NAME, seen, f"where there are several, {_HEADLESS}")
    else:
        yield ok(_NAME, f"none: no {PEERS}")


def _counted(number: str) -> Iterator[Finding]:
    seen = f"{number} gateways, as {PEERS} says, however many there are"
    yield note(_NAME, seen, f"for a number that follows them, {_HEADLESS}")


def _found(setting: str, here: Installation) -> Iterator[Finding]:
    peers = endpoints(here, [setting])
    if not peers:
        return  # the check of names says so
    replies = dict(side_by_side(lambda peer: _asked(peer, here), peers))
    versions = []
    for peer, reply in replies.items():
        if isinstance(reply, Finding):
            yield reply
        elif not is_ours(reply):
            seen = f"answers /healthz with {reply.status}, and is no gateway"
            todo = f"does the Service of {PEERS} select gateways alone, and name their port?"
            yield problem(f"peer {peer.address}", seen, todo)
        else:
            versions.append((peer.address, str(reply.json().get("version", "?"))))
            yield from _skewed(peer, reply)
    yield from _summary(len(peers), versions)
    yield from _self_among([each.address for each in peers], here)


def _asked(peer: Endpoint, here: Installation) -> probe.Reply | Finding:
    """As peers ask one another: straight, and of whatever name the certificate is."""
    scheme = "https" if here.names("VITRINE_TLS_CERT") else "http"
    try:
        trust = Trust.chosen(verify=False, environ=here.environment)
        url = f"{scheme}://{peer.address}/healthz"
        return probe.get(url, here.wait_s, trust=trust, straight=True)
    except (requests.RequestException, OSError, InvalidRequest) as error:
        todo = (
            "is it ending, or still starting? A NetworkPolicy has to let gateways ask one another; "
            f"{PEERS} has their own port, not the Service's"
        )
        kind = "takes too long" if isinstance(error, requests.Timeout) else type(error).__name__
        return problem(f"peer {peer.address}", f"does not answer /healthz ({kind})", todo)


def _skewed(peer: Endpoint, reply: probe.Reply) -> Iterator[Finding]:
    try:
        theirs_s = parsedate_to_datetime(reply.headers["Date"]).timestamp()
    except (KeyError, ValueError):
        return
    if (apart_s := abs(theirs_s - time.time())) > _SKEW_S:
        seen = f"its clock and the one here are {apart_s:.0f} s apart"
        yield note(f"peer {peer.address}", seen, "have both nodes set theirs by a time service")


def _summary(number: int, versions: list[tuple[str, str]]) -> Iterator[Finding]:
    groups = grouped(versions)
    asked = f", of which {MOST_ASKED} were asked" if number > MOST_ASKED else ""
    if len(groups) > 1:
        seen = f"are of several versions: {told(groups, lambda version: version)}"
        todo = "nothing during a rolling update; else `kubectl rollout status deployment/vitrine`"
        yield note(_NAME, seen, todo)
    elif versions:
        seen = f"{len(versions)} of {number} answer{asked}, version {versions[0][1]}"
        yield ok(_NAME, seen)


def _self_among(addresses: list[str], here: Installation) -> Iterator[Finding]:
    """A pod's name is in its /etc/hosts, with its address."""
    try:
        own = here.names_service.addresses(here.host_name, here.wait_s)
    except (NoSuchName, NoNameService):
        return
    hosts = {each.rpartition(":")[0].strip("[]") for each in addresses}
    own = [each for each in own if not each.startswith(("127.", "::1"))]
    if own and not hosts & set(own):
        seen = f"of {PEERS} are {', '.join(sorted(hosts)[:8])}, and this pod is {', '.join(own)}"
        todo = (
            "nothing, unless this is a gateway that is ready: then does the Service's selector "
            "meet its labels?"
        )
        yield note(_NAME, seen, todo)
