"""Local sockets: Unix domain sockets on which a model server answers the gateway of its machine.

Beside the socket at PATH, which speaks ttrpc, a model server answers gRPC at PATH.h2: messages that
are too large for the one go by the other, and so do clients that speak gRPC alone.
"""

import os
import re
import select
import socket
import stat
import struct
from pathlib import Path

from vitrine_client.errors import InvalidRequest

SCHEME = "ttrpc:"

MOST_PATH_BYTES = 100
"""Bytes of a socket's path: Linux has room for 107, macOS for 103, `GRPC_SUFFIX` among them."""

GRPC_SUFFIX = ".h2"

OFF = "off"
"""Value of `VITRINE_LOCAL_SOCKET` for no socket at all."""

_UNFIT = re.compile(r"[\0,%#?\ud800-\udfff]")
"""Characters of no path: addresses are separated by commas, gRPC reads a path as a URI's and so
looks elsewhere, and it takes text, which bytes that are no UTF-8 are not."""

TAKEABLE = "who could take the place of the socket in it"
CLOSED = "this user may not connect; run both as one, or the model server with --local_socket_group"
NO_TTRPC = "what listens there speaks no ttrpc"
LASTING = (TAKEABLE, CLOSED, NO_TTRPC)
"""Words of failures that no start of a model server explains, and that stay until somebody acts."""

_PEER = struct.Struct("3i")
"""Linux' struct ucred: process, user and group."""


def are_available() -> bool:
    """Says whether a model server can have local sockets here: it waits for them as Linux does."""
    return hasattr(socket, "AF_UNIX") and hasattr(select, "epoll")


def is_local(address: str) -> bool:
    """Says whether an address is a socket's on this machine, in whose path an @ is one."""
    return address.startswith((SCHEME, "unix:", "unix-abstract:"))


def path_of(address: str) -> str:
    """Returns the path in an address `ttrpc:PATH`, empty for another address."""
    return address.removeprefix(SCHEME) if address.startswith(SCHEME) else ""


def grpc_address(address: str) -> str:
    """Returns the address at which the same model server speaks gRPC."""
    path = path_of(address)
    return f"unix:{path}{GRPC_SUFFIX}" if path else address


def checked_choice(text: str) -> str:
    """Returns the path that a setting of `VITRINE_LOCAL_SOCKET` names; empty where it names none,
    or is `off`. Raises `InvalidRequest`."""
    return checked_path(text) if text not in ("", OFF) else ""


def checked_path(path: str) -> str:
    """Returns the path of a socket. Raises `InvalidRequest` where it can be none."""
    size = len(os.fsencode(path))
    if size > MOST_PATH_BYTES:
        raise InvalidRequest(
            f"{path!r} has {size} bytes, and the path of a socket {MOST_PATH_BYTES} at most; take "
            "a shorter one"
        )
    if not path.startswith("/") or path.endswith("/") or _UNFIT.search(path):
        raise InvalidRequest(
            f"{path!r} is no path of a socket; write an absolute one, in UTF-8 and without any of "
            ", % # ?, such as /run/vitrine/model-server.sock"
        )
    return path


def check_directory(path: str) -> None:
    """Raises `PermissionError` where somebody else could put another socket in the place of the one
    at `path`, and `FileNotFoundError` where its directory is missing."""
    directory = Path(path).parent
    found = directory.stat()
    owners = (0, os.geteuid())
    shared = bool(found.st_mode & stat.S_IWGRP) and found.st_gid in (os.getegid(), *os.getgroups())
    if found.st_mode & stat.S_IWOTH:
        whose = "is open to everybody"
    elif found.st_uid not in owners and not shared:
        whose = "is another user's"
    else:
        return
    raise PermissionError(
        f"{directory} {whose}, {TAKEABLE}; have it in a directory of its own, which is made where "
        "there is none"
    )


def peer_user(connection: socket.socket) -> int | None:
    """Returns the user at the other end of a connection; None where the system does not tell."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return None
    _, user, _ = _PEER.unpack(connection.getsockopt(socket.SOL_SOCKET, option, _PEER.size))
    return int(user)
