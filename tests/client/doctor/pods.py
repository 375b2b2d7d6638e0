"""Pods as the checks of a cluster see them: a DNS, files and variables that a test makes."""

import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import grpc

from harness.fake_model_server import Answer, Call, FakeModelServer
from harness.ports import free_port
from vitrine_client.doctor import Finding, Installation
from vitrine_client.doctor.name_service import NameService
from vitrine_client.tfserving import wire_pb2 as wire

RESOLV_CONF = """\
search shop.svc.cluster.local svc.cluster.local cluster.local
nameserver 10.96.0.10
options ndots:5
"""
SERVICE_HOST = "10.96.0.1"


def names(
    folder: Path,
    forward: Mapping[str, Sequence[str]],
    reverse: Mapping[str, str] | None = None,
    config: str = RESOLV_CONF,
) -> NameService:
    """Returns a DNS with these records. A name that it has not is no name."""
    (folder / "resolv.conf").write_text(config)

    def addresses(name: str) -> Sequence[str]:
        if name not in forward:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return forward[name]

    def name_of(address: str) -> str:
        if address not in (reverse or {}):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return (reverse or {})[address]

    return NameService(addresses, name_of, folder / "resolv.conf")


def broken(error: Exception) -> Callable[[str], Sequence[str]]:
    """Returns lookups that fail."""

    def forward(_: str) -> Sequence[str]:
        raise error

    return forward


def pod(folder: Path, **options: object) -> Installation:
    """Returns what the checks look at; `variables` are the environment beside Kubernetes' own."""
    environment = {"KUBERNETES_SERVICE_HOST": SERVICE_HOST, "VITRINE_HOST": "::"}
    environment |= options.pop("variables", {})  # type: ignore[arg-type]
    usual: dict[str, object] = {
        "url": f"http://127.0.0.1:{free_port()}",
        "models_dir": folder / "models",
        "model_servers": ("vitrine-model-servers:8500",),
        "host_name": "vitrine-0",
        "control_groups": folder / "cgroup",
        "temporary_root": folder,
        "shared_memory": folder,
        "wait_s": 10.0,
    }
    if "names_service" not in options:
        options["names_service"] = names(folder, {})
    return Installation(environment, **(usual | options))  # type: ignore[arg-type]


def check(
    found: Iterator[Finding], level: str, name: str, seen: str = "", todo: str = ""
) -> list[Finding]:
    """Asserts that a finding is among those of a check, and returns them all. A problem has what
    to do."""
    findings = list(found)
    assert all(each.todo for each in findings if each.level == "problem")
    assert any(
        each.level == level
        and each.name.startswith(name)
        and seen in each.seen
        and todo in each.todo
        for each in findings
    ), f"no {level} {name!r} with {seen!r} and {todo!r} in {findings}"
    return findings


def problems(findings: Iterator[Finding]) -> list[str]:
    """Returns the names of the problems of a check."""
    return [each.name for each in findings if each.level == "problem"]


def serving(
    versions: Mapping[int, str],
    labels: Mapping[str, int] | None = None,
    health: Answer | None = None,
) -> Answer:
    """Answers as a model server that has mlp alone, in these versions with these states."""

    def answer(call: Call, context: grpc.ServicerContext) -> bytes:
        if call.method.endswith("Health/Check"):
            return health(call, context) if health else b"\x08\x01"
        if call.method.endswith("GetModelMetadata"):
            return _metadata(call, context, labels or {})
        request = wire.GetModelStatusRequest.FromString(call.request)
        if request.model_spec.name != "mlp":
            context.abort(grpc.StatusCode.NOT_FOUND, "Could not find any versions of model")
        response = wire.GetModelStatusResponse()
        for number, state in versions.items():
            one = response.model_version_status.add(version=number)
            one.state = wire.ModelVersionStatus.State.Value(state)
        return response.SerializeToString()

    return answer


def _metadata(call: Call, context: grpc.ServicerContext, labels: Mapping[str, int]) -> bytes:
    spec = wire.GetModelMetadataRequest.FromString(call.request).model_spec
    if spec.version_label not in labels:
        told = f"Unrecognized servable version label: {spec.version_label}"
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, told)
    response = wire.GetModelMetadataResponse()
    response.model_spec.name = spec.name
    response.model_spec.version.value = labels[spec.version_label]
    signatures = wire.SignatureDefMap().SerializeToString()
    response.metadata["signature_def"].value = signatures
    return response.SerializeToString()


@contextmanager
def model_servers(folder: Path, *answers: Answer) -> Iterator[Installation]:
    """Runs model servers on one port, each at an address of its own behind the name, as pods have
    them, and yields the pod of a gateway."""
    port = free_port()
    hosts = [f"127.0.0.{2 + number}" for number in range(len(answers))]
    servers = [
        FakeModelServer(answer, host=host, port=port)
        for host, answer in zip(hosts, answers, strict=True)
    ]
    for each in servers:
        each.__enter__()
    try:
        known = names(folder, {"vitrine-model-servers": hosts})
        yield pod(
            folder,
            model_servers=(f"vitrine-model-servers:{port}",),
            names_service=known,
            variables={"VITRINE_MODELS": "mlp"},
        )
    finally:
        for each in servers:
            each.stop()
