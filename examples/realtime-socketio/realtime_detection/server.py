"""The server of the page and of Socket.IO.

A client emits `frame` with the bytes of a JPEG or PNG, and the acknowledgement is the answer: what was found, or what
became of the frame where a newer one took its place.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import guarita
import socketio  # type: ignore[import-untyped]
import socketio.exceptions  # type: ignore[import-untyped]
from aiohttp import web

from .settings import Settings
from .viewer import Answer, Viewer

log = logging.getLogger("realtime")

PAGE = Path(__file__).resolve().parent / "page"
#: The browser's side of Socket.IO, which `npm install` puts here; nothing is loaded from elsewhere.
SOCKET_IO = PAGE.parents[1] / "node_modules" / "socket.io-client" / "dist" / "socket.io.min.js"
#: How often frames are asked after that ended without a result, when no other frame of the client comes.
TICK_S = 0.2


class Server:
    """The viewers, and the pipeline that they share."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.viewers: dict[str, Viewer] = {}
        self.sockets = socketio.AsyncServer(
            async_mode="aiohttp",
            # On aiohttp, engineio takes what has arrived of a body that is posted for all of it: large frames would break.
            transports=["websocket"],
            cors_allowed_origins=[one.strip() for one in settings.origins.split(",") if one.strip()] or None,
            max_http_buffer_size=settings.max_frame_bytes + 1024,
        )
        self.sockets.on("connect", self.connect)
        self.sockets.on("disconnect", self.disconnect)
        self.sockets.on("frame", self.frame)

    def app(self) -> web.Application:
        """The routes, with Socket.IO among them."""
        app = web.Application()
        self.sockets.attach(app)
        app.cleanup_ctx.append(self.run)
        app.add_routes(
            [web.get("/", self.index), web.get("/health", self.health), web.get("/socket.io.min.js", self.script)]
        )
        app.router.add_static("/page", PAGE)
        return app

    async def run(self, app: web.Application) -> AsyncIterator[None]:
        """Opens everything native, and closes it at the end; beside the loop, since opening a model takes a while."""
        self._loop = asyncio.get_running_loop()
        await asyncio.to_thread(self._open)
        ticking = asyncio.create_task(self._tick())
        yield
        ticking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await ticking
        await asyncio.to_thread(self._close)

    def _open(self) -> None:
        self._detector = guarita.Detector(self.settings.model, min_confidence=self.settings.min_confidence)
        self._provider = guarita.LocalProvider(self._detector)
        self._pipeline = guarita.Pipeline(
            self._provider,
            on_result=self._result,
            rate_limit={"per_second": self.settings.frames_per_second, "burst": self.settings.burst},
        )

    def _close(self) -> None:
        self._pipeline.shutdown(timeout=5)
        self._provider.close()
        self._detector.close()

    def _result(self, result: guarita.FrameResult) -> None:
        # On a thread of the pipeline's; viewers live on the loop.
        self._loop.call_soon_threadsafe(self._deliver, result)

    def _deliver(self, result: guarita.FrameResult) -> None:
        if viewer := self.viewers.get(result.camera):
            viewer.deliver(result)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            for viewer in self.viewers.values():
                viewer.settle()

    async def connect(self, sid: str, environ: dict[str, Any]) -> None:
        """A client comes."""
        if len(self.viewers) >= self.settings.max_clients:
            raise socketio.exceptions.ConnectionRefusedError("too many connections: try again later")
        self.viewers[sid] = Viewer(self._pipeline, sid, self.settings)
        log.info("%s connected from %s", sid, environ.get("REMOTE_ADDR"))

    async def disconnect(self, sid: str, reason: str) -> None:
        """A client goes."""
        if viewer := self.viewers.pop(sid, None):
            viewer.close()
        log.info("%s disconnected: %s", sid, reason)

    async def frame(self, sid: str, jpeg: Any = None, *_: Any) -> Answer:
        """A frame comes; what is returned is the acknowledgement. Clients may send anything, or nothing."""
        viewer = self.viewers.get(sid)
        if viewer is None:
            return {"dropped": "shutdown"}
        try:
            if not isinstance(jpeg, bytes):
                raise guarita.InvalidArgument("a frame is to be the bytes of a JPEG or PNG")
            return await viewer.look(jpeg)
        except guarita.GuaritaError as error:
            return {"error": {"code": error.code, "advice": error.advice, "message": str(error)}}

    async def index(self, _: web.Request) -> web.FileResponse:
        """The page."""
        return web.FileResponse(PAGE / "index.html")

    async def script(self, _: web.Request) -> web.FileResponse:
        """The browser's side of Socket.IO."""
        if not SOCKET_IO.is_file():
            raise web.HTTPNotFound(text=f"run `npm install` in {PAGE.parents[1].name}")
        return web.FileResponse(SOCKET_IO)

    async def health(self, _: web.Request) -> web.Response:
        """200 where frames are looked at, else 503."""
        found = self._pipeline.health()
        body = {
            **found.to_dict(),
            "connections": len(self.viewers),
            "cache": {
                "size": sum(viewer.known for viewer in self.viewers.values()),
                "per_client": self.settings.cache_pictures,
                "hits": sum(viewer.cached for viewer in self.viewers.values()),
            },
        }
        return web.json_response(body, status=200 if found.ready else 503)
