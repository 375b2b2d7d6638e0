"""Worker process: gunicorn's, with an asyncio loop for all connections and a quick end."""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from gunicorn.config import Config
from gunicorn.workers import base

from vitrine_serving.gateway.http.heads import HeadLimits
from vitrine_serving.gateway.server import heartbeats
from vitrine_serving.gateway.server.connection import LAST_CALL_S, ClientConnection, refusal
from vitrine_serving.gateway.server.connections import ClientConnections, Patience
from vitrine_serving.gateway.server.draining import Draining
from vitrine_serving.gateway.server.grpc_server import GrpcServer
from vitrine_serving.gateway.server.listener import Listener, Shares
from vitrine_serving.gateway.shedding import CONNECTIONS

_LOOK_EVERY_S = 0.5
_BEAT_S = 1.0
_GATHER_S = 1.0

_LAST_S = 3.0
"""Seconds before the master kills it that a worker leaves whom it still has, and ends in order."""

_READ_BYTES = 65536

_UNHEEDED = (
    *("proxy_protocol", "protocol", "http_protocols", "http2_cleartext", "http_parser"),
    *("permit_obsolete_folding", "strip_header_spaces", "casefold_http_method"),
    *("permit_unconventional_http_method", "permit_unconventional_http_version"),
    *("header_map", "root_path", "asgi_loop", "asgi_lifespan", "pre_request", "post_request"),
    *("accesslog", "statsd_host"),
)
"""Settings of gunicorn for HTTP that is read by gunicorn."""


def unheeded(cfg: Any) -> str:
    """Returns a sentence on those of gunicorn's settings that nothing here heeds, "" without."""
    usual = Config().settings
    names = [name for name in _UNHEEDED if cfg.settings[name].get() != usual[name].get()]
    if not names:
        return ""
    return (
        f"GUNICORN_CMD_ARGS sets {', '.join(names)}, which this gateway does not heed: it reads "
        "HTTP/1.1 itself, and VITRINE_ACCESS_LOG=1 logs requests; leave it out"
    )


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Returns uvloop's, where that is installed (the extra `uvloop`), else asyncio's."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


