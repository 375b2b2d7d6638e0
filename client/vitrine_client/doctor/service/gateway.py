"""Check of the gateway: an answer, readiness, API key, and the states of its models."""

import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import requests

from vitrine_client.doctor.finding import Finding, note, ok, problem
from vitrine_client.doctor.installation import Installation
from vitrine_client.doctor.machine.software import installed_version
from vitrine_client.doctor.service import probe
from vitrine_client.doctor.service.model_server import examined_states
from vitrine_client.errors import InvalidRequest, ServerError
from vitrine_client.http.default_model import PREFERRED, is_served, told_of_missing
from vitrine_client.http.protocol import held, key_headers, models
from vitrine_client.http.unanswered_calls import causes
from vitrine_client.open_inference.names import shared_paths
from vitrine_client.process.addresses import checked_url, without_password
from vitrine_client.process.trust import Trust

_NAME = "gateway"
_SKEW_S = 60
_LOOK_AT_IT = "look at the gateway's log"
_START = "`make serve`, or `vitrine-serve up`, starts one"
_NAME_IT = "`export VITRINE_URL=http://HOST:PORT` names another"


def check(here: Installation) -> Iterator[Finding]:
    """Asks the gateway, as the client would."""
    shown = without_password(here.url)
    try:
        url = checked_url(here.url)
    except (InvalidRequest, ValueError):
        yield problem(_NAME, f"{shown!r} is no address", "`export VITRINE_URL=http://HOST:PORT`")
        return
    try:
        yield from _examined(url, shown.rstrip("/"), here)
    except InvalidRequest as error:
        yield problem(_NAME, f"{shown} cannot be asked: {error}", "name PEM files, or unset that")
    except (requests.RequestException, OSError) as error:
        yield _unanswered(shown, error, here)


def _examined(url: str, shown: str, here: Installation) -> Iterator[Finding]:
    health = _get(f"{url}/healthz", here)
    if not is_ours(health):
        yield _stranger(shown, health)
        return
    yield _greeting(shown, health)
    yield from _skew(health)
    yield from _readiness(_get(f"{url}/readyz?models=1", here, 2))
    yield from _models(url, here)


def _get(
    url: str, here: Installation, waits: int = 1, headers: Mapping[str, str] | None = None
) -> probe.Reply:
    trust = Trust.chosen(here.ca or True, here.cert, here.environment)
    return probe.get(url, waits * here.wait_s, headers, trust)


def is_ours(health: probe.Reply) -> bool:
    """Says whether an answer of `/healthz` is a gateway's."""
    return health.status == 200 and health.json().get("status") == "ok"


def _stranger(url: str, reply: probe.Reply) -> Finding:
    if 300 <= reply.status < 400:
        where = reply.headers.get("Location", "nowhere")
        todo = "name the address itself: `export VITRINE_URL=…`"
        return problem(_NAME, f"{url} answers {reply.status} and leads to {where}", todo)
    who = reply.headers.get("Server", "a server without a name")
    if reply.status in (502, 503, 504):
        todo = "start the gateway behind it: `make serve`"
        return problem(_NAME, f"{url} answers {reply.status}: {who} finds no gateway", todo)
    todo = "`export VITRINE_URL=http://HOST:PORT` names the gateway"
    return problem(_NAME, f"{url} answers {reply.status} and is no gateway ({who})", todo)


def _greeting(url: str, health: probe.Reply) -> Finding:
    theirs, own = health.json().get("version"), installed_version("vitrine-client")
    if theirs and own and theirs != own:
        seen = f"{url} is of version {theirs}, and the client here of {own}"
        return note(_NAME, seen, "install the client of that version, if calls fail")
    return ok(_NAME, f"{url} answers{f', version {theirs}' if theirs else ''}")


def _skew(reply: probe.Reply) -> Iterator[Finding]:
    try:
        theirs_s = parsedate_to_datetime(reply.headers["Date"]).timestamp()
    except (KeyError, ValueError):
        return
    apart_s = abs(theirs_s - time.time())
    if apart_s > _SKEW_S:
        seen = f"the gateway's clock and the one here are {apart_s:.0f} s apart"
        yield note("clocks", seen, "set both by a time service: `timedatectl set-ntp true`")


def _readiness(reply: probe.Reply) -> Iterator[Finding]:
    name, content = "gateway readiness", reply.json()
    if reply.status == 200:
        yield ok(name, "ready")
    elif reason := content.get("reason"):
        todo = (
            "is the model server running? `make serve` starts both; VITRINE_MODEL_SERVER names it"
        )
        yield problem(name, f"not ready: {reason}", todo)
    elif isinstance(content.get("models"), dict):
        absent = ", ".join(model for model, served in content["models"].items() if not served)
        todo = "the lines on models say why; VITRINE_MODELS lists those that have to be there"
        yield problem(name, f"not ready: no version of {absent} answers", todo)
    else:
        yield problem(name, f"/readyz answers {reply.status}", _LOOK_AT_IT)


