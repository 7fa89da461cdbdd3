"""`serve`: the app on a socket, until a signal ends it."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import Callable
from types import FrameType

from rolevec.errors import MissingExtra, RolevecError
from rolevec.server.app import App, with_cors
from rolevec.server.logs import configure, log
from rolevec.server.settings import Settings

try:
    import uvicorn
except ImportError as error:
    raise MissingExtra("uvicorn", "server") from error

# Threads that encode must not wait long for the event loop, nor it for them.
_SWITCH = 0.0005
_BACKLOG = 2048


class _Draining(uvicorn.Server):
    """Goes on for a while after the signal, so that no client finds a connection cut.

    While it drains every answer says ``Connection: close``; only then the port is closed.
    """

    def __init__(self, config: uvicorn.Config, app: App, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._app = app
        self._started_hook = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._started_hook()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin the end; a second SIGINT makes it short.

        uvicorn's own would raise the signal again in the end, as if it had killed the process.
        """
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the port, then the connections, so that no request is lost on the way.

        For a while new connections are taken and every answer says ``Connection: close``. Then the
        port is closed, those that wait at it are taken, and connections that are open get as much
        time again for the request that may be on its way.
        """
        server = self._app.server
        server.draining = True
        seconds = server.settings.limits.drain
        log("draining", {"seconds": seconds})
        await self._wait(seconds, lambda: True)
        last = [self._take(one) for listener in sockets or () for one in _waiting_at(listener)]
        for listener in (*self.servers, *(sockets or ())):
            listener.close()
        await asyncio.gather(*last)
        await self._wait(seconds, lambda: bool(self.server_state.connections))
        await super().shutdown(sockets)

    async def _wait(self, seconds: float, condition: Callable[[], bool]) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while loop.time() < until and condition() and not self.force_exit:
            await asyncio.sleep(0.02)

    async def _take(self, connection: socket.socket) -> None:
        def protocol() -> asyncio.Protocol:
            made: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]
                config=self.config,
                server_state=self.server_state,
                app_state=self.lifespan.state,
            )
            return made

        await asyncio.get_running_loop().connect_accepted_socket(protocol, connection)


def _waiting_at(listener: socket.socket) -> list[socket.socket]:
    """Connections that the system has made and nobody has taken."""
    found: list[socket.socket] = []
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:  # there is none any more
            return found
        connection.setblocking(False)
        found.append(connection)


class Running:
    """A server on its socket, models loaded; `run` it.

    Args:
        settings: of the server.
        on_start: called with the address once requests are taken.

    Attributes:
        address: as a URL; the socket is bound already.
        app: what it serves.

    Raises:
        RolevecError: see `serve`.
    """

    def __init__(self, settings: Settings, on_start: Callable[[str], None] | None = None) -> None:
        settings.check_exposure()
        self.app = App(settings)
        self._listener = _listen(settings)
        host, port = self._listener.getsockname()[:2]
        self.address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        self._on_start = on_start
        config = uvicorn.Config(
            with_cors(self.app, settings),
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            backlog=_BACKLOG,
            timeout_graceful_shutdown=int(settings.limits.deadline) + 5,
        )
        self._server = _Draining(config, self.app, self._started)

    def run(self) -> None:
        """Serve until a signal or `stop`, and then until every accepted request is answered."""
        with self._listener:
            self._server.run(sockets=[self._listener])

    def stop(self) -> None:
        """End as a signal does; from any thread."""
        self._server.should_exit = True

    def _started(self) -> None:
        models = [model.name for model in self.app.server.engine.models]
        log("ready", {"address": self.address, "models": models})
        if self._on_start is not None:
            self._on_start(self.address)


def serve(settings: Settings, *, on_start: Callable[[str], None] | None = None) -> None:
    """Serve until SIGINT or SIGTERM, and then until every accepted request is answered.

    Args:
        settings: of the server.
        on_start: called with the address once requests are taken.

    Raises:
        RolevecError: a model cannot be loaded, the address cannot be bound, or the settings let
            everybody in by accident.
    """
    configure(settings.log_level)
    running = Running(settings, on_start)
    sys.setswitchinterval(_SWITCH)
    running.run()


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        raise RolevecError(
            f"cannot listen on {settings.host}:{settings.port}: {error.strerror}; choose another"
            " --port"
        ) from error
    return listener
