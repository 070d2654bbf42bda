"""The exceptions of guarita: one class for each code, all under `GuaritaError`."""

from __future__ import annotations

from typing import Any

__all__ = [
    "GuaritaError",
    "InvalidArgument",
    "InvalidConfig",
    "InvalidState",
    "NotFound",
    "Unsupported",
    "ModelInvalid",
    "RuntimeUnavailable",
    "ResourceExhausted",
    "Overloaded",
    "DeadlineExceeded",
    "Unavailable",
    "RateLimited",
    "BudgetExhausted",
    "PermissionDenied",
    "DataCorrupt",
    "Cancelled",
    "Internal",
]


class GuaritaError(Exception):
    """The base of all errors of guarita. Programs branch on the class, on `code` or on `advice`; messages may change.

    Attributes:
        code: The name of the code, the same in every language, such as `"NotFound"`.
        number: The fixed number of the code, 1..17.
        advice: What the caller can do: `"Never"`, `"RetryLater"`, `"ChangeInput"`, `"ChangeConfig"` or `"FixHost"`.
        context: What else is known, such as `cause` (the words of a library below) or `retry_after_s`. Those parts that all
            languages have stand in `field`, `path`, `tensor` and `limit` as well.
    """

    code: str = "Internal"
    number: int = 17
    advice: str = "Never"
    context: dict[str, Any]

    def __init__(self, message: str = "", *, advice: str | None = None, context: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.context = dict(context or {})
        if advice is not None:
            self.advice = advice

    @property
    def field(self) -> str | None:
        """The field of the config, or the argument, that is wrong, as the way that leads to it: `motion.linger_s`."""
        return self.context.get("field")

    @property
    def path(self) -> str | None:
        """The file or folder that it is about."""
        return self.context.get("path")

    @property
    def tensor(self) -> str | None:
        """The input or output of the model that it is about."""
        return self.context.get("tensor")

    @property
    def limit(self) -> float | None:
        """The end of the range that a value lies beyond, or the most that is allowed, in the unit of the field."""
        return self.context.get("limit")

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (type(self), self.args), self.__dict__

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


def _again(kind: type[GuaritaError], args: tuple[Any, ...]) -> GuaritaError:
    """Without a call of `__init__`, which in a class of the host's may take other arguments."""
    try:
        error = kind.__new__(kind, *args)
    except TypeError:
        # One that is a MemoryError too is made as any other exception.
        error = Exception.__new__(kind, *args)
    error.args = args
    return error


class InvalidArgument(GuaritaError, ValueError):
    """A value passed to a call is outside what the call accepts."""

    code, number, advice = "InvalidArgument", 1, "ChangeInput"


class InvalidConfig(GuaritaError, ValueError):
    """A configuration field has a value that it cannot have; the message names the field."""

    code, number, advice = "InvalidConfig", 2, "ChangeConfig"


class InvalidState(GuaritaError, RuntimeError):
    """The call does not fit the state of the object: it is closed, or was made before a fork."""

    code, number, advice = "InvalidState", 3, "Never"


class NotFound(GuaritaError, FileNotFoundError):
    """A file, a camera or a name does not exist."""

    code, number, advice = "NotFound", 4, "ChangeConfig"


class Unsupported(GuaritaError, ValueError):
    """The input is valid, but this build or this model cannot do it."""

    code, number, advice = "Unsupported", 5, "ChangeInput"


class ModelInvalid(GuaritaError, ValueError):
    """A model file cannot be used, or does not say well enough what it is; the message names the tensor."""

    code, number, advice = "ModelInvalid", 6, "ChangeConfig"


class RuntimeUnavailable(GuaritaError, RuntimeError):
    """ONNX Runtime, or the execution provider asked for, is not on this machine."""

    code, number, advice = "RuntimeUnavailable", 7, "FixHost"


class ResourceExhausted(GuaritaError, MemoryError):
    """A limit was met: memory, picture size, scans of a JPEG."""

    code, number, advice = "ResourceExhausted", 8, "RetryLater"


class Overloaded(GuaritaError):
    """Too much work is waiting already."""

    code, number, advice = "Overloaded", 9, "RetryLater"


class DeadlineExceeded(GuaritaError, TimeoutError):
    """The time allowed for the call is over."""

    code, number, advice = "DeadlineExceeded", 10, "RetryLater"


class Unavailable(GuaritaError, ConnectionError):
    """A remote side does not answer, or answers that it cannot work at present."""

    code, number, advice = "Unavailable", 11, "RetryLater"


class RateLimited(GuaritaError):
    """A rate limit refused the call."""

    code, number, advice = "RateLimited", 12, "RetryLater"


class BudgetExhausted(GuaritaError):
    """The money allowed is spent."""

    code, number, advice = "BudgetExhausted", 13, "RetryLater"


class PermissionDenied(GuaritaError, PermissionError):
    """The host or the remote side does not allow it."""

    code, number, advice = "PermissionDenied", 14, "FixHost"


class DataCorrupt(GuaritaError, ValueError):
    """Bytes are not what they say they are: a truncated picture, a damaged file."""

    code, number, advice = "DataCorrupt", 15, "ChangeInput"


class Cancelled(GuaritaError):
    """The caller, or a shutdown, cancelled the call."""

    code, number, advice = "Cancelled", 16, "Never"


class Internal(GuaritaError, RuntimeError):
    """A fault of guarita itself; please report it."""

    code, number, advice = "Internal", 17, "Never"


#: In the order of their numbers, which begin with 1.
BY_NUMBER: tuple[type[GuaritaError], ...] = (
    InvalidArgument,
    InvalidConfig,
    InvalidState,
    NotFound,
    Unsupported,
    ModelInvalid,
    RuntimeUnavailable,
    ResourceExhausted,
    Overloaded,
    DeadlineExceeded,
    Unavailable,
    RateLimited,
    BudgetExhausted,
    PermissionDenied,
    DataCorrupt,
    Cancelled,
    Internal,
)
