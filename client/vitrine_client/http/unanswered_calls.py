"""Unanswered calls: errors of HTTP calls to a gateway without an answer, each with a remedy."""

import ssl
from collections.abc import Iterator
from http.client import BadStatusLine, RemoteDisconnected

from vitrine_client import errors
from vitrine_client.http.protocol import IS_IT_ONE
from vitrine_client.process import addresses, proxies, trust

IS_IT_OTHER = "is that the port of another protocol, such as gRPC?"


def late(url: str, timeout_s: float) -> errors.DeadlineExceeded:
    """Returns the error of a call whose time is over."""
    shown = addresses.without_password(url)
    return errors.DeadlineExceeded(
        f"{shown} did not answer within {timeout_s:g} s{proxies.hint_for(url)}"
    )


def lost(
    url: str, reason: BaseException, *, answering: bool = False, is_gateway: bool = True
) -> errors.VitrineError:
    """Returns the error of a connection that could not be made, was lost, or on which something
    else than HTTP came; `answering` says that it was there, and the request may have been sent.
    Without `is_gateway` it is of any server."""
    shown = addresses.without_password(url)
    if _is_no_http(reason):
        return no_http(url, "" if is_gateway else IS_IT_OTHER)
    # Of TLS 1.3 a client seldom learns why a server that missed its certificate left.
    hint = f"; perhaps {trust.CERTIFICATE_HINT}" if url.startswith("https:") else ""
    if answering:
        return errors.Unavailable(
            f"The answer of {shown} broke off, or is damaged ({type(reason).__name__}); try again, "
            f"and look into its log, or a proxy's on the way{hint}{proxies.hint_for(url)}"
        )
    who = "gateway" if is_gateway else "server"
    start = "start one with `make serve`, or " if is_gateway else ""
    return errors.Unavailable(
        f"No {who} answers at {shown} ({type(reason).__name__}); {start}name another "
        f"({addresses.URL_NAMES}){hint}{proxies.hint_for(url)}"
    )


def no_http(url: str, hint: str = "") -> errors.ServerError:
    """Returns the error of a server that answers, but not in HTTP; the `hint` asks what it is."""
    shown = addresses.without_password(url)
    return errors.ServerError(
        f"What answers at {shown} speaks no HTTP; {hint or IS_IT_ONE}{proxies.hint_for(url)}"
    )


def _is_no_http(reason: BaseException | None) -> bool:
    """Looks at all that led to an error. A server that just left, or did so after the first letters
    of HTTP's, is none that says nonsense."""
    while reason:
        if isinstance(reason, BadStatusLine) and not isinstance(reason, RemoteDisconnected):
            return not "HTTP/1.1".startswith(str(reason))
        reason = reason.__cause__ or reason.__context__
    return False


def untrusted(url: str, reason: BaseException) -> errors.Unavailable:
    """Returns the error of a connection on which TLS failed."""
    shown = addresses.without_password(url)
    return errors.Unavailable(
        f"No TLS with {shown}: {_why_untrusted(reason)}{proxies.hint_for(url)}"
    )


def _why_untrusted(reason: BaseException) -> str:
    inner = [each for each in causes(reason) if isinstance(each, ssl.SSLError)]
    text = str(inner[-1] if inner else reason)
    told = [hint for words, hint in _TLS_HINTS.items() if words in text]
    return f"{told[0] if told else trust.HINT} ({text})"


_TLS_HINTS = {
    "WRONG_VERSION_NUMBER": "it does not speak TLS; is it http://?",
    "RECORD_LAYER_FAILURE": "it does not speak TLS; is it http://?",
    "ostname mismatch": "its certificate is for another name than it is asked by",
    "IP address mismatch": "its certificate is for another address than it is asked by",
    "certificate has expired": "its certificate has expired, and must be renewed there",
    "CERTIFICATE_REQUIRED": trust.CERTIFICATE_HINT,
    "EOF occurred": f"it hung up; perhaps {trust.CERTIFICATE_HINT}",
    "HANDSHAKE_FAILURE": trust.CERTIFICATE_HINT,
    "UNKNOWN_CA": "it does not know the CA of the certificate that it is shown (--cert)",
}
"""Remedies for the messages of OpenSSL."""


def causes(error: BaseException) -> Iterator[BaseException]:
    """An error and all that it came from, also those that libraries have in their arguments."""
    queue: list[object] = [error]
    seen: set[int] = set()
    while queue:
        each = queue.pop()
        if not isinstance(each, BaseException) or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        queue += [each.__cause__, each.__context__, getattr(each, "reason", None), *each.args]
