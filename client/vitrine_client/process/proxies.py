"""Proxies: the variable that sends a call through one. No call of ours to this machine is."""

import ipaddress
import os
from collections.abc import Mapping
from urllib.parse import urlsplit

from requests.utils import should_bypass_proxies

from vitrine_client.process.addresses import unbracketed, without_password

PAST_ALL = {"no_proxy": "*"}
"""The `proxies` with which requests asks straight, whatever the environment says."""


def is_loopback(host: str) -> bool:
    """Says whether a host is this machine, by its name or address alone."""
    host = unbracketed(host).rstrip(".").lower()
    if host == "localhost" or host.endswith(".localhost"):  # RFC 6761, section 6.3
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None) or address
    return bool(mapped.is_loopback or mapped.is_unspecified)


def is_local(url: str) -> bool:
    """Says whether a URL is of this machine, so that no proxy leads there."""
    return is_loopback(host_of(url))


def host_of(url: str) -> str:
    """Returns the host in a URL, empty where there is none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:  # half of an IPv6 address
        return ""


def past_proxies(url: str) -> dict[str, str]:
    """Returns the `proxies` with which requests asks a URL: those of the environment, but none for
    this machine."""
    return dict(PAST_ALL) if is_local(url) else {}


def variable_for(url: str, environ: Mapping[str, str] = os.environ) -> str:
    """Returns the variable whose proxy a call to a URL goes through, empty where it goes straight.

    By the rule of requests and aiohttp: that of the scheme before that of all, and small letters
    before capitals.
    """
    scheme, host = url.partition("://")[0], host_of(url)
    variable = first_set(environ, *_both(f"{scheme}_proxy"), *_both("all_proxy"))
    if not variable or not host or is_loopback(host):
        return ""
    exceptions = first_set(environ, *_both("no_proxy"))
    excepted = environ[exceptions] if exceptions else ""
    return "" if should_bypass_proxies(url, excepted) else variable


def hint_for(url: str, environ: Mapping[str, str] = os.environ) -> str:
    """Returns the end of an error's sentence about a call that went through a proxy, else nothing.
    It names the variable, and the way past that proxy."""
    variable = variable_for(url, environ)
    if not variable:
        return ""
    return (
        f"; {variable} sends the call through the proxy {without_password(environ[variable])}, "
        f"and NO_PROXY={host_of(url)} sends it past that"
    )


def first_set(environ: Mapping[str, str], *variables: str) -> str:
    """Returns the first of some variables that is set, and not empty; else nothing."""
    return next((each for each in variables if environ.get(each)), "")


def _both(name: str) -> tuple[str, str]:
    return name, name.upper()
