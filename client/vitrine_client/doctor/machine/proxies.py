"""Check of proxy variables: a proxy for calls to the service breaks those to this machine."""

import importlib.util
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from requests.utils import should_bypass_proxies

from vitrine_client.doctor.finding import Finding, note, ok, problem
from vitrine_client.doctor.installation import (
    Installation,
    host_of,
    is_loopback,
)
from vitrine_client.process.addresses import without_password

_GRPC = ("grpc_proxy", "https_proxy", "http_proxy")
"""In gRPC's order, and in lower case alone:
https://github.com/grpc/grpc/blob/master/doc/core/default_http_proxy_mapper.md"""


def check(here: Installation) -> Iterator[Finding]:
    """Looks at the ways to the gateway and to the model servers."""
    scheme = "https" if here.url.startswith("https:") else "http"
    findings = [*_http(here, scheme)]
    for address in here.model_servers:
        findings += _grpc(here, address)
    yield from findings
    if not findings:
        yield ok("proxies", "none on the way to the service")


def _http(here: Installation, scheme: str) -> Iterator[Finding]:
    variable = _first(here.environment, f"{scheme}_proxy", f"{scheme}_proxy".upper())
    variable = variable or _first(here.environment, "all_proxy", "ALL_PROXY")
    host = host_of(here.url)
    if not variable or not host:
        return
    proxy = here.environment[variable]
    if broken := _broken(proxy):
        yield problem(
            variable, broken, f"`export {variable}=http://HOST:PORT`, or `unset {variable}`"
        )
    elif not should_bypass_proxies(here.url, _no_proxy(here.environment)):
        yield _through(variable, proxy, here.url, host, "NO_PROXY")


def _grpc(here: Installation, address: str) -> Iterator[Finding]:
    variable = _first(here.environment, *_GRPC)
    host = address.strip().rpartition(":")[0].strip("[]")
    if not variable or not host:
        return
    exceptions = _first(here.environment, "no_grpc_proxy", "no_proxy")
    excepted = here.environment[exceptions] if exceptions else ""
    if not should_bypass_proxies(f"http://{address.strip()}", excepted):
        proxy = here.environment[variable]
        yield _through(variable, proxy, f"the model server {address.strip()}", host, "no_proxy")


def _through(variable: str, proxy: str, target: str, host: str, exceptions: str) -> Finding:
    seen = f"sends calls to {without_password(target)} through the proxy {without_password(proxy)}"
    todo = f"`export {exceptions}=localhost,127.0.0.1`"
    if is_loopback(host):
        return problem(variable, f"{seen}, which cannot reach this machine's own addresses", todo)
    return note(variable, seen, f"if that one does not lead there: `export {exceptions}={host}`")


def _broken(proxy: str) -> str:
    parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    try:
        parts.port  # noqa: B018 - it raises
    except ValueError:
        return f"is {without_password(proxy)}, which has no port"
    if not parts.hostname:
        return f"is {without_password(proxy)}, which names no host"
    if parts.scheme.startswith("socks") and not importlib.util.find_spec("socks"):
        return f"is {without_password(proxy)}, and PySocks is not installed"
    return ""


def _no_proxy(environment: Mapping[str, str]) -> str:
    variable = _first(environment, "no_proxy", "NO_PROXY")
    return environment[variable] if variable else ""


def _first(environment: Mapping[str, str], *variables: str) -> str:
    return next((each for each in variables if environment.get(each)), "")
