use super::seed_or;
use crate::callable::Callable;
use crate::config::{from_kwargs, to_py};
use crate::error::{attached, from_py, raise};
use crate::{host, time};
use guarita::ErrorCode;
use guarita::clock::Clock;
use guarita::resilience::{CircuitBreakerConfig, FailurePolicy};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use pyo3::{PyTraverseError, PyVisit};
use serde::Serialize;
use std::sync::{Arc, Mutex, PoisonError};

/// Stops calls to a side that is down, and lets a few probes find out when it is back.
///
/// Args:
///     seed: Of the jitter of open times; None for another one in each object.
///     listener: Called with a dict for each change of state: `from`, `to`, `at` (seconds), `why` and `open_for` (seconds, or
///         None). It is called on the thread of one of the calls, and should be quick; what it raises goes to
///         `sys.unraisablehook`.
///     clock: Where `now` comes from where it is left out.
///     **config: As in `CircuitBreakerConfig`: `consecutive_failures`, `failure_rate`, `open_s` and others.
///
/// May be used by many threads at once. It works after a fork: each process then has a breaker of its own.
///
/// Raises:
///     InvalidConfig: A field that cannot be so; the message names it.
///
/// >>> import guarita
/// >>> breaker = guarita.CircuitBreaker(consecutive_failures=2, open_s=30)
/// >>> for second in range(2):
/// ...     breaker.acquire(now=second).failure(now=second)
/// >>> breaker.state(now=2)
/// 'open'
/// >>> breaker.acquire(now=11)
/// Traceback (most recent call last):
/// guarita._errors.Unavailable: the circuit breaker is open; ask again in 20.0 s
#[pyclass(frozen, module = "guarita")]
pub(crate) struct CircuitBreaker {
    // Its calls hold its lock for less than it takes to release the interpreter's, and it calls listeners without it. As they
    // run with the interpreter lock held, no fork finds it locked, and it needs no `Native`.
    breaker: guarita::CircuitBreaker,
    clock: Arc<dyn Clock>,
    /// Here Python's collector finds it.
    listener: Option<Callable>,
}

#[pymethods]
impl CircuitBreaker {
    #[new]
    #[pyo3(signature = (*, seed=None, listener=None, clock=None, **config))]
    fn new(
        seed: Option<u64>,
        listener: Option<&Bound<'_, PyAny>>,
        clock: Option<&Bound<'_, PyAny>>,
        config: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let config: CircuitBreakerConfig = from_kwargs(config, [])?;
        let mut breaker = attached(|| guarita::CircuitBreaker::new(config))?.with_seed(seed_or(seed));
        let listener = listener.map(|listener| Callable::new(listener, "listener")).transpose()?;
        if let Some(listener) = listener.clone() {
            breaker = breaker.with_listener(move |change| host::tell(&listener, |py| Ok(to_py(py, change)?.unbind())));
        }
        Ok(Self { breaker, clock: time::clock(clock)?, listener })
    }

    /// Asks for leave to make one call.
    ///
    /// Args:
    ///     now: Seconds, on a clock that does not go back; None for the breaker's clock.
    ///
    /// Returns:
    ///     A `Permit`, to be used in a `with`, or settled by hand.
    ///
    /// Raises:
    ///     Unavailable: The call must not be made; `context` holds `breaker` (the state) and `retry_after_s` (None where it
    ///         is not known).
    #[pyo3(signature = (now=None))]
    fn acquire(&self, now: Option<&Bound<'_, PyAny>>) -> PyResult<Permit> {
        let now = time::now_or(now, &*self.clock)?;
        let permit = attached(|| self.breaker.try_acquire(now).map_err(guarita::Error::from))?;
        Ok(Permit { permit: Mutex::new(Some(permit)), clock: Arc::clone(&self.clock) })
    }

    /// Makes a call where it may be made, and counts how it went: as a `with` on a permit does.
    ///
    /// Args:
    ///     function: Called without arguments.
    ///
    /// Returns:
    ///     What it returned.
    ///
    /// Raises:
    ///     Unavailable: The call was not made.
    ///     What the function raised.
    #[pyo3(signature = (function, /))]
    fn call<'py>(&self, function: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let permit = self.acquire(None)?;
        let answer = function.call0();
        permit.settle(function.py(), answer.as_ref().err())?;
        answer
    }

    /// `closed`, `open`, `half_open`, `forced_open` or `disabled`. An open time that is over ends here too.
    #[pyo3(signature = (now=None))]
    fn state<'py>(&self, py: Python<'py>, now: Option<&Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyAny>> {
        let now = time::now_or(now, &*self.clock)?;
        to_py(py, &attached(|| Ok(self.breaker.state(now)))?)
    }

    /// What has been counted.
    #[pyo3(signature = (now=None))]
    fn counts(&self, now: Option<&Bound<'_, PyAny>>) -> PyResult<BreakerCounts> {
        let now = time::now_or(now, &*self.clock)?;
        attached(|| Ok(self.breaker.counts(now).into()))
    }

    /// Refuses every call until `reset`.
    #[pyo3(signature = (now=None))]
    fn force_open(&self, now: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let now = time::now_or(now, &*self.clock)?;
        attached(|| {
            self.breaker.force_open(now);
            Ok(())
        })
    }

    /// Lets every call pass, and counts none, until `reset`.
    #[pyo3(signature = (now=None))]
    fn disable(&self, now: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let now = time::now_or(now, &*self.clock)?;
        attached(|| {
            self.breaker.disable(now);
            Ok(())
        })
    }

    /// Closes the breaker, whatever its state, and forgets what was counted. Permits from before count no more.
    #[pyo3(signature = (now=None))]
    fn reset(&self, now: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let now = time::now_or(now, &*self.clock)?;
        attached(|| {
            self.breaker.reset(now);
            Ok(())
        })
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let counts = self.counts(None)?;
        let state = self.state(py, None)?;
        Ok(format!("<CircuitBreaker {state}, {} of {} calls failed>", counts.failures, counts.calls))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.listener.iter().try_for_each(|listener| listener.visit(&visit))
    }

    fn __clear__(&self) {
        self.listener.iter().for_each(Callable::clear);
    }
}

