"""Local socket: who may connect, what may be at its path before, and which paths can be one."""

import os
import socket
import stat
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import grpc
import pytest

from harness.fake_local_server import FakeLocalServer
from harness.fake_model_server import FakeModelServer, failing
from harness.ports import free_port
from vitrine_client.doctor.installation import Installation
from vitrine_client.doctor.service.model_server import check as examined
from vitrine_client.errors import InvalidRequest, NotFound
from vitrine_client.model_server import ModelServerClient
from vitrine_client.process import local_sockets
from vitrine_client.process.addresses import Addresses, checked_model_server
from vitrine_serving.gateway.settings import SettingsError, checked_settings
from vitrine_serving.model_server.local_socket import LocalSocket
from vitrine_serving.stack import CannotBegin, Stack

CODE = grpc.StatusCode


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_its_user_alone(tmp_path):
    """The directory is made for it, and the socket is nobody else's, whatever the umask."""
    path = tmp_path / "new" / "socket"
    before = os.umask(0)
    try:
        LocalSocket(str(path)).listen().close()
    finally:
        os.umask(before)
    assert (mode_of(path.parent), mode_of(path)) == (0o700, 0o600)


def test_a_group(tmp_path):
    """May enter the directory and connect; by number or name, and there has to be one."""
    path = tmp_path / "new" / "socket"
    shared = LocalSocket(str(path), str(os.getgid()))
    shared.listen().close()
    assert shared.is_shared
    assert (mode_of(path.parent), mode_of(path)) == (0o770, 0o660)
    told = "its group is to be 'nobody-has-it', and there is none here; name one"
    with pytest.raises(ValueError, match=told):
        LocalSocket(str(path), "nobody-has-it")


@pytest.mark.parametrize("mode", [0o700, 0o760])
def test_a_directory_that_is_closed_to_the_group(tmp_path, mode):
    """Is told, with what to do: it was made before there was a group, and nobody of that would get
    to the socket."""
    group = str(os.getgid())
    (tmp_path / "old").mkdir()
    path = tmp_path / "old" / "socket"
    path.parent.chmod(mode)
    with pytest.raises(
        PermissionError, match=rf"is closed to the group; `chgrp {group} /.*/old &&"
    ):
        LocalSocket(str(path), group).check()
    for open_mode in (0o770, 0o701):
        path.parent.chmod(open_mode)
        LocalSocket(str(path), group).check()
    assert mode_of(path.parent) == 0o701  # as it was found


def test_a_directory_above_that_is_missing(tmp_path):
    """Is named: only the last one is made."""
    told = f"as there is no {tmp_path}/none; make that, or name another path"
    with pytest.raises(FileNotFoundError, match=told):
        LocalSocket(f"{tmp_path}/none/new/socket").check()


def test_a_group_of_others(tmp_path, monkeypatch):
    """Cannot be given the socket by somebody who is not in it, unless that is root."""

    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "chown", refuse)
    with pytest.raises(PermissionError, match="new cannot be given to the group 12345, in which"):
        LocalSocket(str(tmp_path / "new" / "socket"), "12345").check()


def test_what_a_killed_server_left(tmp_path):
    """Is replaced: nobody answers there."""
    own = LocalSocket(str(tmp_path / "socket"))
    own.listen().close()
    with own.listen() as listener, socket.socket(socket.AF_UNIX) as client:
        client.connect(own.path)
        assert local_sockets.peer_user(listener.accept()[0]) == os.geteuid()


def test_a_server_that_answers(tmp_path):
    """Keeps its socket, and the second says so."""
    path = str(tmp_path / "socket")
    with FakeLocalServer(path=path):
        for make in (LocalSocket(path).listen, LocalSocket(path).check):
            with pytest.raises(OSError, match=f"another model server answers at {path}"):
                make()
    assert not Path(path).exists()


@pytest.mark.parametrize("name", ["socket", "socket.h2"])
def test_what_is_no_socket(tmp_path, name):
    """Stays: it is somebody's file."""
    (tmp_path / name).write_text("mine")
    with pytest.raises(OSError, match=f"{name} is no socket; move it away, or name another"):
        LocalSocket(str(tmp_path / "socket")).listen()
    assert (tmp_path / name).read_text() == "mine"


@pytest.mark.parametrize("mode", [0o777, 0o1777])
def test_a_directory_that_is_open_to_everybody(tmp_path, mode):
    """Is refused, sticky or not: anybody could listen there first."""
    tmp_path.chmod(mode)
    with pytest.raises(PermissionError, match="is open to everybody, who could take the place"):
        LocalSocket(str(tmp_path / "socket")).listen()


@pytest.mark.parametrize(
    ("path", "told"),
    [
        (f"/{'x' * 100}", "has 101 bytes, and the path of a socket 100 at most"),
        (f"/{'é' * 50}", "has 101 bytes"),
        ("socket", "is no path of a socket; write an absolute one"),
        ("/tmp/", "is no path"),  # noqa: S108
        ("/a,b", "is no path"),
        ("/a%41", "is no path"),  # gRPC takes it for /aA
        ("/a#b", "is no path"),
        ("/a?b", "is no path"),
        ("/\udcff", "is no path"),
        ("//x:y\0", "is no path"),
    ],
)
def test_paths_that_can_be_none(path, told):
    """Say so, wherever they are named."""
    with pytest.raises(InvalidRequest, match=told):
        checked_model_server(f"ttrpc:{path}")
    with pytest.raises(ValueError, match=told):
        LocalSocket(path)
    with pytest.raises(SettingsError, match=f"VITRINE_LOCAL_SOCKET=.*{told}"):
        checked_settings(local_socket=path)


