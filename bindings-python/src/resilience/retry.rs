use super::seed_or;
use crate::config::{from_kwargs, to_py};
use crate::error::{attached, from_py};
use crate::time;
use guarita::clock::{Clock, SystemClock};
use guarita::resilience::{RetryConfig, RetryDecision, RetryTokens};
use pyo3::exceptions::PyBaseException;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// Decides whether and when a failed call is made again. Waits are drawn evenly from 0 to a bound that doubles; all calls of
/// one policy share a bucket of tokens, so that an outage is not answered with three times the load: make one for each
/// provider.
///
/// Args:
///     seed: The same seed draws the same waits; None for another one in each object.
///     **config: As in `RetryConfig`: `attempts`, `base_s`, `cap_s`, `bucket` and others.
///
/// May be used by many threads at once, and after a fork: each process then has a bucket of its own.
///
/// Raises:
///     InvalidConfig: A field that cannot be so; the message names it.
///
/// >>> import guarita
/// >>> policy = guarita.RetryPolicy(seed=7, attempts=3)
/// >>> decision = policy.next(ConnectionError("503"), attempt=1)
/// >>> 0 <= decision["wait_s"] <= 0.05, decision["tokens"]
/// (True, 5)
/// >>> policy.next(ValueError("no such thing"), attempt=1)
/// {'give_up': 'not_retryable'}
#[pyclass(frozen, module = "guarita")]
pub(crate) struct RetryPolicy(guarita::resilience::RetryPolicy);

#[pymethods]
impl RetryPolicy {
    #[new]
    #[pyo3(signature = (*, seed=None, **config))]
    fn new(seed: Option<u64>, config: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let config: RetryConfig = from_kwargs(config, [])?;
        attached(|| guarita::resilience::RetryPolicy::new(config, seed_or(seed))).map(Self)
    }

    /// What to do after a call failed.
    ///
    /// Args:
    ///     error: What it raised. One of guarita's is judged by its code and advice; `TimeoutError`, `ConnectionError` and
    ///         `MemoryError` may be tried again, everything else may not.
    ///     attempt: Counts from 1, which is the first call.
    ///     now: Seconds, on the clock of `deadline`; None for `time.monotonic()`'s.
    ///     deadline: When an answer is of no use any more, in seconds of the same clock.
    ///     retry_after: The wait that the other side asked for, in seconds: it is waited in full.
    ///
    /// Returns:
    ///     `{"wait_s": ..., "tokens": ...}`: the seconds to wait before the next attempt, and the tokens taken for it, which
    ///     go to `succeeded`. Or `{"give_up": why}`: `not_retryable`, `attempts`, `retry_after`, `deadline` or `bucket`.
    #[pyo3(signature = (error, attempt, now=None, *, deadline=None, retry_after=None))]
    fn next<'py>(
        &self,
        error: &Bound<'py, PyBaseException>,
        attempt: u32,
        now: Option<&Bound<'_, PyAny>>,
        deadline: Option<&Bound<'_, PyAny>>,
        retry_after: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let py = error.py();
        let now = time::now_or(now, &SystemClock as &dyn Clock)?;
        let deadline = deadline.map(|at| time::timestamp(time::seconds(at, "deadline")?, "deadline")).transpose()?;
        let retry_after = retry_after.map(|wait| time::duration(wait, "retry_after")).transpose()?;
        let failure = from_py(py, "the call", PyErr::from_value(error.clone().into_any()));
        let decision = attached(|| Ok(self.0.next(&failure, attempt, retry_after, now, deadline)))?;
        let dict = PyDict::new(py);
        match decision {
            RetryDecision::Again { after, taken } => {
                dict.set_item("wait_s", after.as_secs_f64())?;
                dict.set_item("tokens", taken.count())?;
            }
            RetryDecision::GiveUp(why) => dict.set_item("give_up", to_py(py, &why)?)?,
        }
        Ok(dict)
    }

    /// A call succeeded: the tokens that its last retry took come back, or one where it was a first attempt.
    #[pyo3(signature = (tokens=0))]
    fn succeeded(&self, tokens: u32) -> PyResult<()> {
        attached(|| {
            self.0.succeeded(RetryTokens::new(tokens));
            Ok(())
        })
    }

    /// Tokens in the bucket.
    #[getter]
    fn tokens(&self) -> u32 {
        self.0.tokens()
    }

    fn __repr__(&self) -> String {
        let RetryConfig { attempts, bucket, .. } = self.0.config();
        format!("<RetryPolicy {attempts} attempts, {} of {bucket} tokens>", self.tokens())
    }
}
