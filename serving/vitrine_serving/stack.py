"""The whole service on one machine: an embedded model server and a gateway, as child processes."""

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Self

import requests

from vitrine_client.errors import NotFound, VitrineError
from vitrine_client.http.default_model import is_served
from vitrine_client.model_server import ModelServerClient
from vitrine_client.process import children, local_sockets, proxies, signals
from vitrine_client.process.addresses import V2_GRPC_PORT, Addresses
from vitrine_client.process.exit_codes import TERMINATED
from vitrine_client.results.predictions import VersionStatus
from vitrine_client.store.layout import Fault, aside
from vitrine_client.store.saved_model import wrong_version
from vitrine_serving import ports
from vitrine_serving.gateway.settings import Settings, SettingsError, checked_settings
from vitrine_serving.model_server.local_socket import LocalSocket
from vitrine_serving.notices import Notices
from vitrine_serving.scratch import ScratchDirectory
from vitrine_serving.served_models import ServedModels, served_models, write_config

STOP_S = 15
"""Seconds that the model server has to finish the requests in hand before it is killed."""

GATEWAY_STOP_S = 40
"""Seconds that the gateway has for that after its `VITRINE_DRAIN_S`: its processes end within 30,
by gunicorn_conf's `graceful_timeout`."""

PARALLELISM = (1, 1)
"""Threads of the model server for an operation, and operations at a time: small models lose more by
sharing work out than they win (docs/model-server.md)."""

_AGAIN_S = 0.5
"""Time after which a second SIGTERM ends the gateway's wait for balancers, for Ctrl-C."""

_LOOK_S = 1.0


States = Mapping[str, Sequence[VersionStatus]]
_SETTLED = ("AVAILABLE", "END")


class StackError(Exception):
    """Service that could not be started, or ended by itself; the message says how to go on."""


class CannotBegin(StackError):
    """Service that could not even be begun, as what it was given makes no sense."""