def test_a_path_of_any_length_that_goes(tmp_path):
    """Together with the socket for gRPC beside it."""
    room = local_sockets.MOST_PATH_BYTES - len(os.fsencode(tmp_path)) - 1
    path = str(tmp_path / ("x" * room))
    LocalSocket(path).listen().close()
    with socket.socket(socket.AF_UNIX) as beside:
        beside.bind(f"{path}{local_sockets.GRPC_SUFFIX}")


def test_addresses():
    """`ttrpc:` is a local socket, which has gRPC beside it; `unix:` is gRPC's own."""
    assert checked_model_server("ttrpc:/run/a") == "ttrpc:/run/a"
    assert local_sockets.grpc_address("ttrpc:/run/a") == "unix:/run/a.h2"
    assert local_sockets.grpc_address("unix:/run/a") == "unix:/run/a"
    assert checked_model_server("unix:/run/a") == "unix:/run/a"
    with pytest.raises(InvalidRequest, match="is no address of a model server"):
        checked_model_server("ttrpc:")


def test_the_gateways_setting():
    """Names the model server, where nothing else does; `off` is for none."""
    assert checked_settings(local_socket="/run/a").upstream.model_server == ("ttrpc:/run/a",)
    named = checked_settings(local_socket="/run/a", model_server="b:1,ttrpc:/run/c").upstream
    assert named.model_server == ("b:1", "ttrpc:/run/c")
    off = checked_settings(local_socket="off", port=9000).upstream
    assert (off.local_socket, off.model_server) == ("", ("127.0.0.1:9420",))


def test_clients_that_are_given_one(tmp_path):
    """Ask by gRPC, beside it, without TLS, and the doctor knows the address."""
    path = str(tmp_path / "socket")
    here = Installation({}, "", tmp_path, model_servers=(f"ttrpc:{path}",), wait_s=5)
    with (
        FakeLocalServer(path=path),
        FakeModelServer(failing(CODE.NOT_FOUND), host="unix", port=f"{path}.h2") as beside,
        ModelServerClient(f"ttrpc:{path}") as client,
    ):
        with pytest.raises(NotFound):
            client.status("mlp")
        assert beside.calls
        (finding,) = examined(here)
        assert (finding.name, finding.seen) == (f"model server ttrpc:{path}", "answers")
    (finding,) = examined(here)
    assert "nothing answers" in finding.seen


@pytest.fixture
def up(tmp_path):
    """Makes a service that is not started, and ends it."""
    (tmp_path / "models" / "mlp" / "1").mkdir(parents=True)
    made = []

    def make(**options: object) -> Stack:
        ports = {name: free_port() for name in ("port", "grpc_port", "rest_port")}
        addresses = Addresses(v2_grpc_port=0, **ports)
        made.append(Stack(tmp_path / "models", addresses, **options))
        return made[-1]

    yield make
    for each in made:
        each.__exit__()


def test_a_service_has_one_by_itself(up, tmp_path):
    """In its temporary directory, or where it is told; unless it is `off`."""
    with TemporaryDirectory() as folder:  # whose path is short
        made = up(folder=Path(folder))
        (path,) = Path(folder).glob("vitrine-*/socket")
        assert (made.model_server, made.by_grpc) == (f"ttrpc:{path}", "")
    path = str(tmp_path / "own" / "socket")
    assert up(local_socket=path).model_server == f"ttrpc:{path}"
    off = up(local_socket="off")
    assert (off.model_server.partition(":")[0], off.by_grpc) == ("127.0.0.1", "")


def test_a_service_that_can_have_none(up, tmp_path):
    """Asks by gRPC and says why, unless it was told where; it leaves nothing."""
    far = tmp_path / ("x" * 100)
    far.mkdir()
    by_grpc = up(folder=far)
    assert "100 at most" in by_grpc.by_grpc
    assert by_grpc.model_server.startswith("127.0.0.1:")
    before = set(tmp_path.glob("vitrine-*"))
    for options, told in (
        ({"local_socket": f"{tmp_path}/{'x' * 100}"}, "100 at most"),
        (
            {"local_socket": f"{tmp_path}/none/none/socket"},
            "VITRINE_LOCAL_SOCKET: no socket can be",
        ),
        ({"local_socket_group": "0"}, "VITRINE_LOCAL_SOCKET_GROUP is for a socket at a path"),
    ):
        with pytest.raises(CannotBegin, match=told):
            up(folder=tmp_path, **options)
    assert set(tmp_path.glob("vitrine-*")) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_another_user(caplog):
    """Is refused where files' permissions would let it in, unless a group is meant."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = f"{folder}/socket"
        with FakeLocalServer(path=path):
            Path(path).chmod(0o666)
            ask = f"import socket; s = socket.socket(1); s.connect({path!r}); print(s.recv(1))"
            done = subprocess.run(
                ["/usr/bin/env", "python3", "-c", ask], user=65_534, capture_output=True, timeout=60
            )
    assert done.stdout.strip() == b"b''", done.stderr
    assert any("User 65534 was refused" in text for text in caplog.messages)
