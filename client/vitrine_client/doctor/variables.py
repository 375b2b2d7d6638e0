"""Check of Vitrine's environment variables: unknown names, values that are none."""

import contextlib
import math
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from itertools import combinations
from pathlib import Path

from vitrine_client.doctor.finding import Finding, note, ok, problem
from vitrine_client.doctor.installation import Installation, is_writable
from vitrine_client.errors import InvalidRequest
from vitrine_client.http.protocol import key_headers
from vitrine_client.images import MAX_PIXELS
from vitrine_client.process.addresses import checked_origin, checked_peers
from vitrine_client.process.local_sockets import OFF, check_directory, checked_choice
from vitrine_client.process.numbers import MOST_THREADS
from vitrine_client.process.variables import KNOWN, PREFIX, unknown
from vitrine_client.store.version_labels import checked_label

_OFF = {"", "0", "off", "f", "false", "n", "no"}
_FLAGS = {"0", "1", "off", "on", "f", "t", "false", "true", "n", "y", "no", "yes"}

Wrong = Callable[[str], str]
"""Returns the expected form of a value, empty where the value has it."""


def _value(expected: str, holds: Callable[[str], object]) -> Wrong:
    """Returns the check of values for which `holds` is true, and does not raise."""

    def wrong(text: str) -> str:
        try:
            return "" if holds(text) else expected
        except (ValueError, InvalidRequest):
            return expected

    return wrong


def _count(least: int, most: float = math.inf) -> Wrong:
    bounds = f"{least} at least" + (f" and {most} at most" if most < math.inf else "")
    return _value(f"a whole number, {bounds}", lambda text: least <= int(text) <= most)


_NO_FILES = {
    stat.S_IFLNK: "a symbolic link, which is not followed",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFDIR: "a directory",
}


def _file_to_be(text: str) -> str:
    """As a gateway opens it: a link is not followed, and nothing but a file is written to."""
    path = Path(text)
    try:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            kind = stat.S_IFMT(path.lstat().st_mode)
            if kind != stat.S_IFREG:
                return f"a file, and that is {_NO_FILES.get(kind, 'a device or a socket')}"
            if not os.access(path, os.W_OK):
                return "a file that can be written"
        good = path.parent.is_dir() and is_writable(path.parent)
    except PermissionError:  # of a directory above
        good = False
    return "" if good else f"a file in a directory that can be written, and {path.parent} is none"


def _socket(text: str) -> str:
    """As a model server and its gateway take it: nobody else may put another in its place."""
    try:
        path = Path(checked_choice(text))
    except InvalidRequest:
        return _SOCKET
    if text == OFF:
        return ""
    try:
        check_directory(str(path))
        if not path.is_socket() and path.exists():
            return f"{_SOCKET}, and there is something else"
    except FileNotFoundError:
        above = path.parent.parent
        return "" if above.is_dir() else f"in a directory that is there, and there is no {above}"
    except OSError as error:
        return f"{_SOCKET}, in a directory of its user's ({error})"
    return ""


def _group(text: str) -> str:
    try:
        import grp  # which Windows lacks

        if not text.isdecimal():
            grp.getgrnam(text)
    except (ImportError, KeyError):
        return "a group that `getent group` lists, or its number"
    return ""


def _any(_: str) -> str:
    return ""


def _each(of: str, check: Callable[[str], object]) -> Wrong:
    def wrong(text: str) -> str:
        try:
            for each in filter(None, map(str.strip, text.split(","))):
                check(each)
        except InvalidRequest as error:
            return f"{of}: {error}"
        return ""

    return wrong


def _number(least: int, most: int) -> Wrong:
    expected = f"a number, {least} at least and {most} at most"
    return _value(expected, lambda text: least <= float(text) <= most)


