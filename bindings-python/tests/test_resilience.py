"""Breakers, retries and rates, without a provider."""

from __future__ import annotations

import datetime
import gc
import os
import pickle
import sys
import threading
from typing import Any

import pytest

import guarita
from scene import is_plain_data
from test_motion import in_a_fork


class Raised:
    """What `sys.unraisablehook` is told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen: list[Any] = []
        monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: self.seen.append(unraisable.exc_value))


@pytest.fixture
def unraisable(monkeypatch: pytest.MonkeyPatch) -> Raised:
    return Raised(monkeypatch)


def failing(breaker: guarita.CircuitBreaker, times: int, now: float = 0.0) -> None:
    for _ in range(times):
        breaker.acquire(now).failure(now)


def test_it_opens_probes_and_closes() -> None:
    told: list[dict[str, Any]] = []
    # The end of a `with` reads the clock: the machine's, in a run of half a minute, would find the call slow.
    clock = guarita.ManualClock()
    breaker = guarita.CircuitBreaker(consecutive_failures=2, open_s=30, listener=told.append, clock=clock)
    failing(breaker, 2, now=1)
    assert breaker.state(2) == "open"
    with pytest.raises(guarita.Unavailable) as caught:
        breaker.acquire(datetime.timedelta(seconds=11))
    assert caught.value.context["breaker"] == "open" and caught.value.context["retry_after_s"] == 20.0
    assert isinstance(caught.value, ConnectionError) and caught.value.advice == "RetryLater"
    with breaker.acquire(31):
        assert breaker.state(31) == "half_open"
        with pytest.raises(guarita.Unavailable) as caught:
            breaker.acquire(31)
        assert caught.value.context == {**caught.value.context, "breaker": "half_open", "retry_after_s": None}
    assert [(change["from"], change["to"], change["why"], change["open_for"]) for change in told] == [
        ("closed", "open", "consecutive_failures", 30.0),
        ("open", "half_open", "open_time_over", None),
        ("half_open", "closed", "probes_succeeded", None),
    ]
    assert told[0]["at"] == 1.0
    counts = breaker.counts(32)
    assert (counts.opened, counts.refused, counts.failures) == (1, 2, 0)
    assert (
        counts.to_dict()["refused"] == 2
        and is_plain_data(counts)
        and "2 refused" in repr(counts)
        and "closed" in repr(breaker)
    )


def test_the_clock_says_when_nothing_else_does() -> None:
    clock = guarita.ManualClock()
    breaker = guarita.CircuitBreaker(clock=clock, consecutive_failures=1, open_s=5)
    breaker.acquire().failure()
    assert breaker.state() == "open"
    clock.advance(5)
    assert breaker.state() == "half_open"
    breaker.reset()
    assert breaker.state() == "closed"
    breaker.force_open()
    assert breaker.state() == "forced_open"
    breaker.disable()
    breaker.acquire().failure()
    assert breaker.state() == "disabled"


@pytest.mark.parametrize(
    ("error", "counts"),
    [
        (TimeoutError("late"), True),
        (ConnectionResetError("gone"), True),
        (MemoryError(), True),
        (guarita.Unavailable("503"), True),
        (guarita.RateLimited("429"), True),
        (guarita.ResourceExhausted("too large", advice="ChangeInput"), False),
        (guarita.DataCorrupt("torn"), False),
        (guarita.Cancelled("taken back"), False),
        (ValueError("bad"), False),
        (KeyboardInterrupt(), False),
        (SystemExit(1), False),
        (PermissionError("no"), False),
    ],
)
def test_an_exception_counts_as_its_kind(error: BaseException, counts: bool) -> None:
    breaker = guarita.CircuitBreaker(consecutive_failures=1)
    with pytest.raises(type(error)) as caught:
        with breaker.acquire():
            raise error
    assert caught.value is error
    assert (breaker.state() == "open") is counts
    breaker.reset()

    def function() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        breaker.call(function)
    assert caught.value is error and (breaker.state() == "open") is counts


def test_a_call_gives_what_the_function_gives() -> None:
    breaker = guarita.CircuitBreaker()
    assert breaker.call(lambda: 7) == 7 and breaker.counts().calls == 1
    breaker.force_open()
    called: list[int] = []
    with pytest.raises(guarita.Unavailable):
        breaker.call(lambda: called.append(1))
    assert not called
    breaker.reset()
    with pytest.raises(TypeError):
        breaker.call(7)  # type: ignore[arg-type]


def test_a_permit_is_settled_once() -> None:
    breaker = guarita.CircuitBreaker()
    permit = breaker.acquire()
    permit.failure()
    for again in (permit.success, permit.failure, permit.ignore):
        with pytest.raises(guarita.InvalidState, match="settled"):
            again()
    with breaker.acquire() as permit:
        permit.ignore()
    assert (breaker.counts().calls, breaker.counts().failures) == (1, 1) and "settled" in repr(permit)


def test_a_permit_that_is_let_go_frees_its_place() -> None:
    breaker = guarita.CircuitBreaker(consecutive_failures=1, open_s=1)
    failing(breaker, 1)
    probe = breaker.acquire(2)
    assert breaker.counts(2).probes_out == 1
    del probe
    gc.collect()
    assert breaker.counts(2).probes_out == 0 and breaker.state(2) == "half_open"


def test_a_listener_that_raises_is_reported(unraisable: Raised) -> None:
    def listener(change: dict[str, Any]) -> None:
        raise RuntimeError(f"to {change['to']}")

    breaker = guarita.CircuitBreaker(consecutive_failures=1, listener=listener)
    failing(breaker, 1)
    assert [str(error) for error in unraisable.seen] == ["to open"] and breaker.state(1) == "open"


def test_a_listener_may_use_the_breaker_and_threads_may_share_it() -> None:
    states: list[str] = []
    breaker = guarita.CircuitBreaker(consecutive_failures=1, listener=lambda _: states.append(breaker.state(0)))
    barrier = threading.Barrier(4)

    def work() -> None:
        barrier.wait(30)
        for _ in range(300):
            try:
                breaker.acquire(0).failure(0)
            except guarita.Unavailable:
                breaker.reset(0)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert len(states) > 100 and set(states) <= {"open", "closed"}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_they_work_after_a_fork_taken_while_threads_use_them() -> None:
    breaker, limit, policy = guarita.CircuitBreaker(), guarita.RateLimit(), guarita.RetryPolicy()
    done = threading.Event()

    def work() -> None:
        while not done.is_set():
            breaker.acquire().success()
            limit.try_acquire("a")
            policy.succeeded(1)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()

    def child() -> bool:
        breaker.acquire().success()
        limit.try_acquire("b")
        return policy.tokens == 500

    try:
        assert all(in_a_fork(child) for _ in range(10))
    finally:
        done.set()
        for thread in threads:
            thread.join(30)


def test_when_a_call_is_made_again() -> None:
    policy = guarita.RetryPolicy(seed=3, attempts=3, base_s=0.1, bucket=12)
    first = policy.next(ConnectionError("503"), 1, 0)
    assert 0 <= first["wait_s"] <= 0.1 and first["tokens"] == 5 and policy.tokens == 7
    late = policy.next(TimeoutError(), 2, 0, retry_after=2)
    assert late == {"give_up": "bucket"} and policy.tokens == 7
    policy.succeeded(first["tokens"])
    assert policy.tokens == 12
    assert policy.next(ConnectionError(), 3, 0) == {"give_up": "attempts"}
    assert policy.next(ValueError(), 1, 0) == {"give_up": "not_retryable"}
    assert policy.next(guarita.Unavailable("503", advice="Never"), 1, 0) == {"give_up": "not_retryable"}
    assert policy.next(ConnectionError(), 1, 0, retry_after=61) == {"give_up": "retry_after"}
    assert policy.next(ConnectionError(), 1, 10, deadline=10) == {"give_up": "deadline"}
    asked = policy.next(guarita.RateLimited("429"), 1, 10, deadline=20, retry_after=datetime.timedelta(seconds=2))
    assert 2 <= asked["wait_s"] <= 3
    # A breaker's own refusal is no failed call.
    breaker = guarita.CircuitBreaker()
    breaker.force_open()
    with pytest.raises(guarita.Unavailable) as caught:
        breaker.acquire()
    assert policy.next(caught.value, 1, 0) == {"give_up": "not_retryable"}
    assert policy.next(pickle.loads(pickle.dumps(caught.value)), 1, 0) == {"give_up": "not_retryable"}
    outer = guarita.CircuitBreaker(consecutive_failures=1)
    with pytest.raises(guarita.Unavailable):
        outer.call(breaker.acquire)
    assert outer.state() == "closed" and outer.counts().calls == 0


def test_the_same_seed_draws_the_same_waits() -> None:
    def waits(seed: int | None) -> list[float]:
        policy = guarita.RetryPolicy(seed=seed)
        return [policy.next(ConnectionError(), 1, 0)["wait_s"] for _ in range(5)]

    assert waits(7) == waits(7) != waits(8)
    assert waits(None) != waits(None)


def test_wrong_arguments() -> None:
    for make in (
        lambda: guarita.CircuitBreaker(consecutive_failures=-1),
        lambda: guarita.CircuitBreaker(nonsense=1),  # type: ignore[call-arg]
        lambda: guarita.RetryPolicy(attempts=0),
        lambda: guarita.RateLimit(per_second=0),
    ):
        with pytest.raises(guarita.InvalidConfig):
            make()
    with pytest.raises(guarita.InvalidArgument):
        guarita.CircuitBreaker().acquire(float("nan"))
    with pytest.raises(guarita.InvalidArgument, match="clock"):
        guarita.CircuitBreaker(clock=object())  # type: ignore[arg-type]
    policy: Any = guarita.RetryPolicy()
    for arguments in (("503", 1, 0), (ConnectionError(), -1, 0), (ConnectionError(), "1", 0)):
        with pytest.raises((TypeError, OverflowError)):
            policy.next(*arguments)
    with pytest.raises(guarita.InvalidArgument, match="retry_after"):
        policy.next(ConnectionError(), 1, 0, retry_after=-1)


def test_rates_are_kept_for_each_key() -> None:
    limit = guarita.RateLimit(per_second=2, burst=2, max_keys=2)
    assert [limit.try_acquire("door", 0) for _ in range(3)] == [None, None, 0.5]
    assert limit.try_acquire("yard", datetime.timedelta()) is None
    wait = limit.try_acquire("third", 0)
    assert wait is not None and wait > 0 and limit.keys == 2
    assert limit.try_acquire("door", 0.5) is None
    clock = guarita.ManualClock()
    limit = guarita.RateLimit(per_second=1, burst=1, clock=clock)
    assert limit.try_acquire("a") is None and limit.try_acquire("a") == 1.0
    clock.advance(1)
    assert limit.try_acquire("a") is None and "1 keys" in repr(limit)
