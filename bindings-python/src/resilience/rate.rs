use crate::config::from_kwargs;
use crate::error::attached;
use crate::text;
use crate::time;
use guarita::clock::Clock;
use guarita::resilience::RateLimitConfig;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::sync::Arc;

/// Bounds the calls of each key (a camera, a client, an API) with a bucket of tokens of its own: in any time t, a key makes at
/// most `per_second` * t + `burst` calls.
///
/// Args:
///     clock: Where `now` comes from where it is left out.
///     **config: As in `RateLimitConfig`: `per_second`, `burst` and `max_keys`.
///
/// May be used by many threads at once, and after a fork: each process then has buckets of its own.
///
/// Raises:
///     InvalidConfig: A field that cannot be so; the message names it.
///
/// >>> import guarita
/// >>> limit = guarita.RateLimit(per_second=2, burst=1)
/// >>> limit.try_acquire("door", now=0), limit.try_acquire("door", now=0), limit.try_acquire("yard", now=0)
/// (None, 0.5, None)
#[pyclass(frozen, module = "guarita")]
pub(crate) struct RateLimit {
    limit: guarita::resilience::RateLimit,
    clock: Arc<dyn Clock>,
}

#[pymethods]
impl RateLimit {
    #[new]
    #[pyo3(signature = (*, clock=None, **config))]
    fn new(clock: Option<&Bound<'_, PyAny>>, config: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let config: RateLimitConfig = from_kwargs(config, [])?;
        let limit = attached(|| guarita::resilience::RateLimit::new(config))?;
        Ok(Self { limit, clock: time::clock(clock)? })
    }

    /// Takes a token of this key.
    ///
    /// Args:
    ///     key: Any text.
    ///     now: Seconds, on a clock that does not go back; None for the limit's clock.
    ///
    /// Returns:
    ///     None where the call may be made, else the seconds until it may.
    #[pyo3(signature = (key, now=None))]
    fn try_acquire(
        &self,
        #[pyo3(from_py_with = text::key)] key: &str,
        now: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Option<f64>> {
        let now = time::now_or(now, &*self.clock)?;
        attached(|| Ok(self.limit.try_acquire(key, now).err().map(|wait| wait.as_secs_f64())))
    }

    /// Keys that are known now.
    #[getter]
    fn keys(&self) -> usize {
        self.limit.keys()
    }

    fn __repr__(&self) -> String {
        format!("<RateLimit of {} keys>", self.keys())
    }
}
