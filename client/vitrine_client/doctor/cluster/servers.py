"""Check of model servers: each address behind the names answers, all have the same versions and
version labels."""

import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vitrine_client.doctor.cluster.endpoints import (
    MOST_ASKED,
    Endpoint,
    endpoints,
    grouped,
    model_servers,
    named,
    side_by_side,
    told,
)
from vitrine_client.doctor.finding import Finding, note, ok, problem
from vitrine_client.doctor.installation import Installation
from vitrine_client.errors import DeadlineExceeded, InvalidRequest, NotFound, NotGrpc, VitrineError
from vitrine_client.http.default_model import FALLBACK, PREFERRED, is_served
from vitrine_client.process.addresses import checked_model_server

if TYPE_CHECKING:
    from vitrine_client.model_server import ModelServerClient

_MODELS = ("softmax", FALLBACK, PREFERRED)
_LABELS = ("stable", "canary")
_HEALTH = "/grpc.health.v1.Health/Check"
_SERVING = b"\x08\x01"
"""HealthCheckResponse with the status SERVING: a response of one field."""

_NAME = "model servers"
_WAITS = 2
"""Longest time that one server is asked in, in longest waits for one answer."""

_LOG = "`kubectl logs POD -c model-server` says more"


@dataclass
class Told:
    """What a model server told: faults of it, and if there are none, the AVAILABLE versions of each
    model, and the version of each label; 0 for none."""

    faults: list[Finding] = field(default_factory=list)
    versions: dict[str, tuple[int, ...]] = field(default_factory=dict)
    labels: dict[tuple[str, str], int] = field(default_factory=dict)


def check(here: Installation) -> Iterator[Finding]:
    """Asks each address behind the names of model servers."""
    try:
        import grpc  # noqa: F401 - an extra
    except ImportError:
        yield note(_NAME, "not asked: gRPC is not installed", "pip install 'vitrine-client[grpc]'")
        return
    yield from _misnamed(here)
    addresses = model_servers(here)
    others = [Endpoint(each) for each in addresses if not named([each])]  # sockets, gRPC's URIs
    found = [*others, *endpoints(here, addresses)]
    if len(found) > MOST_ASKED:
        yield note(_NAME, f"{len(found)} addresses, of which {MOST_ASKED} are asked")
    answers = {each.address: one for each, one in side_by_side(_asking(here), found)}
    for one in answers.values():
        yield from one.faults
    well = {where: one for where, one in answers.items() if one.versions}
    if well:
        yield ok(_NAME, f"{len(well)} of {len(answers)} tell what they serve")
    for model in _names(here, "VITRINE_MODELS", _MODELS):
        yield from _compared(model, well, _names(here, "VITRINE_VERSION_LABELS", _LABELS))


def _misnamed(here: Installation) -> Iterator[Finding]:
    for each in here.model_servers:
        try:
            checked_model_server(each)
        except InvalidRequest as error:
            todo = "`VITRINE_MODEL_SERVER=vitrine-model-servers:8500`, say"
            yield problem("VITRINE_MODEL_SERVER", str(error), todo)


def _names(here: Installation, variable: str, usual: tuple[str, ...]) -> tuple[str, ...]:
    found = here.environment.get(variable, "").split(",")
    return tuple(each.strip() for each in found if each.strip()) or usual


def _asking(here: Installation) -> "_Asking":
    return _Asking(
        here,
        _names(here, "VITRINE_MODELS", _MODELS),
        _names(here, "VITRINE_VERSION_LABELS", _LABELS),
    )


@dataclass(frozen=True)
class _Asking:
    """Asks a model server for all that is compared."""

    here: Installation
    models: tuple[str, ...]
    labels: tuple[str, ...]

    def __call__(self, server: Endpoint) -> Told:
        answer = Told()
        if fault := _unreachable(server, self.here):
            answer.faults.append(fault)
            return answer
        try:
            self._ask(server, answer, _Deadline(_WAITS * self.here.wait_s))
        except NotGrpc:
            answer.faults.append(_fault(server, NotGrpc.reason, "name its gRPC port, mostly 8500"))
        except VitrineError as error:
            reason = str(error).partition("\n")[0]
            answer.faults.append(_fault(server, f"does not tell what it serves ({reason})", _LOG))
        return answer

    def _ask(self, server: Endpoint, answer: Told, deadline: "_Deadline") -> None:
        from vitrine_client.model_server import ModelServerClient

        versions: dict[str, tuple[int, ...]] = {}
        name = _certified(server, self.here)
        with ModelServerClient(server.address, server_name=name) as client:
            for model in self.models:
                try:
                    states = client.status(model, timeout_s=deadline.left_s())
                except NotFound:
                    states = []
                known = sorted(each.version for each in states if is_served([each]))
                versions[model] = tuple(known)
                for label in self.labels if known else ():
                    left_s = deadline.left_s()
                    answer.labels[model, label] = _labelled(client, model, label, left_s)
        if named([server.address]):
            answer.faults += _health(server, name, deadline.left_s())
        answer.versions = versions


