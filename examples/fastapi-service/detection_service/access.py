"""Who may come in, and how often: bearer tokens, a rate for each client, and a bound on what is worked on at a time."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType

import guarita
import jwt
from starlette.requests import HTTPConnection

from .problems import Problem, retry_after
from .settings import Settings


@dataclass(frozen=True)
class Client:
    """Who asks: the subject of the token, or the address; and when the token ends, in seconds since 1970."""

    key: str
    until: float | None = None


class Slots:
    """Room for so many requests at a time. One more is told to come back."""

    def __init__(self, count: int) -> None:
        self.count, self.taken = count, 0

    def __enter__(self) -> None:
        if self.taken >= self.count:
            message = f"{self.count} requests are being worked on already"
            raise Problem(429, "Overloaded", message, "RetryLater", retry_after(1))
        self.taken += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.taken -= 1


class Door:
    """Checks tokens and rates."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._rate = guarita.RateLimit(per_second=settings.rate_per_second, burst=settings.rate_burst)

    def enter(self, connection: HTTPConnection) -> Client:
        """The client; a 401 for a token that is missing, wrong or expired, a 429 for one that comes too often."""
        client = self.identify(connection)
        wait = self._rate.try_acquire(client.key)
        if wait is not None:
            message = f"more than {self._settings.rate_per_second:g} requests a second"
            raise Problem(429, "RateLimited", message, "RetryLater", retry_after(wait))
        return client

    def identify(self, connection: HTTPConnection) -> Client:
        """The client, however often it comes."""
        if self._settings.jwt_key is None:
            # Behind a proxy, uvicorn's --forwarded-allow-ips makes this the address of the client.
            return Client(f"address {connection.client.host if connection.client else '?'}")
        key, algorithm = self._settings.jwt_key
        try:
            claims = jwt.decode(
                _token(connection),
                key,
                # Never the one that the token names.
                algorithms=[algorithm],
                audience=self._settings.jwt_audience,
                issuer=self._settings.jwt_issuer,
                options={"require": ["exp", "sub"]},
            )
        except jwt.ExpiredSignatureError:
            raise _unauthorized("the token has expired") from None
        except jwt.InvalidTokenError as error:
            raise _unauthorized(f"the token is not valid: {error}") from None
        return Client(f"subject {claims['sub']}", float(claims["exp"]))


def _token(connection: HTTPConnection) -> str:
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return token.strip()
    # Browsers give a websocket no headers, but subprotocols: new WebSocket(url, ["bearer", token]).
    scheme, _, token = connection.headers.get("sec-websocket-protocol", "").partition(",")
    if scheme.strip().lower() == "bearer" and token:
        return token.strip()
    raise _unauthorized("a bearer token is needed", error=None)


def _unauthorized(message: str, error: str | None = "invalid_token") -> Problem:
    # RFC 6750: without a token, the challenge names no error.
    challenge = "Bearer" if error is None else f'Bearer error="{error}"'
    return Problem(401, "PermissionDenied", message, "ChangeInput", {"WWW-Authenticate": challenge})
