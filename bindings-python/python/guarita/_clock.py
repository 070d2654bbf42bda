"""What a clock of the host's is."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


@runtime_checkable
class Clock(Protocol):
    """A clock of the host's, for what takes a `clock`: any object with these two methods, such as `ManualClock`.

    They are called on threads of guarita's, often, and should be quick. Where one raises, the machine's clock stands in, and
    the exception goes to `sys.unraisablehook`.
    """

    def monotonic(self) -> float:
        """Seconds since any moment. Where they go back, the time stands still until they have caught up."""
        ...

    def unix(self) -> float:
        """Seconds since 1970."""
        ...
