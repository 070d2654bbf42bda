"""The application: `uvicorn detection_service.app:create_app --factory`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool

from . import detect, problems, watch
from .metrics import Measured
from .settings import Settings
from .state import State


def create_app(settings: Settings | None = None) -> FastAPI:
    """The service, by these settings or else by those of the environment.

    Nothing native is made here: with `gunicorn --preload` this runs before the fork, and threads do not survive that.
    """
    chosen = settings or Settings()  # type: ignore[call-arg]
    # A key that cannot be read is found out now, and not by the first request.
    _ = chosen.jwt_key

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.service = await run_in_threadpool(State, chosen)
        try:
            yield
        finally:
            # The server has answered what was in flight by now.
            await run_in_threadpool(app.state.service.engine.close)

    app = FastAPI(title="detection service", lifespan=lifespan)
    app.add_middleware(Measured)
    problems.install(app)
    app.include_router(detect.router)
    app.include_router(watch.router)
    return app
