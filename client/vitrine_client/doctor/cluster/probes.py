"""Check of probes: what the kubelet finds when it asks this pod's gateway."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeGuard

import requests

from vitrine_client.doctor.finding import Finding, note, ok, problem
from vitrine_client.doctor.installation import Installation
from vitrine_client.doctor.service import probe
from vitrine_client.doctor.service.gateway import is_ours
from vitrine_client.errors import InvalidRequest
from vitrine_client.http.unanswered_calls import causes
from vitrine_client.process import proxies
from vitrine_client.process.addresses import unbracketed, without_password
from vitrine_client.process.trust import Trust

_ALL = ("0.0.0.0", "::")  # noqa: S104 - recognised, not listened on

_PROBE_S = 1.0
"""Seconds that a probe waits unless its `timeoutSeconds` says otherwise."""

_LOG = "`kubectl logs POD -c gateway`, with --previous if it was started again, says why"


def check(here: Installation) -> Iterator[Finding]:
    """Asks `/healthz` and `/readyz` as probes do, and looks at settings that keep them out."""
    yield from _kept_out(here)
    health = _asked("/healthz", here)
    if isinstance(health, Finding):
        yield health
    elif not is_ours(health.reply):
        seen = f"{without_password(here.url)} answers {health.reply.status}, and is no gateway"
        yield problem("probe /healthz", seen, "another program has its port; VITRINE_PORT moves it")
    else:
        yield _timed("/healthz", health)
        yield from _readiness(_asked("/readyz", here))
        yield from _models(_asked("/readyz?models=1", here, waits=2))


@dataclass(frozen=True)
class _Probed:
    """A reply, and how long it took."""

    reply: probe.Reply
    took_s: float


def _asked(path: str, here: Installation, waits: int = 1) -> _Probed | Finding:
    """As the kubelet asks: straight, and of whatever name the certificate is."""
    began_s, name = time.monotonic(), f"probe {path}"
    shown = without_password(here.url)
    trust = Trust.chosen(verify=False, cert=here.cert, environ=here.environment)
    try:
        reply = probe.get(
            f"{here.url.rstrip('/')}{path}", waits * here.wait_s, trust=trust, straight=True
        )
    except (requests.RequestException, OSError, InvalidRequest) as error:
        if any(isinstance(each, ConnectionRefusedError) for each in causes(error)):
            todo = f"run the doctor in the gateway's container (`kubectl exec -c gateway`); {_LOG}"
            return problem(name, f"nothing listens at {shown}", todo)
        kind = "in time" if isinstance(error, requests.Timeout) else f"({type(error).__name__})"
        return problem(name, f"{shown} does not answer {kind}", f"is it at its limits? {_LOG}")
    return _Probed(reply, time.monotonic() - began_s)


def _timed(path: str, probed: _Probed) -> Finding:
    name, took = f"probe {path}", f"answers {probed.reply.status} in {probed.took_s:.2f} s"
    if probed.took_s > _PROBE_S:
        todo = (
            "raise `timeoutSeconds` of its probe, which is 1 unless it is told; and look at the "
            "gateway's processors: what is throttled answers late"
        )
        return problem(name, took, todo)
    return ok(name, took)


def _readiness(probed: _Probed | Finding) -> Iterator[Finding]:
    if isinstance(probed, Finding):
        yield probed
    elif probed.reply.status != 200:
        reason = probed.reply.json().get("reason", "no reason is given")
        seen = f"answers {probed.reply.status}: {reason}"
        todo = "the Service leaves this pod out until that is 200; ask another if it is ending"
        yield problem("probe /readyz", seen, todo)
    else:
        yield _timed("/readyz", probed)


def _models(probed: _Probed | Finding) -> Iterator[Finding]:
    if isinstance(probed, Finding):
        yield probed
        return
    content = probed.reply.json()
    if probed.reply.status == 200:
        yield ok("models", "all that are listed are AVAILABLE")
        return
    listed = content.get("models")
    absent = [name for name, is_there in listed.items() if not is_there] if _is(listed) else []
    seen = content.get("reason") or f"no version of {', '.join(absent) or 'a model'} is AVAILABLE"
    todo = "the lines on model servers say why; VITRINE_MODELS lists what has to be there"
    yield problem("models", str(seen), todo)


def _is(listed: object) -> TypeGuard[dict[str, bool]]:
    return isinstance(listed, dict)


def _kept_out(here: Installation) -> Iterator[Finding]:
    host = here.environment.get("VITRINE_HOST", "")
    reached = host and (unbracketed(host) in _ALL or not proxies.is_loopback(host))
    if here.names("KUBERNETES_SERVICE_HOST") and not reached:
        seen = f"is {host or 'not set'}: neither probes nor Services reach the gateway"
        yield problem("VITRINE_HOST", seen, "`VITRINE_HOST=0.0.0.0`, or `::` for IPv6")
    if here.names("VITRINE_TLS_CLIENT_CA"):
        seen = "wants a certificate of every client, and the kubelet has none to show"
        todo = "probe by `tcpSocket`, or end TLS in front of the gateway"
        yield problem("VITRINE_TLS_CLIENT_CA", seen, todo)
    elif here.names("VITRINE_TLS_CERT"):
        yield note("VITRINE_TLS_CERT", "probes need TLS as well", "`scheme: HTTPS` in each httpGet")
