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
    """A server of models in some states ("END: why" with an error), which it may change when it is
    asked (`later`) or told (`loaded`), and how it answers reloads: by a code, all or those `until`
    that many, or `silent` to all, to `reloads` or to what comes after the `first` reload."""

    states: States
    later: States = field(default_factory=dict)
    loaded: States = field(default_factory=dict)
    code: grpc.StatusCode = grpc.StatusCode.OK
    until: int = 99
    silent: str = ""
    server: FakeModelServer | None = None

    def __call__(self, call: Call, context: grpc.ServicerContext) -> bytes:
        is_reload = "Reload" in call.method
        told = len(self.reloads())
        if (
            self.silent == "always"
            or (is_reload and self.silent == "reloads")
            or (self.silent == "first" and told > is_reload)
        ):
            grpc_ended(context)
        if is_reload:
            if self.code is not grpc.StatusCode.OK and told <= self.until:
                context.abort(self.code, "not today")
            self.states = self.states | self.loaded
            return wire.ReloadConfigResponse().SerializeToString()
        model = wire.GetModelStatusRequest.FromString(call.request).model_spec.name
        if model not in self.states:
            context.abort(grpc.StatusCode.NOT_FOUND, "no versions")
        response = wire.GetModelStatusResponse()
        for version, told_state in self.states[model].items():
            state, _, why = told_state.partition(": ")
            response.model_version_status.add(version=version, state=state)
            response.model_version_status[-1].status.error_message = why
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


def promoted(
    path: Path, *servers: Told | FakeModelServer, version: int = 2, timeout_s: float = 30
) -> None:
    where = [each.address for each in servers]
    vitrine_client.promote("mlp", version, config=path, model_servers=where, timeout_s=timeout_s)


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


def test_a_model_that_is_known_stays_named(tmp_path):
    """Its versions have failed, or one that is published is not loaded: it would never be again."""
    (tmp_path / "set-aside" / "3").mkdir(parents=True)
    path = config(tmp_path, f"mlp {ALL}", "photo", "gone", "set-aside")
    path.write_text(path.read_text().replace("/m/set-aside", str(tmp_path / "set-aside")))
    server = Told({"mlp": BOTH, "photo": {3: "END: no graph"}, "set-aside": {4: "END"}})
    with running(server):
        promoted(path, server)
        assert server.reloads() == [{"mlp": {"stable": 2}, "photo": {}, "set-aside": {}}]


@pytest.mark.parametrize("newest", ["END: no graph", "END"])
def test_an_older_version_helps_where_the_newest_is_gone(tmp_path, newest):
    """The model is named though none of it is AVAILABLE, and the label that moves may name nothing
    before."""
    path = config(tmp_path, 'mlp version_labels { key: "stable" value: 2 }')
    server = Told({"mlp": {2: newest}}, loaded={"mlp": {2: newest, 1: "AVAILABLE"}})
    with running(server):
        promoted(path, server, version=1)
        assert server.reloads() == [{"mlp": {}}, {"mlp": {"stable": 1}}]


def test_a_model_that_is_published_and_unknown_is_loaded_for_its_label(tmp_path):
    """Others that a server does not know are not named to it."""
    for name in ("mlp", "photo"):
        (tmp_path / name / "2").mkdir(parents=True)
    path = config(tmp_path, "mlp", "photo")
    path.write_text(path.read_text().replace('"/m/', f'"{tmp_path}/'))
    server = Told({}, loaded={"mlp": {2: "AVAILABLE"}})
    with running(server):
        promoted(path, server)
        assert server.reloads() == [{"mlp": {}}, {"mlp": {"stable": 2}}]


def test_a_server_that_falls_silent_while_it_loads(tmp_path):
    """Those that were told to load more go back, and so does the file."""
    path = config(tmp_path, 'mlp version_labels { key: "stable" value: 1 }')
    before = path.read_bytes()
    states = {"mlp": {1: "AVAILABLE"}}
    first, second = Told(states), Told(states, silent="first")
    with running(first, second):
        with pytest.raises(errors.DeadlineExceeded) as caught:
            promoted(path, first, second, timeout_s=1)
        said = f"The model server at {second.address} could not be told to go back; restart it"
        assert str(caught.value).endswith(f"did not answer in time; the file is as it was. {said}")
        assert first.reloads() == [{"mlp": {"stable": 1}}] * 2
        assert len(second.reloads()) == 2
    assert path.read_bytes() == before


