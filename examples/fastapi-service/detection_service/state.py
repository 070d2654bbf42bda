"""What the routes share, and the dependencies that give it to them: `async`, since others would be run on threads."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Depends
from starlette.requests import HTTPConnection

from .access import Client, Door, Slots
from .engine import Engine
from .metrics import Metrics
from .settings import Settings


class State:
    """What one worker process has. Made by the lifespan, after the fork."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.door = Door(settings)
        self.slots = Slots(settings.concurrency)
        self.engine = Engine(settings)
        self.metrics = Metrics(self.engine, self.slots)


async def state(connection: HTTPConnection) -> State:
    """The state of this worker."""
    return cast(State, connection.app.state.service)


async def client(connection: HTTPConnection, state: Annotated[State, Depends(state)]) -> Client:
    """The client, if it may come in now."""
    return state.door.enter(connection)


async def identified(connection: HTTPConnection, state: Annotated[State, Depends(state)]) -> Client:
    """The client, however often it comes."""
    return state.door.identify(connection)