_DAY_S = 86_400
_SECONDS = _value(
    f"a number of seconds above 0, {_DAY_S} at most", lambda text: 0 < float(text) <= _DAY_S
)
_FLAG = _value("1 or 0", lambda text: text.lower() in _FLAGS)
_SOCKET = "the path of a socket, absolute and of 100 bytes at most, or `off`"
_KEY = "a key without blanks or line ends around it"

CHECKS: dict[str, Wrong] = {
    **dict.fromkeys(("HOST", "MODELS", "MODELS_DIR", "DATA_DIR", "CACHE_DIR", "TRACES_URL"), _any),
    # The check of ports has these,
    **dict.fromkeys(("PORT", "V2_GRPC_PORT", "GRPC_PORT", "REST_PORT"), _any),
    **dict.fromkeys(("TLS_CERT", "TLS_KEY", "TLS_CLIENT_CA", "KEYS_FILE"), _any),  # so with these
    **{f"MODEL_SERVER{name}": _any for name in ("", "_CA", "_CERT", "_KEY", "_NAME")},
    **dict.fromkeys(("CA", "CERT", "CERT_KEY"), _any),  # and that of the gateway with these
    "LOCAL_SOCKET": _socket,
    "LOCAL_SOCKET_GROUP": _group,
    **dict.fromkeys(("INTRA_OP_THREADS", "INTER_OP_THREADS"), _count(0, MOST_THREADS)),
    "URL": _any,  # and the service's with addresses
    "TRUSTED_PROXIES": _any,
    "VERSION_LABELS": _each("version labels", checked_label),
    "CORS_ORIGINS": _each("origins", checked_origin),
    **dict.fromkeys(("HEADER_TIMEOUT_S", "BODY_TIMEOUT_S", "REQUEST_TIMEOUT_S"), _SECONDS),
    **dict.fromkeys(("BREAKER_OPEN_S", "KEEPALIVE_S", "ANSWER_TIMEOUT_S"), _SECONDS),
    "DECODE_TIMEOUT_S": _SECONDS,
    "DECODING_PROCESSES": _count(1, 64),
    "MAX_PIXELS": _count(1, MAX_PIXELS),
    **dict.fromkeys(("WORKERS", "CONNECTIONS", "MAX_BODY_BYTES", "MAX_IMAGES"), _count(1)),
    **dict.fromkeys(("MAX_JSON_BYTES", "MAX_JSON_VALUES"), _count(1)),
    "MAX_BODY_BYTES_IN_FLIGHT": _count(1),
    **dict.fromkeys(("MAX_BATCH_SIZE", "MAX_QUEUED_IMAGES"), _count(1)),
    **dict.fromkeys(("MAX_ATTEMPTS", "BREAKER_FAILURES", "PREDICTION_LOG_FILES"), _count(1)),
    **dict.fromkeys(("PREDICTION_LOG_MAX_BYTES", "FEEDBACK_LOG_MAX_BYTES"), _count(4096)),
    "FEEDBACK_LOG_FILES": _count(1, 20),
    "RATE_BURST": _count(0),
    "DRIFT_WINDOW": _count(50, 5000),
    "RATE_LIMIT": _number(0, 1_000_000),
    "PEERS": _value("the number of gateways, or HOST:PORT, a name for all of them", checked_peers),
    "RETRY_BUDGET": _number(0, 1),
    "DRAIN_S": _number(0, 3600),
    "CONNECTION_MAX_AGE_S": _number(0, _DAY_S),
    "PREDICTION_LOG_SAMPLE": _value(
        "a share above 0, 1 at most", lambda text: 0 < float(text) <= 1
    ),
    **dict.fromkeys(("DRIFT", "ACCESS_LOG", "PREDICTION_LOG_IMAGES"), _FLAG),
    "LOG_FORMAT": _value("text or json", ("text", "json").__contains__),
    **dict.fromkeys(("PREDICTION_LOG", "FEEDBACK_LOG"), _file_to_be),
    "API_KEY": _value(_KEY, lambda text: key_headers(text) is not None),
}
"""Each variable without its prefix, and the check of its value."""


