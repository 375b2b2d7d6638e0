"""Check of proxy variables: a proxy on the way to a gateway elsewhere may not lead there."""

import importlib.util
from collections.abc import Iterator
from urllib.parse import urlsplit

from vitrine_client.doctor.finding import Finding, note, ok, problem
from vitrine_client.doctor.installation import Installation
from vitrine_client.process.addresses import without_password
from vitrine_client.process.proxies import host_of, variable_for


def check(here: Installation) -> Iterator[Finding]:
    """Looks at the way to the gateway. None of ours to a model server leads through a proxy."""
    variable = variable_for(here.url, here.environment)
    if not variable:
        yield ok("proxies", "none on the way to the service")
        return
    proxy = here.environment[variable]
    if broken := _broken(proxy):
        yield problem(
            variable, broken, f"`export {variable}=http://HOST:PORT`, or `unset {variable}`"
        )
        return
    target, shown = without_password(here.url), without_password(proxy)
    seen = f"sends calls to {target} through the proxy {shown}"
    todo = f"if that one does not lead there: `export NO_PROXY={host_of(here.url)}`"
    yield note(variable, seen, todo)


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
