"""Errors as answers: every one has the body {code, advice, message}, and guarita's codes map to HTTP in one table."""

from __future__ import annotations

import logging
import math

import guarita
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

log = logging.getLogger(__name__)

STATUS = {
    "InvalidArgument": 422,
    "InvalidConfig": 500,
    "InvalidState": 503,
    "NotFound": 404,
    "Unsupported": 415,
    "ModelInvalid": 500,
    "RuntimeUnavailable": 503,
    "ResourceExhausted": 413,
    "Overloaded": 429,
    "DeadlineExceeded": 504,
    "Unavailable": 503,
    "RateLimited": 429,
    "BudgetExhausted": 503,
    "PermissionDenied": 403,
    "DataCorrupt": 422,
    "Cancelled": 503,
    "Internal": 500,
}


class Problem(Exception):
    """An answer that is no result: what went wrong, and what the client can do."""

    def __init__(
        self, status: int, code: str, message: str, advice: str = "ChangeInput", headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.advice = status, code, message, advice
        self.headers = dict(headers or {})

    @property
    def body(self) -> dict[str, str]:
        return {"code": self.code, "advice": self.advice, "message": self.message}

    def response(self) -> JSONResponse:
        return JSONResponse(self.body, self.status, self.headers, media_type="application/problem+json")


def problem(error: Exception) -> Problem:
    """What a client is told of this error. The words of what went wrong inside stay in the log."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, guarita.GuaritaError):
        status = STATUS.get(error.code, 500)
        wait = error.context.get("retry_after_s") or 1
        headers = retry_after(wait) if status in (429, 503) else {}
        if status < 500:
            # What follows the first line are the words of libraries below.
            words = str(error).partition("\n")[0].removesuffix("; ffmpeg says:")
            return Problem(status, error.code, words, error.advice, headers)
        log.error("%s: %s", error.code, error, exc_info=error)
        return Problem(status, error.code, "the service cannot do this at present", error.advice, headers)
    if isinstance(error, RequestValidationError):
        words = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        return Problem(422, "InvalidArgument", words)
    if isinstance(error, HTTPException):
        code = {401: "PermissionDenied", 403: "PermissionDenied", 404: "NotFound"}.get(
            error.status_code, "InvalidArgument"
        )
        return Problem(error.status_code, code, str(error.detail), headers=dict(error.headers or {}))
    if isinstance(error, ClientDisconnect):
        return Problem(400, "Cancelled", "the client left before its request was whole", "Never")
    return Problem(500, "Internal", "a fault of the service, which is in its log", "Never")


def retry_after(seconds: float) -> dict[str, str]:
    """The header; whole seconds, and at least one."""
    return {"Retry-After": str(max(1, math.ceil(seconds)))}


def install(app: FastAPI) -> None:
    """From here on all errors of `app` are answered so."""

    async def answer(_: Request, error: Exception) -> JSONResponse:
        return problem(error).response()

    for kind in (Problem, guarita.GuaritaError, RequestValidationError, HTTPException, ClientDisconnect, Exception):
        app.add_exception_handler(kind, answer)
