"""Uploads, of which no more is read than may be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Request
from starlette.datastructures import FormData, UploadFile

from .problems import Problem

#: Boundaries, names and the small fields of a form.
OVERHEAD = 64 * 1024


class _Counted(Request):
    """A request whose body ends in a 413 where it is longer than it may be."""

    def __init__(self, request: Request, limit: int) -> None:
        super().__init__(request.scope, request.receive)
        self._limit, self._read = limit + OVERHEAD, 0
        # A length that is said needs no reading; one that is not, or that lies, is counted.
        said = request.headers.get("content-length", "")
        self._check(int(said) if said.isdecimal() else 0)

    async def stream(self) -> AsyncIterator[bytes]:  # type: ignore[override]
        async for chunk in super().stream():
            self._read += len(chunk)
            self._check(self._read)
            yield chunk

    def _check(self, size: int) -> None:
        if size > self._limit:
            raise too_large("the body", self._limit - OVERHEAD)


@asynccontextmanager
async def form(request: Request, max_bytes: int, max_files: int, timeout: float) -> AsyncIterator[FormData]:
    """The fields and files of a multipart body. Files beyond a MiB are on disk, and gone at the end of the `with`."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise Problem(415, "Unsupported", "send the files as multipart/form-data")
    counted = _Counted(request, max_bytes)
    try:
        fields = await asyncio.wait_for(counted.form(max_files=max_files, max_fields=16), timeout)
    except asyncio.TimeoutError:
        message = f"the upload took longer than {timeout:g} s: send less, or over a faster line"
        raise Problem(408, "DeadlineExceeded", message, "RetryLater", {"Connection": "close"}) from None
    try:
        yield fields
    finally:
        await fields.close()


def files(fields: FormData, name: str) -> list[UploadFile]:
    """The files of this name; a 422 where a field of this name is no file."""
    found = [one for one in fields.getlist(name) if isinstance(one, UploadFile)]
    if len(found) != len(fields.getlist(name)):
        raise Problem(422, "InvalidArgument", f"{name}: is to be a file, with a file name")
    return found


def text(fields: FormData, name: str) -> str | None:
    """The field of this name; None where it is missing or empty."""
    value = fields.get(name)
    if isinstance(value, UploadFile):
        raise Problem(422, "InvalidArgument", f"{name}: is to be a value, not a file")
    return value or None


def number(fields: FormData, name: str, default: float, low: float, high: float) -> float:
    """The field as a number; a 422 where it is none, or lies outside of `low`..`high`."""
    value = text(fields, name)
    try:
        found = default if value is None else float(value)
    except ValueError:
        found = float("nan")
    if not low <= found <= high:
        raise Problem(422, "InvalidArgument", f"{name}: is to be a number from {low:g} to {high:g}")
    return found


async def picture(file: UploadFile, max_bytes: int) -> bytes:
    """The bytes of a picture; a 413 where there are too many."""
    if (file.size or 0) > max_bytes:
        raise too_large("the picture", max_bytes)
    return await file.read()


def too_large(what: str, max_bytes: int) -> Problem:
    """The answer to more than may be. The rest of the body is not read, so the connection ends."""
    message = f"{what} has more than {max_bytes:,} bytes: send a smaller or shorter one, or several requests"
    return Problem(413, "ResourceExhausted", message, "ChangeInput", {"Connection": "close"})