class Stack:
    """Runs the service while its `with` block lasts, and leaves nothing running after it."""

    def __init__(
        self,
        models_dir: Path,
        addresses: Addresses,
        *,
        batching: Path | None = None,
        local_socket: str = "",
        local_socket_group: str = "",
        parallelism: tuple[int, int] = PARALLELISM,
        quiet: bool = False,
        folder: Path | None = None,
    ) -> None:
        """Raises `CannotBegin` where there is nothing to serve, `PortError` where no port is free,
        and `SettingsError` where a setting of the gateway makes no sense.

        `batching` is a file of the model server's batching parameters, and turns batching on.
        `local_socket` is the path of the socket between the two, `off` for none, and without one
        it is in a temporary directory, which is made in `folder`; `local_socket_group` may connect
        to it, too. `by_grpc` says why there is none.
        `parallelism` is the model server's: threads of an operation, and operations at a time.
        """
        try:
            self.models = served_models(models_dir)
        except ValueError as error:
            raise CannotBegin(str(error)) from error
        ports.check_free(addresses)
        settings = _checked(addresses)
        self._listed = _listed(self.models, settings)
        self._stop_s = {"gateway": settings.server.drain_s + GATEWAY_STOP_S}
        self._models_dir = models_dir
        self._addresses = addresses
        self._batching = batching
        self._parallelism = parallelism
        self._quiet = quiet
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._news: queue.SimpleQueue[int] = queue.SimpleQueue()
        try:
            self._scratch = ScratchDirectory(folder)
        except OSError as error:
            raise CannotBegin(
                f"No folder takes temporary files ({error}); make room, or name one by TMPDIR"
            ) from error
        self.by_grpc = ""
        self._socket = self._chosen_socket(local_socket, local_socket_group)

    def _chosen_socket(self, path: str, group: str) -> LocalSocket | None:
        """Returns the socket between gateway and model server; None where they use gRPC."""
        if group and path in ("", local_sockets.OFF):
            self._scratch.cleanup()
            raise CannotBegin(
                "VITRINE_LOCAL_SOCKET_GROUP is for a socket at a path of your own; name one by "
                "VITRINE_LOCAL_SOCKET"
            )
        if path == local_sockets.OFF or not (path or local_sockets.are_available()):
            return None
        try:
            chosen = LocalSocket(path or str(self._scratch.path / "socket"), group)
            chosen.check()
            if not path:
                chosen.listen().close()  # or there are no sockets where temporary files are
        except (OSError, ValueError) as error:
            if path:
                self._scratch.cleanup()
                raise CannotBegin(f"VITRINE_LOCAL_SOCKET: {error}") from error
            self.by_grpc = str(error)
            return None
        return chosen

    @property
    def model_server(self) -> str:
        """The address at which the gateway asks the model server."""
        return self._socket.address if self._socket else self._addresses.model_server

    def __enter__(self) -> Self:
        try:
            self._start("model server", self._model_server_command(), {})
            self._start("gateway", gateway_command(), self._gateway_environment())
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, _: object = None, error: object = None, *__: object) -> None:
        patient = isinstance(error, SystemExit) and error.code == TERMINATED
        with signals.ignored():  # a second Ctrl-C must not leave half of it
            if not patient and "gateway" in self._children:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._children["gateway"].terminate()
                    self._children["gateway"].wait(_AGAIN_S)
            # The gateway comes first: it drains, and has a backend meanwhile.
            for name, child in reversed(self._children.items()):
                children.stop(child, self._stop_s.get(name, STOP_S))
            self._scratch.cleanup()

    def wait_until_settled(
        self, gateway_s: float, tell: Callable[[str], object] = lambda _: None
    ) -> list[str]:
        """Blocks until every version answers or has failed for good, as long as that takes, and the
        gateway knows of it; returns a sentence for each version that failed. Now and then `tell` is
        told what it waits for.

        Raises `StackError` if a child ends, if nothing at all can be served, or if the gateway does
        not reach the model server within `gateway_s` after that.
        """
        with ModelServerClient(self._addresses.model_server, timeout_s=2) as server:
            notices = Notices(tell)
            while (states := self._states(server)) is None or not _are_settled(states):
                self._check_children()
                notices.waiting_for(partial(self._awaited, states))
                self._pause()
        failed = [
            sentence
            for name, versions in states.items()
            for sentence in _failures(name, versions, self._models_dir)
        ]
        if not any(is_served(versions) for versions in states.values()):
            told = "".join(f"\n  {sentence}" for sentence in failed)
            raise StackError(f"No model can be served:{told}")
        self._wait_for_gateway(gateway_s, Notices(tell))
        return failed

    def _states(self, server: ModelServerClient) -> dict[str, list[VersionStatus]] | None:
        """Returns the states of all versions, None where the model server does not answer yet."""
        states: dict[str, list[VersionStatus]] = {}
        for name in self.models.names:
            try:
                states[name] = server.status(name)
            except NotFound:
                states[name] = []
            except VitrineError:
                return None
        return states

    def _awaited(self, states: "States | None") -> str:
        """Returns what the model server has still to do."""
        told = self._stopped("model server")
        if not told and states is None:
            told = (
                f"The model server (process {self._children['model server'].pid}) does not answer "
                f"at {self._addresses.model_server} yet; first it loads "
                f"{', '.join(self.models.names)}"
            )
        return told or ", ".join(
            f"{name}/{one.version} is {one.state}"
            for name, versions in (states or {}).items()
            for one in versions
            if one.state not in _SETTLED
        )

    def _awaited_of_gateway(self, reason: str) -> str:
        told = f"The gateway is not ready at {self._addresses.url} yet ({reason})"
        return self._stopped("gateway") or told

    def _stopped(self, name: str) -> str:
        """Returns a sentence on a child that somebody has stopped, empty otherwise."""
        child = self._children[name]
        if not children.is_stopped(child):
            return ""
        return f"The {name} is stopped; `kill -CONT {child.pid}` has it go on"

    def _wait_for_gateway(self, timeout_s: float, notices: Notices) -> None:
        deadline = time.monotonic() + timeout_s
        reason = "nothing listens"
        while time.monotonic() < deadline:
            self._check_children()
            with contextlib.suppress(requests.RequestException):
                answer = self._ask_readyz()
                if answer.ok or '"models"' in answer.text:
                    return
                reason = answer.text
            notices.waiting_for(partial(self._awaited_of_gateway, reason))
            self._pause()
        raise StackError(f"Not ready after {timeout_s:g} s: {reason}")

    def _ask_readyz(self) -> requests.Response:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it is our own child, whatever its certificate says
            return requests.get(
                f"{self._addresses.url}/readyz?models=1",
                timeout=2,
                verify=False,  # noqa: S501
                proxies=proxies.PAST_ALL,
            )

    def _pause(self) -> None:
        """Waits a moment, less if a child ends: HTTP has no way to tell that it is ready."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._children["gateway"].wait(0.05)

    def wait(self) -> None:
        """Blocks for good. Raises `StackError` when a child ends by itself."""
        threading.Thread(target=self._watch, daemon=True).start()
        while True:
            # With a time-out: a signal that comes just before a call that blocks does not end it.
            with contextlib.suppress(queue.Empty):
                number = self._news.get(timeout=_LOOK_S)
                if number == signal.SIGHUP:
                    self._children["gateway"].send_signal(number)
            self._check_children()

    def reload(self) -> None:
        """Has the gateway read certificates and keys again, once the service is ready. Signal
        handlers may call it."""
        self._news.put(signal.SIGHUP)

    def _watch(self) -> None:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
        self._news.put(signal.SIGCHLD)

    def _check_children(self) -> None:
        for name, child in self._children.items():
            code = child.poll()
            if code is not None:
                raise StackError(f"The {name} {_ended(code)}")

    def _start(self, name: str, command: list[str], environment: dict[str, str]) -> None:
        with signals.held_back():  # or it may have been started, and nobody knows it
            self._children[name] = children.start(command, os.environ | environment)

    def _model_server_command(self) -> list[str]:
        config = self.models.config or write_config(
            self._models_dir, self.models.names, self._scratch.path
        )
        monitoring = self._scratch.path / "monitoring.config"
        monitoring.write_text("prometheus_config { enable: true }\n")
        intra_op, inter_op = self._parallelism
        batching = ["--enable_batching=true", f"--batching_parameters_file={self._batching}"]
        return [
            *(sys.executable, "-m", "vitrine_serving.model_server"),
            f"--model_config_file={config}",
            "--model_config_file_poll_wait_seconds=1",
            # Or a file with version labels could not be used at a start.
            "--allow_version_labels_for_unavailable_models=true",
            *(batching if self._batching else ()),
            f"--port={self._addresses.grpc_port}",
            f"--rest_api_port={self._addresses.rest_port}",
            f"--monitoring_config_file={monitoring}",
            f"--tensorflow_intra_op_parallelism={intra_op}",
            f"--tensorflow_inter_op_parallelism={inter_op}",
            "--grpc_max_threads=64",  # more than the gateway ever calls at once
            # Somebody waits for the start: a version that is broken is not worth five minutes.
            *("--max_num_load_retries=2", "--load_retry_interval_micros=1000000"),
            f"--log_level={'warning' if self._quiet else 'info'}",
            *(self._socket.flags if self._socket else ()),
        ]

    def _gateway_environment(self) -> dict[str, str]:
        level = f"--log-level={'warning' if self._quiet else 'info'}"
        return {
            "VITRINE_HOST": self._addresses.host,
            "VITRINE_PORT": str(self._addresses.port),
            V2_GRPC_PORT: str(self._addresses.v2_grpc_port),
            "VITRINE_MODEL_SERVER": self.model_server,
            "VITRINE_MODELS": ",".join(self._listed),
            "GUNICORN_CMD_ARGS": f"{level} {os.environ.get('GUNICORN_CMD_ARGS', '')}".strip(),
        }


def _ended(code: int) -> str:
    """Returns how a child has ended, and where to look for the reason."""
    if code == -signal.SIGKILL:
        return "was killed (SIGKILL): by somebody, or by the system for lack of memory (`dmesg`)"
    how = f"ended with exit code {code}"
    if code < 0:
        how = f"was ended by signal {-code} ({signal.strsignal(-code)})"
    return f"{how}; see its messages above"


def _are_settled(states: States) -> bool:
    """Whether no version can change by itself any more."""
    return all(one.state in _SETTLED for versions in states.values() for one in versions)


def _failures(name: str, versions: Sequence[VersionStatus], models_dir: Path) -> list[str]:
    """Returns a sentence for each version that failed, or one on a model without any."""
    if not versions:
        return [f"{name}: no version of it was found; is one in {models_dir / name} named 1?"]
    served = [one.version for one in versions if one.state == "AVAILABLE"]
    then = f" (version {max(served)} is, in its place)" if served else ""
    found = []
    for one in versions:
        if one.state == "END" and one.error_message:
            fault = _fault(models_dir / name / str(one.version), one.error_message)
            found.append(f"{name}/{one.version}{then}: {fault}")
    return found


def _fault(directory: Path, message: str) -> Fault:
    """Returns why a version failed: what can be seen on the disk, in the doctor's words, else what
    the model server says."""
    with contextlib.suppress(OSError):
        if directory.is_dir() and (fault := wrong_version(directory)):
            return fault
    reason = " ".join(message.split()).rstrip(".")
    return Fault(reason, f"set it aside, and put it back once it is repaired: {aside(directory)}")


def _checked(addresses: Addresses) -> Settings:
    """Returns the gateway's settings. Raises `SettingsError` for those that the gateway of such a
    service cannot heed."""
    settings = checked_settings(
        host=addresses.host,
        port=addresses.port,
        v2_grpc_port=addresses.v2_grpc_port,
        model_server=(addresses.model_server,),
    )
    if settings.tls.model_server_ca:
        raise SettingsError(
            "VITRINE_MODEL_SERVER_CA is for model servers elsewhere: the one that is started here "
            "has no TLS; unset it"
        )
    return settings


def _listed(models: ServedModels, settings: Settings) -> tuple[str, ...]:
    """Returns the models that the gateway lists: those that `VITRINE_MODELS` names, or all that are
    served. Raises `SettingsError` for one that is not."""
    listed = settings.listed
    named = listed.models if "models" in listed.model_fields_set else models.names
    missing = ", ".join(name for name in named if name not in models.names)
    if missing:
        raise SettingsError(
            f"VITRINE_MODELS names {missing}, which is not served; {', '.join(models.names)} can be"
        )
    return named


def gateway_command() -> list[str]:
    """Returns the command that runs the gateway; its settings come from the environment."""
    configuration = "python:vitrine_serving.gateway.gunicorn_conf"
    return [sys.executable, "-m", "vitrine_serving.gateway_process", "-c", configuration]