/// Leave to make one call, and the way to say how it went. In a `with`, the end of the block is success, and an exception
/// counts as its kind says: time-outs (`TimeoutError`), broken connections (`ConnectionError`), throttling and used-up memory
/// speak against the other side; everything else, such as bad input or `KeyboardInterrupt`, says nothing about it. Let go
/// without a word, it says nothing either.
#[pyclass(frozen, module = "guarita")]
pub(crate) struct Permit {
    permit: Mutex<Option<guarita::resilience::Permit>>,
    clock: Arc<dyn Clock>,
}

impl Permit {
    fn take(&self) -> Option<guarita::resilience::Permit> {
        self.permit.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn taken(&self) -> PyResult<guarita::resilience::Permit> {
        self.take().ok_or_else(|| raise(ErrorCode::InvalidState, "this permit was settled already"))
    }

    /// Success, or what the exception stands for; nothing where it was settled already.
    fn settle(&self, py: Python<'_>, error: Option<&PyErr>) -> PyResult<()> {
        let Some(permit) = self.take() else { return Ok(()) };
        let error = error.map(|error| from_py(py, "the call", error.clone_ref(py)));
        let now = self.clock.now();
        attached(|| {
            FailurePolicy::default().settle(permit, error.as_ref(), now);
            Ok(())
        })
    }
}

#[pymethods]
impl Permit {
    /// The call succeeded. It counts as slow if more than `slow_call_s` passed since the permit was given.
    ///
    /// Raises:
    ///     InvalidState: It was settled already; so for the others.
    #[pyo3(signature = (now=None))]
    fn success(&self, now: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let now = time::now_or(now, &*self.clock)?;
        let permit = self.taken()?;
        attached(|| {
            permit.success(now);
            Ok(())
        })
    }

    /// The call failed in a way that speaks against the other side.
    #[pyo3(signature = (now=None))]
    fn failure(&self, now: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let now = time::now_or(now, &*self.clock)?;
        let permit = self.taken()?;
        attached(|| {
            permit.failure(now);
            Ok(())
        })
    }

    /// The call says nothing about the other side: it was cancelled, not made, or its input was bad.
    fn ignore(&self) -> PyResult<()> {
        self.taken().map(guarita::resilience::Permit::ignore)
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (*error))]
    fn __exit__(&self, error: &Bound<'_, PyTuple>) -> PyResult<()> {
        self.settle(error.py(), raised(error).as_ref())
    }

    fn __repr__(&self) -> &'static str {
        let open = self.permit.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        if open { "<Permit>" } else { "<Permit, settled>" }
    }
}

/// The exception that a block of a `with` ended with, of the arguments of `__exit__`.
pub(super) fn raised(error: &Bound<'_, PyTuple>) -> Option<PyErr> {
    let value = error.get_item(1).ok().filter(|value| !value.is_none())?;
    Some(PyErr::from_value(value))
}

/// What a breaker has counted.
#[pyclass(frozen, get_all, module = "guarita")]
#[derive(Serialize)]
pub(crate) struct BreakerCounts {
    /// Calls in the window.
    calls: u64,
    /// Of those, how many failed.
    failures: u64,
    /// Of those, how many were slow, failed or not.
    slow: u64,
    /// Failures since the last success.
    consecutive_failures: u32,
    /// Probes whose permits have not come back.
    probes_out: u32,
    /// Calls refused since the breaker was made.
    refused: u64,
    /// How often it opened by itself since it was made.
    opened: u64,
}

impl From<guarita::resilience::BreakerCounts> for BreakerCounts {
    fn from(counts: guarita::resilience::BreakerCounts) -> Self {
        let guarita::resilience::BreakerCounts {
            calls,
            failures,
            slow,
            consecutive_failures,
            probes_out,
            refused,
            opened,
        } = counts;
        Self { calls, failures, slow, consecutive_failures, probes_out, refused, opened }
    }
}

#[pymethods]
impl BreakerCounts {
    /// All of it as plain values, for JSON.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_py(py, self)
    }

    fn __repr__(&self) -> String {
        format!("<BreakerCounts {} of {} calls failed, {} refused>", self.failures, self.calls, self.refused)
    }
}