class _Deadline:
    """Deadline of all that one server is asked: one that is slow each time must not cost the
    findings on the others."""

    def __init__(self, within_s: float) -> None:
        self._within_s = within_s
        self._end_s = time.monotonic() + within_s

    def left_s(self) -> float:
        """Returns the seconds that are left. Raises `DeadlineExceeded` where there are none."""
        left_s = self._end_s - time.monotonic()
        if left_s <= 0:
            raise DeadlineExceeded(f"it took longer than {self._within_s:g} s")
        return left_s


def _labelled(client: "ModelServerClient", model: str, label: str, wait_s: float) -> int:
    """Asks for signatures, as TensorFlow Serving does not look at the label where it is asked for a
    status."""
    try:
        answer = client.metadata(model, label=label, timeout_s=wait_s)
        return int(answer["model_spec"]["version"])
    except (NotFound, InvalidRequest, KeyError, ValueError):  # there is no such label
        return 0


def _certified(server: Endpoint, here: Installation) -> str:
    """The name in its certificate: that by which it was found, unless a setting names another."""
    own = here.environment.get("VITRINE_MODEL_SERVER_NAME", "")
    return own or (server.name if here.names("VITRINE_MODEL_SERVER_CA") else "")


def _fault(server: Endpoint, seen: str, todo: str) -> Finding:
    behind = f" (of {server.name})" if server.name else ""
    return problem(f"model server {server.address}{behind}", seen, todo)


def _unreachable(server: Endpoint, here: Installation) -> Finding | None:
    """Returns what the network says to a connection, None where there is one."""
    if not named([server.address]):
        return None  # to ask it tells as much
    host, _, port = server.address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), here.wait_s).close()
    except ConnectionRefusedError:
        todo = (
            f"is its gRPC port another one (`--port`), does it listen on 127.0.0.1 alone, or has "
            f"it ended? {_LOG}"
        )
        return _fault(server, f"nothing listens on port {port} there", todo)
    except TimeoutError:
        todo = (
            "a NetworkPolicy has to let gateways in, and these pods out, on that port; or its node "
            "is gone: `kubectl get pods -o wide`"
        )
        return _fault(server, f"takes no connection within {here.wait_s:g} s", todo)
    except OSError as error:
        todo = "look at `kubectl get pods -o wide`, and at NetworkPolicies"
        return _fault(server, f"cannot be reached ({error.strerror or error})", todo)
    return None


def _health(server: Endpoint, certified: str, wait_s: float) -> Iterator[Finding]:
    """Asks as a probe of the kind grpc does, which a socket has not."""
    import grpc

    from vitrine_client.tfserving.channel import new_channel, trust_of

    trust = trust_of(None, None)
    with new_channel(server.address, trust, certified) as channel:
        try:
            status = channel.unary_unary(_HEALTH)(b"", timeout=wait_s)
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.UNIMPLEMENTED:
                return  # it has just answered other questions
            seen = "has no health service, so that probes of the kind grpc fail"
            todo = "start it with --enable_grpc_healthcheck_service=true, or probe its REST port"
            yield note(f"model server {server.address}", seen, todo)
            return
    if status != _SERVING:
        yield _fault(server, "says by the health service that it serves nothing", _LOG)


def _compared(
    model: str, answers: Mapping[str, Told], labels: tuple[str, ...]
) -> Iterator[Finding]:
    """Yields a problem where servers do not serve the same of a model."""
    versions = grouped((where, one.versions[model]) for where, one in answers.items())
    if set(versions) <= {()}:
        return  # nobody has it: the gateway's list says so, if it is to be there
    if len(versions) > 1:
        todo = (
            "a rolling update is under way (`kubectl rollout status`)? Else give all the same "
            "models: one image, one volume; `kubectl delete pod` those that are behind"
        )
        seen = f"differ between model servers: {told(versions, _in_words)}"
        yield problem(f"versions of {model}", seen, todo)
    else:
        yield ok(f"versions of {model}", _in_words(next(iter(versions))))
    for label in labels:
        moved = grouped(
            (w, one.labels[model, label])
            for w, one in answers.items()
            if (model, label) in one.labels
        )
        if len(moved) > 1:
            seen = f"differs between model servers: {told(moved, _label_in_words)}"
            todo = (
                "labels are each server's own: put them into the one models.config that all read, "
                "or name all in VITRINE_MODEL_SERVER of `vitrine promote`"
            )
            yield problem(f"label {label} of {model}", seen, todo)


def _in_words(versions: tuple[int, ...]) -> str:
    number = "version" if len(versions) == 1 else "versions"
    return f"{number} {', '.join(map(str, versions))}" if versions else "none"


def _label_in_words(version: int) -> str:
    return f"version {version}" if version else "no such label"