class Worker(base.Worker):
    """Worker process: neither idle connections nor busy threads hold up its end."""

    header_timeout_s: float
    answer_timeout_s: float
    connection_max_age_s: float = 0.0
    master_signals: Any
    draining: Draining
    look: Callable[[], None]
    shares: Shares
    slot: int
    make_grpc: Callable[[Any, Callable[[], None]], GrpcServer] | None = None
    """Makes the gRPC server, of the application and of what counts requests."""
    grpc_server: GrpcServer | None = None
    grpc_end: asyncio.Task[None] | None = None

    def __init__(self, *given: Any) -> None:
        """Runs in the master, before the fork."""
        *_, cfg, log = given
        cfg.set("worker_tmp_dir", heartbeats.folder(log.warning))
        super().__init__(*given)

    def init_process(self) -> None:
        """Runs in the new process, until it ends: at once, and not when each of its threads has
        done what nobody waits for any more."""
        self.is_quick = False
        self.loop = new_event_loop()
        asyncio.set_event_loop(self.loop)
        super().init_process()
        logging.shutdown()
        sys.stdout.flush()
        os._exit(0)

    def load_wsgi(self) -> None:
        """Makes the application, as what gunicorn loads says."""
        super().load_wsgi()
        self.gateway = self.wsgi()

    def init_signals(self) -> None:
        """Takes signals while it starts, also those that came since the fork, which the copy of the
        master's handler has put into its queue. Not by the loop: uvloop forgets those that come
        before it runs."""
        handlers = {
            signal.SIGTERM: self.end_once_started,
            signal.SIGINT: self.give_up,
            signal.SIGQUIT: self.give_up,
            signal.SIGABRT: self.give_up,
            signal.SIGUSR1: self.log.reopen_files,
            signal.SIGWINCH: lambda: None,
        }
        for number in self.SIGNALS:
            handle = handlers.get(number)
            signal.signal(number, partial(_call, handle) if handle else signal.SIG_DFL)
        while not self.master_signals.empty():
            came = self.master_signals.get_nowait()
            if came in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
                signal.raise_signal(came)

    def run(self) -> None:
        """Serves until it is told to end."""
        gc.collect()
        gc.freeze()  # what was imported stays, and looking through it takes tens of milliseconds
        try:
            self.loop.run_until_complete(self._serve())
        except Exception:
            self.log.exception("A worker process failed")
        finally:
            self._end_tasks()
            self.gateway.close()  # where the end was too quick for the application's own

    async def _serve(self) -> None:
        self._look_again()
        self.gateway.start()
        self.connections = self._connections()
        listeners = [self._listen(each.sock) for each in self.sockets]
        for each in self.sockets:
            self.log.info("HTTP server listening on %s", each)
        await self._start_grpc()
        self._take_signals()
        if not self.alive:
            self.begin_ending()
        while self.alive:
            self.notify()
            if self.ppid != os.getppid():
                self.log.info("The master is gone; a worker process ends")
                self.begin_ending()
                break
            await asyncio.sleep(_BEAT_S)
        await self._end(listeners)

    async def _start_grpc(self) -> None:
        """Starts the gRPC server, if there is to be one. Not before the fork: gRPC's threads do not
        survive it."""
        if self.make_grpc:
            self.grpc_server = self.make_grpc(self.gateway, self.connections.count_request)
            await self.grpc_server.start()
            self.log.info("gRPC at %s", self.grpc_server.address)

    def _take_signals(self) -> None:
        """Has the loop, which runs, call what handles signals from here on."""
        for number, handle in (
            (signal.SIGTERM, self.begin_ending),
            (signal.SIGINT, self.end_quickly),
            (signal.SIGQUIT, self.end_quickly),
            (signal.SIGABRT, self.end_at_once),
            (signal.SIGUSR1, self.log.reopen_files),
            (signal.SIGWINCH, lambda: None),
        ):
            self.loop.add_signal_handler(number, handle)

    def _connections(self) -> ClientConnections:
        cfg, shares, slot = self.cfg, self.shares, self.slot
        limits = (cfg.limit_request_line, cfg.limit_request_fields, cfg.limit_request_field_size)
        return ClientConnections(
            self.gateway,
            most=int(cfg.worker_connections),
            limits=HeadLimits(*limits),
            patience=Patience(
                self.header_timeout_s,
                cfg.keepalive,
                self.answer_timeout_s,
                self.connection_max_age_s,
            ),
            draining=self.draining,
            note=lambda count: shares.forget(slot) if count is None else shares.note(slot, count),
            most_requests=self.max_requests,
            wear_out=self.begin_ending,
        )

    def _look_again(self) -> None:
        self.look()
        self.loop.call_later(_LOOK_EVERY_S, self._look_again)

    def _listen(self, sock: socket.socket) -> Listener:
        tls = self.cfg.ssl_context(self.cfg, lambda: None)
        connections = self.connections
        return Listener(
            sock,
            lambda: ClientConnection(connections),
            lambda: not self.alive or self.shares.is_more_than_others(len(connections.open)),
            tls,
            # asyncio's own are 60 s, and 30 s for a goodbye that idle clients do not read.
            handshake_timeout_s=self.header_timeout_s,
            shutdown_timeout_s=LAST_CALL_S,
            is_full=connections.has_no_room,
            turn_away=partial(self._turn_away, is_plain=tls is None),
        )

    def _turn_away(self, connection: socket.socket, *, is_plain: bool) -> None:
        """Closes a connection for which there is not even time: one that has sent little so far is
        told why."""
        self.gateway.metrics.count_shed(CONNECTIONS)
        with connection:
            connection.setblocking(False)
            if is_plain:
                with contextlib.suppress(OSError):
                    connection.recv(_READ_BYTES)  # or closing it would reset it
                with contextlib.suppress(OSError):
                    connection.send(refusal(self.connections))

    def end_once_started(self) -> None:
        """SIGTERM while it starts: it begins to end then, as the last one has to take those that
        wait at the socket."""
        self.alive = False

    def give_up(self) -> None:
        """SIGINT, SIGQUIT or SIGABRT while it starts: nobody has asked it for anything."""
        os._exit(0)

    def begin_ending(self) -> None:
        """SIGTERM, or enough requests: those that have one in hand get their answer, the others
        go."""
        self.alive = False
        if self.connections.is_ending:
            return
        self.gateway.begin_draining()
        if self.grpc_server:
            self.grpc_end = self.loop.create_task(self.grpc_server.end(self._patience_s))
        # Those that are opened from here on have their own time to begin.
        self.connections.begin_ending(LAST_CALL_S)
        self.loop.call_later(self._patience_s, self.connections.leave)

    @property
    def _patience_s(self) -> float:
        return max(float(self.cfg.graceful_timeout) - _LAST_S, 0.0)

    def end_quickly(self) -> None:
        """SIGINT, SIGQUIT: ends without answering."""
        self.is_quick = True
        self.alive = False

    def end_at_once(self) -> None:
        """SIGABRT: the master has not heard of it for long."""
        self.alive = False
        sys.exit(1)

    async def _end(self, listeners: list[Listener]) -> None:
        """Ends. Where nobody is left to take the connections that wait at the socket, they are
        this process's: those of one that ends alone are for the others."""
        is_last = self.draining.has_begun or self.ppid != os.getppid()
        for listener in listeners:
            listener.close(take_all=is_last)
        for listener in listeners:
            await listener.wait_closed(LAST_CALL_S)
        until_s = self.loop.time() + self.cfg.graceful_timeout
        while self.connections.open and self.loop.time() < until_s and not self.is_quick:
            await asyncio.sleep(0.1)
        if not self.is_quick:
            if self.grpc_end:
                await self.grpc_end
            await self.gateway.stop()

    def _end_tasks(self) -> None:
        tasks = asyncio.all_tasks(self.loop)
        for task in tasks:
            task.cancel()
        if tasks:
            self.loop.run_until_complete(asyncio.wait(tasks, timeout=_GATHER_S))
        self.loop.close()


def _call(handle: Callable[[], object], *_: object) -> None:
    """Handles a signal by what takes neither its number nor a frame."""
    handle()
