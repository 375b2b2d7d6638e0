"""Local socket of the model server: its permissions, and leftovers of others at its path."""

import contextlib
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

from vitrine_client.errors import InvalidRequest
from vitrine_client.process import local_sockets

_BACKLOG = 128


class LocalSocket:
    """Local socket at a path: for its user alone, or with a `group`, by name or number, for that
    as well. Raises `ValueError` where path or group make no sense."""

    def __init__(self, path: str, group: str = "") -> None:
        if not local_sockets.are_available():
            raise ValueError("a local socket needs Linux; leave it out, and gRPC is used")
        try:
            self.path = local_sockets.checked_path(path)
        except InvalidRequest as error:
            raise ValueError(str(error)) from error
        self.address = f"{local_sockets.SCHEME}{path}"
        self.grpc_address = local_sockets.grpc_address(self.address)
        self.flags = [f"--local_socket={path}", f"--local_socket_group={group}"]
        self._group = _number_of(group) if group else None

    @property
    def is_shared(self) -> bool:
        """Whether a group may connect."""
        return self._group is not None

    def check(self) -> None:
        """Makes the directory where it is missing. Raises `OSError` that says so where others could
        take the socket's place, where another server answers at it, where there is something else,
        or where nothing can be made."""
        with self._explained():
            self._check()

    def _check(self) -> None:
        self._make_directory()
        local_sockets.check_directory(self.path)
        _check_kind(f"{self.path}{local_sockets.GRPC_SUFFIX}")
        _check_place(self.path)

    def _make_directory(self) -> None:
        """Makes the directory where it is missing. Raises `OSError` where it cannot, or where the
        group cannot enter the one that is there."""
        directory = Path(self.path).parent
        try:
            directory.mkdir(0o700)
        except FileNotFoundError:
            raise FileNotFoundError(
                f"no socket can be made at {self.path}, as there is no {directory.parent}; make "
                "that, or name another path"
            ) from None
        except FileExistsError:
            if self._group is not None and not _may_enter(self._group, directory.stat()):
                raise PermissionError(
                    f"{directory} is closed to the group; `chgrp {self._group} {directory} && "
                    f"chmod 770 {directory}`, or remove it, and it is made so"
                ) from None
        else:
            self._share(directory, 0o770)

    def listen(self) -> socket.socket:
        """Returns the socket, which takes connections; one that a killed server has left is
        replaced. Raises `OSError` as `check` does."""
        with self._explained():
            self._check()
            return self._bound()

    def _bound(self) -> socket.socket:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)  # noqa: PTH108 - paths are texts here
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with self.creating():
                made.bind(self.path)
            self._share(Path(self.path), 0o660)
            made.listen(_BACKLOG)
        except BaseException:
            made.close()
            raise
        return made

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Says of the system's errors what they are about."""
        try:
            yield
        except OSError as error:
            if error.errno is None:
                raise
            raise OSError(f"no socket can be made at {self.path}: {error.strerror}") from error

    @contextlib.contextmanager
    def creating(self) -> Iterator[None]:
        """Has sockets that are made meanwhile for their user alone."""
        before = os.umask(0o177)
        try:
            yield
        finally:
            os.umask(before)

    def share_grpc(self) -> None:
        """Opens the socket for gRPC, which is there by now, to the group."""
        self._share(Path(f"{self.path}{local_sockets.GRPC_SUFFIX}"), 0o660)

    def _share(self, path: Path, mode: int) -> None:
        if self._group is None:
            return
        try:
            os.chown(path, -1, self._group)
        except PermissionError:
            raise PermissionError(
                f"{path} cannot be given to the group {self._group}, in which its user is not; add "
                "the user to it, or name another"
            ) from None
        path.chmod(mode)


def _may_enter(group: int, directory: os.stat_result) -> bool:
    own = stat.S_IXGRP if directory.st_gid == group else 0
    return bool(directory.st_mode & (own | stat.S_IXOTH))


def check_grpc_path(path: str) -> None:
    """Raises `OSError` where no gRPC server can listen at a path, relative or not: there is
    something else, another server answers there, it has no directory, or gRPC would read another
    path. gRPC itself would take it from the other server, without a word to either."""
    try:
        local_sockets.checked_path(path if path.startswith("/") else f"/{path}")
    except InvalidRequest as error:
        raise OSError(str(error)) from error
    if not Path(path).absolute().parent.is_dir():
        raise FileNotFoundError(f"there is no directory for {path}; make it, or name another path")
    _check_place(path)


def _check_place(path: str) -> None:
    _check_kind(path)
    if _is_answered(path):
        raise OSError(f"another model server answers at {path}; end it, or name another")


def _check_kind(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise FileExistsError(f"{path} is no socket; move it away, or name another")


def _number_of(group: str) -> int:
    import grp  # which Windows lacks

    if group.isascii() and group.isdecimal():
        return int(group)
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise ValueError(
            f"its group is to be {group!r}, and there is none here; name one that `getent group` "
            "lists, or its number"
        ) from None


def _is_answered(path: str) -> bool:
    """Says whether somebody listens at a path."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except BlockingIOError:  # more wait there already than it takes
            return True
        except (FileNotFoundError, ConnectionRefusedError):
            return False
    return True
