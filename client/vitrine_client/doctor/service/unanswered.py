"""Unanswered calls: reasons why a gateway could not be asked, with advice."""

import socket
import ssl

import requests

from vitrine_client.doctor.finding import Finding, note, problem
from vitrine_client.doctor.installation import Installation
from vitrine_client.http.unanswered_calls import causes

_NAME = "gateway"
_START = "`make serve`, or `vitrine-serve up`, starts one"
_NAME_IT = "`export VITRINE_URL=http://HOST:PORT` names another"


def unanswered(url: str, error: Exception, here: Installation) -> Finding:
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
    reason = next(
        (
            each.verify_message
            for each in causes(error)
            if isinstance(each, ssl.SSLCertVerificationError)
        ),
        text,
    )
    todo = "`export VITRINE_CA=ca.pem` names the CA to trust; or renew that certificate"
    return problem(_NAME, f"{url} shows a certificate that is not trusted ({reason})", todo)


def _any(found: list[BaseException], kind: type[BaseException]) -> bool:
    return any(isinstance(each, kind) for each in found)