def check(here: Installation) -> Iterator[Finding]:
    """Looks at every variable whose name begins like ours."""
    environment = here.environment
    findings = [*_misnamed(environment), *_misvalued(environment)]
    yield from findings
    if not findings:
        ours = ", ".join(sorted(name for name in environment if name.startswith(PREFIX)))
        yield ok("variables", ours or f"no {PREFIX}* is set, so defaults hold")
    if here.names("PROMETHEUS_MULTIPROC_DIR"):
        seen = "is set, and the gateway keeps its metrics elsewhere"
        yield note("PROMETHEUS_MULTIPROC_DIR", seen)


def _misnamed(environ: Mapping[str, str]) -> Iterator[Finding]:
    for name, near in unknown(environ).items():
        hint = f"did you mean {near}? " if near else ""
        todo = f"{hint}docs/operations.md lists all; `unset {name}`"
        yield problem(name, "is read by nothing", todo)
    for name in sorted(environ):
        capitals = name.upper()
        if name != capitals and capitals in KNOWN:
            todo = f"`export {capitals}=…`, and `unset {name}`"
            yield problem(name, "is not read by all: their names are in capitals", todo)


def _misvalued(environ: Mapping[str, str]) -> Iterator[Finding]:
    for name, value in sorted(environ.items()):
        wrong = CHECKS.get(name.removeprefix(PREFIX)) if name.startswith(PREFIX) else None
        if wrong and value and (expected := wrong(value)):
            shown = "" if name == f"{PREFIX}API_KEY" else f"is {value!r}, and "  # keys are secret
            todo = f"set it right, or `unset {name}`"
            yield problem(name, f"{shown}should be {expected}", todo)
    yield from _unused(environ)


def _unused(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Variables that need another one, which is not set."""
    for kind in ("prediction", "feedback"):
        log = f"{PREFIX}{kind.upper()}_LOG"
        for name in sorted(environ) if not environ.get(log) else ():
            if name.startswith(f"{log}_") and environ[name].lower() not in _OFF:
                yield note(name, f"has no effect without a {kind} log, {log}")
    feedback, keys = f"{PREFIX}FEEDBACK_LOG", f"{PREFIX}KEYS_FILE"
    if environ.get(feedback) and not environ.get(keys):
        todo = f"`export {keys}=…` (`vitrine-serve keys add`), or `unset {feedback}`"
        yield problem(feedback, "needs API keys, and no file of them is named", todo)
    for one, other in combinations((feedback, f"{PREFIX}PREDICTION_LOG", keys), 2):
        paths = [os.path.realpath(environ[name]) for name in (one, other) if environ.get(name)]
        if len(paths) == 2 and paths[0] == paths[1]:
            yield problem(one, f"names the file of {other}", f"`export {one}=…`, a file of its own")
    group = f"{PREFIX}LOCAL_SOCKET_GROUP"
    if environ.get(group) and environ.get(f"{PREFIX}LOCAL_SOCKET", OFF) in ("", OFF):
        todo = f"`export {PREFIX}LOCAL_SOCKET=/run/vitrine/model-server.sock`, or `unset {group}`"
        yield problem(group, "is for a socket at a path of your own, and none is named", todo)
    burst, limit = (environ.get(f"{PREFIX}RATE_{name}", "") for name in ("BURST", "LIMIT"))
    if _is_above_0(burst) and not _is_above_0(limit or "0"):
        todo = f"`export {PREFIX}RATE_LIMIT=…`, or `unset {PREFIX}RATE_BURST`"
        yield problem(f"{PREFIX}RATE_BURST", "is the burst of a limit, and there is none", todo)


def _is_above_0(text: str) -> bool:
    """Whether a number is; what is none is told of by itself."""
    try:
        return float(text) > 0
    except ValueError:
        return False
