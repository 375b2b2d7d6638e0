"""Reloads by `vitrine promote` and `rollback` on servers that a careless one would hold up: each is
asked first, named only what it has, and told of by its address where it does not answer."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest

import vitrine_client
from harness.fake_model_server import Call, FakeModelServer
from vitrine_client import errors
from vitrine_client.tfserving import wire_pb2 as wire

States = dict[str, dict[int, str]]
ALL = "model_version_policy { all {} }"


@dataclass
class Told:
    """A server of models in some states, which it may change when it is asked (`later`), and how it
    answers reloads: by a code, or `silent` to all or to `reloads`."""

    states: States
    later: States = field(default_factory=dict)
    code: grpc.StatusCode = grpc.StatusCode.OK
    silent: str = ""
    server: FakeModelServer | None = None

    def __call__(self, call: Call, context: grpc.ServicerContext) -> bytes:
        is_reload = "Reload" in call.method
        if self.silent == "always" or (is_reload and self.silent == "reloads"):
            grpc_ended(context)
        if is_reload:
            if self.code is not grpc.StatusCode.OK:
                context.abort(self.code, "not today")
            return wire.ReloadConfigResponse().SerializeToString()
        model = wire.GetModelStatusRequest.FromString(call.request).model_spec.name
        if model not in self.states:
            context.abort(grpc.StatusCode.NOT_FOUND, "no versions")
        response = wire.GetModelStatusResponse()
        for version, state in self.states[model].items():
            response.model_version_status.add(version=version, state=state)
        self.states = self.states | self.later
        return response.SerializeToString()

    @property
    def address(self) -> str:
        assert self.server
        return self.server.address

    def reloads(self) -> list[dict[str, dict[str, int]]]:
        """The labels of each model, of each reload that came."""
        assert self.server
        requests = [
            wire.ReloadConfigRequest.FromString(call.request)
            for call in self.server.calls
            if "Reload" in call.method
        ]
        return [
            {
                each.name: dict(each.version_labels)
                for each in request.config.model_config_list.config
            }
            for request in requests
        ]


def grpc_ended(context: grpc.ServicerContext) -> None:
    """Waits for the caller's deadline."""
    ended = threading.Event()
    if context.add_callback(ended.set):
        ended.wait(60)


@contextmanager
def running(*servers: Told) -> Iterator[None]:
    with ExitStack() as stack:
        for each in servers:
            each.server = stack.enter_context(FakeModelServer(each))
        yield


def config(folder: Path, *entries: str) -> Path:
    """Writes a file of models: name, and what else there is to them."""
    path = folder / "models.config"
    named = (each.partition(" ") for each in entries)
    text = "".join(
        f'config {{ name: "{name}" base_path: "/m/{name}" model_platform: "tensorflow" {rest} }}\n'
        for name, _, rest in named
    )
    path.write_text(f"model_config_list {{ {text} }}\n")
    return path


def promoted(path: Path, *servers: Told, timeout_s: float = 30) -> None:
    where = [each.address for each in servers]
    vitrine_client.promote("mlp", 2, config=path, model_servers=where, timeout_s=timeout_s)


BOTH = {1: "AVAILABLE", 2: "AVAILABLE"}
STALE = f'mlp {ALL} version_labels {{ key: "canary" value: 9 }}'


@pytest.mark.parametrize(
    ("entries", "states", "said"),
    [
        ((STALE,), {"mlp": BOTH}, "has canary name version 9 of mlp, which is not AVAILABLE at"),
        (
            (f"mlp {ALL}", 'photo version_labels { key: "stable" value: 1 }'),
            {"mlp": BOTH, "photo": {1: "END", 2: "AVAILABLE"}},
            "has stable name version 1 of photo, which is not AVAILABLE at",
        ),
        (
            (f"mlp {ALL}", "photo model_version_policy { specific { versions: [1, 7] } }"),
            {"mlp": BOTH, "photo": {1: "AVAILABLE"}},
            "has the policy name version 7 of photo, which is not AVAILABLE at",
        ),
    ],
)
def test_a_version_that_is_named_and_not_there(tmp_path, entries, states, said):
    """No server is told of it, also where the first one has it."""
    path = config(tmp_path, *entries)
    before = path.read_bytes()
    good = {**states, "mlp": {**BOTH, 9: "AVAILABLE"}, "photo": {1: "AVAILABLE", 7: "AVAILABLE"}}
    first, second = Told(good), Told(states)
    with running(first, second):
        with pytest.raises(errors.LabelNotMoved, match=said) as caught:
            promoted(path, first, second)
        assert second.address in str(caught.value)
        assert (first.reloads(), second.reloads()) == ([], [])
    assert path.read_bytes() == before


def test_a_model_without_an_available_version_is_not_named(tmp_path):
    """One that failed, ended or is unknown, labels of it or not; one that loads is waited for."""
    failed = 'photo version_labels { key: "stable" value: 3 }'
    path = config(tmp_path, f"mlp {ALL}", failed, "gone", "slow")
    states = {"mlp": BOTH, "photo": {3: "END"}, "slow": {1: "LOADING"}}
    server = Told(states, later={"slow": {1: "AVAILABLE"}})
    with running(server):
        promoted(path, server)
        assert server.reloads() == [{"mlp": {"stable": 2}, "slow": {}}]
    assert "photo" in path.read_text()


def test_a_server_that_says_nothing(tmp_path):
    """The deadline holds, the server is named, and the other one was told nothing."""
    path = config(tmp_path, f"mlp {ALL}")
    before = path.read_bytes()
    first, second = Told({"mlp": BOTH}), Told({"mlp": BOTH}, silent="always")
    with running(first, second):
        with pytest.raises(errors.DeadlineExceeded, match="did not answer in time") as caught:
            promoted(path, first, second, timeout_s=1)
        assert second.address in str(caught.value)
        assert first.reloads() == []
    assert path.read_bytes() == before


def test_a_server_that_does_not_return_from_the_reload(tmp_path):
    """It is named, with what that means; the one before it goes back, and so does the file."""
    path = config(tmp_path, f'mlp {ALL} version_labels {{ key: "stable" value: 1 }}')
    before = path.read_bytes()
    first, second = Told({"mlp": BOTH}), Told({"mlp": BOTH}, silent="reloads")
    with running(first, second):
        with pytest.raises(errors.DeadlineExceeded) as caught:
            promoted(path, first, second, timeout_s=1)
        assert str(caught.value).startswith(
            f"The model server at {second.address} did not answer the reload in time: it may follow"
        )
        assert first.reloads() == [{"mlp": {"stable": 2}}, {"mlp": {"stable": 1}}]
    assert path.read_bytes() == before


def test_a_server_that_cannot_go_back(tmp_path):
    """It is said which one is astray, and not that all is as it was."""
    path = config(tmp_path, f'mlp {ALL} version_labels {{ key: "stable" value: 1 }}')
    first = Told({"mlp": BOTH})
    second = Told({"mlp": BOTH}, code=grpc.StatusCode.FAILED_PRECONDITION)
    with running(first, second):

        def once(call: Call, context: grpc.ServicerContext) -> bytes:
            answer = first(call, context)
            if "Reload" in call.method:
                first.code = grpc.StatusCode.INTERNAL
            return answer

        assert first.server
        first.server.answer = once
        with pytest.raises(errors.LabelNotMoved) as caught:
            promoted(path, first, second)
        assert f"{second.address} refuses it, and not all is as it was: not today" in str(
            caught.value
        )
        assert f"The model server at {first.address} could not be told to go back" in str(
            caught.value
        )