def _models(url: str, here: Installation) -> Iterator[Finding]:
    try:
        headers = key_headers(here.api_key)
    except InvalidRequest as error:
        yield problem("API key", str(error), "`export VITRINE_API_KEY=…` without it")
        return
    reply = _get(f"{url}/v1/models", here, 2, headers)
    if reply.status == 401:
        yield _no_key(here)
    elif reply.status == 429:
        after = reply.headers.get("Retry-After", "a few")
        yield note("models", "too many requests for now", f"try again in {after} s")
    elif reply.status != 200:
        detail = reply.json().get("detail", "")
        yield problem("models", f"/v1/models answers {reply.status} {detail}".strip(), _LOOK_AT_IT)
    else:
        yield from _listed(reply.json(), here)


def _no_key(here: Installation) -> Finding:
    if here.api_key:
        todo = "`vitrine-serve keys list` where the gateway runs shows whose it knows"
        return problem("API key", "the gateway does not know this one", todo)
    todo = "`export VITRINE_API_KEY=…`; `vitrine-serve keys add NAME`, where it runs, makes one"
    return problem("API key", "the gateway wants one, and none is set", todo)


def _listed(content: dict[str, Any], here: Installation) -> Iterator[Finding]:
    try:
        listed = held(models(), lambda _: content)
    except ServerError as error:
        yield problem("models", str(error), _LOOK_AT_IT)
        return
    labels = {model["name"]: model.get("version_labels", {}) for model in content["models"]}
    for name, statuses in listed.items():
        yield from examined_states(name, statuses, labels[name], here)
        if said := shared_paths(name):
            yield note(f"model {name}, served", said, "nothing, unless clients look there")
    if not is_served(listed.get(PREFERRED, ())):
        yield note("default model", told_of_missing())


def _unanswered(url: str, error: Exception, here: Installation) -> Finding:
    """Returns the finding for a gateway that was not reached; nobody there is a note as long as
    nobody named that address."""
    if isinstance(error, requests.exceptions.SSLError):
        return _untrusted(url, error)
    if isinstance(error, requests.exceptions.ProxyError):
        todo = "`export NO_PROXY=localhost,127.0.0.1`, or the gateway's host"
        return problem(_NAME, f"{url} is asked through a proxy, which fails", todo)
    found = list(causes(error))
    if isinstance(error, requests.Timeout | TimeoutError) or _any(found, TimeoutError):
        seen = f"{url} takes connections, or drops them, and is silent for {here.wait_s:g} s"
        todo = f"restart what listens there; elsewhere, look at firewalls. {_NAME_IT}"
        return problem(_NAME, seen, todo)
    if _any(found, socket.gaierror):
        return problem(_NAME, f"{url}: no such host", f"mind its spelling; {_NAME_IT}")
    if _any(found, ConnectionRefusedError):
        if here.url_named:
            return problem(_NAME, f"nothing listens at {url}", f"{_START}; {_NAME_IT}")
        return note(_NAME, f"nothing listens at {url}: no service runs here", _START)
    if isinstance(error, requests.ConnectionError):
        return _hung_up(url, here)
    return problem(_NAME, f"{url} cannot be asked ({error})", _NAME_IT)


def _hung_up(url: str, here: Installation) -> Finding:
    seen = f"{url} hangs up without an answer"
    if url.startswith("http://"):
        return problem(_NAME, seen, "is it https://? `export VITRINE_URL=https://…`")
    # Of TLS 1.3, after which a client seldom learns why a server that missed its certificate left.
    todo = "if it wants a client's certificate: `export VITRINE_CERT=… VITRINE_CERT_KEY=…`"
    if here.names("VITRINE_TLS_CLIENT_CA"):
        return note(_NAME, f"{seen}: it wants a client's certificate", todo)
    return problem(_NAME, seen, f"{todo}; else look at its log")


def _untrusted(url: str, error: Exception) -> Finding:
    text = str(error)
    if "WRONG_VERSION_NUMBER" in text or "record layer failure" in text:
        todo = f"`export VITRINE_URL=http://{url.partition('://')[2]}`"
        return problem(_NAME, f"{url} does not speak TLS", todo)
    found = [each for each in causes(error) if isinstance(each, ssl.SSLCertVerificationError)]
    reason = found[0].verify_message if found else text
    todo = "`export VITRINE_CA=ca.pem` names the CA to trust; or renew that certificate"
    return problem(_NAME, f"{url} shows a certificate that is not trusted ({reason})", todo)


def _any(found: list[BaseException], kind: type[BaseException]) -> bool:
    return any(isinstance(each, kind) for each in found)