def test_a_reload_that_fails_and_is_in_effect(tmp_path):
    """Such an error is no refusal: the server is told to go back, too."""
    path = config(tmp_path, f'mlp {ALL} version_labels {{ key: "stable" value: 1 }}')
    server = Told({"mlp": BOTH}, code=grpc.StatusCode.UNKNOWN, until=1)
    with running(server):
        with pytest.raises(errors.LabelNotMoved) as caught:
            promoted(path, server)
        assert "could not follow it, and all is as it was: not today" in str(caught.value)
        assert server.reloads() == [{"mlp": {"stable": 2}}, {"mlp": {"stable": 1}}]


def test_nothing_is_said_to_be_as_it_was_that_is_not(tmp_path):
    """A server that hangs up may have followed."""
    path = config(tmp_path, f"mlp {ALL}")
    server = Told({"mlp": BOTH}, code=grpc.StatusCode.UNAVAILABLE)
    with running(server):
        with pytest.raises(errors.Unavailable) as caught:
            promoted(path, server)
        said = f"The model server at {server.address} could not be told to go back; restart it"
        assert str(caught.value).endswith(f"; the file is as it was. {said}")


def test_the_way_back_has_one_deadline(tmp_path):
    """Servers that say nothing share the time."""
    path = config(tmp_path, f"mlp {ALL}")
    servers = [Told({"mlp": BOTH}, silent="first") for _ in range(3)]
    servers.append(Told({"mlp": BOTH}, silent="reloads"))
    with running(*servers):
        with pytest.raises(errors.DeadlineExceeded):
            promoted(path, *servers, timeout_s=1)
        last = [each.server.calls[-1] for each in servers if each.server]
    assert all("Reload" in call.method for call in last)
    assert last[0].left_s < 0.5


def test_loads_have_one_deadline(tmp_path, monkeypatch):
    """Models that load one after the other do not have the time anew, nor are they told of."""
    monkeypatch.setattr("vitrine_client.store.config_reloads.LOAD_S", 0.5)
    names = [f"slow{number}" for number in range(3)]
    path = config(tmp_path, f"mlp {ALL}", *names)
    server = Told({"mlp": BOTH} | {name: {1: "LOADING"} for name in names})
    looks = dict.fromkeys(names, 0)

    def answer(call: Call, context: grpc.ServicerContext) -> bytes:
        model = wire.GetModelStatusRequest.FromString(call.request).model_spec.name
        if model in looks:
            looks[model] += 1
            if looks[model] > 3:
                server.states[model] = {1: "AVAILABLE"}
        return server(call, context)

    with running(server):
        assert server.server
        server.server.answer = answer
        with pytest.raises(errors.LabelNotMoved, match=r"slow. is still being loaded at"):
            promoted(path, server)
        assert server.reloads() == []


def test_a_model_without_an_available_version_is_not_named(tmp_path):
    """One that ended or is unknown, labels of it or not; one that loads is waited for."""
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


@pytest.mark.parametrize("answer", ["fails", "nonsense"])
def test_a_server_that_answers_wrongly(tmp_path, answer):
    """Among several it is said which one does, and that nothing is changed."""

    def wrong(call: Call, context: grpc.ServicerContext) -> bytes:
        if answer == "fails":
            context.abort(grpc.StatusCode.INTERNAL, "boom")
        return b"\xff\xff"

    first, path = Told({"mlp": BOTH}), config(tmp_path, f"mlp {ALL}")
    with running(first), FakeModelServer(wrong) as second:
        said = "boom" if answer == "fails" else "cannot be read"
        told = rf"at {second.address} does not tell the states of mlp: .*{said}.*; nothing is ch"
        with pytest.raises(errors.VitrineError, match=told):
            promoted(path, first, second)
        assert first.reloads() == []


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
