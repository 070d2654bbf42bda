//! Durations and moments: seconds as numbers, timedeltas and datetimes.

use crate::config::seconds_of;
use crate::error::raise;
use crate::host;
use crate::text::{shown, wrong};
use guarita::clock::{Clock, Moment, SystemClock, UnixTime};
use guarita::{ErrorCode, Timestamp};
use pyo3::prelude::*;
use pyo3::types::{PyDateTime, PyDelta, PyFloat, PyFloatMethods, PyTzInfo};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

/// Seconds from a number or a timedelta.
pub(crate) fn seconds(any: &Bound<'_, PyAny>, what: &str) -> PyResult<f64> {
    let seconds = match any.cast::<PyDelta>() {
        Ok(delta) => seconds_of(delta),
        Err(_) => any.extract::<f64>().map_err(|_| wrong(what, any, "seconds, as a number or a timedelta"))?,
    };
    if seconds.is_nan() {
        return Err(raise(ErrorCode::InvalidArgument, format!("{what} is no number")));
    }
    Ok(seconds)
}

/// A duration from seconds, 0 or more; what is longer than can be counted is as long as can be counted.
pub(crate) fn duration(any: &Bound<'_, PyAny>, what: &str) -> PyResult<Duration> {
    let seconds = seconds(any, what)?;
    if seconds < 0.0 {
        return Err(raise(ErrorCode::InvalidArgument, format!("{what} is {seconds}; it must be 0 or more")));
    }
    Ok(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
}

/// A moment on a camera's time line: seconds, a timedelta, or a datetime whose seconds since 1970 are taken.
pub(crate) fn pts(any: &Bound<'_, PyAny>) -> PyResult<Timestamp> {
    // To ask for the other types takes longer than all the rest of a push.
    if let Ok(seconds) = any.cast_exact::<PyFloat>().map(PyFloatMethods::value) {
        return timestamp(seconds, "pts");
    }
    let seconds = match any.cast::<PyDateTime>() {
        Ok(_) => of_datetime(any, "pts")?,
        Err(_) => seconds(any, "pts")?,
    };
    timestamp(seconds, "pts")
}

/// Seconds since 1970 of a datetime, which may be too far off for one without a time zone.
fn of_datetime(any: &Bound<'_, PyAny>, what: &str) -> PyResult<f64> {
    let seconds = any.call_method0("timestamp").and_then(|seconds| seconds.extract());
    seconds.map_err(|error| raise(ErrorCode::InvalidArgument, format!("{what} is {}: {error}", shown(any))))
}

/// A moment from seconds; `what` is the argument that they are.
pub(crate) fn timestamp(seconds: f64, what: &str) -> PyResult<Timestamp> {
    Timestamp::from_secs_f64(seconds).map_err(|error| raise(error.code(), format!("{what}: {error}")))
}

/// Seconds since 1970, from a number or a datetime.
pub(crate) fn unix(any: &Bound<'_, PyAny>) -> PyResult<UnixTime> {
    let seconds = match any.cast::<PyDateTime>() {
        Ok(_) => of_datetime(any, "the time")?,
        Err(_) => seconds(any, "the time")?,
    };
    unix_time(seconds, "the time")
}

fn unix_time(seconds: f64, what: &str) -> PyResult<UnixTime> {
    // Of whole seconds there are more, but nothing else is that long.
    timestamp(seconds, what).map(|_| UnixTime::from_secs(seconds.floor() as i64))
}

/// A datetime in UTC; where the seconds are past what a datetime can say, the nearest one that it can.
pub(crate) fn datetime<'py>(py: Python<'py>, at: UnixTime) -> PyResult<Bound<'py, PyDateTime>> {
    // The years 1 to 9999.
    let seconds = at.as_secs().clamp(-62_135_596_800, 253_402_300_799);
    let utc = PyTzInfo::utc(py)?;
    let epoch = PyDateTime::new(py, 1970, 1, 1, 0, 0, 0, 0, Some(&utc))?;
    let days = i32::try_from(seconds.div_euclid(86_400)).unwrap_or(0);
    let rest = i32::try_from(seconds.rem_euclid(86_400)).unwrap_or(0);
    epoch.add(PyDelta::new(py, days, rest, 0, true)?)?.cast_into::<PyDateTime>().map_err(Into::into)
}

/// Now, where the caller did not say.
pub(crate) fn now_or(now: Option<&Bound<'_, PyAny>>, clock: &dyn Clock) -> PyResult<Timestamp> {
    now.map_or_else(|| Ok(clock.now()), |now| timestamp(seconds(now, "now")?, "now"))
}

/// Both clocks, where the caller did not say: (monotonic seconds, seconds since 1970).
pub(crate) fn moment_or(now: Option<(f64, f64)>, clock: &dyn Clock) -> PyResult<Moment> {
    let Some((monotonic, unix)) = now else { return Ok(clock.moment()) };
    Ok(Moment { monotonic: timestamp(monotonic, "now[0]")?, unix: unix_time(unix, "now[1]")? })
}

/// A clock that stands still until it is told to move: for tests, and to go through recordings.
///
/// Args:
///     unix: Seconds since 1970, or a datetime, that it shows at first. Its monotonic time begins with 0.
#[pyclass(frozen, module = "guarita")]
pub(crate) struct ManualClock(pub(crate) Arc<guarita::clock::ManualClock>);

#[pymethods]
impl ManualClock {
    #[new]
    #[pyo3(signature = (unix = None))]
    fn new(unix: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let unix = unix.map_or(Ok(UnixTime::from_secs(0)), self::unix)?;
        Ok(Self(Arc::new(guarita::clock::ManualClock::new(unix))))
    }

    /// Moves both times on by so many seconds, or a timedelta; 0 or more.
    fn advance(&self, by: &Bound<'_, PyAny>) -> PyResult<()> {
        self.0.advance(duration(by, "by")?);
        Ok(())
    }

    /// Sets the wall clock, seconds since 1970 or a datetime; the monotonic time stays.
    fn set_unix(&self, unix: &Bound<'_, PyAny>) -> PyResult<()> {
        self.0.set_unix(self::unix(unix)?);
        Ok(())
    }

    /// Seconds since it was made.
    fn monotonic(&self) -> f64 {
        self.0.now().as_secs_f64()
    }

    /// Seconds since 1970.
    fn unix(&self) -> f64 {
        self.0.unix().as_secs() as f64
    }

    fn __repr__(&self) -> String {
        format!("ManualClock(monotonic={}, unix={})", self.monotonic(), self.unix())
    }
}

/// A clock of the host: an object with `monotonic()` and `unix()`, in seconds. Where one of them raises, or says what is no time, the machine's clock
/// stands in, and the exception is reported by `sys.unraisablehook`. Its `monotonic()` is not believed where it goes back.
struct HostClock {
    clock: Py<PyAny>,
    latest: AtomicI64,
}

impl std::fmt::Debug for HostClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HostClock")
    }
}

impl HostClock {
    fn read(&self, method: &str) -> Option<Timestamp> {
        host::attach(|py| {
            let clock = self.clock.bind(py);
            let read = clock.call_method0(method).and_then(|seconds| seconds.extract::<f64>());
            match read.and_then(|seconds| timestamp(seconds, method)) {
                Ok(at) => Some(at),
                Err(error) => {
                    error.write_unraisable(py, Some(clock));
                    None
                }
            }
        })
        .flatten()
    }
}

impl Clock for HostClock {
    fn now(&self) -> Timestamp {
        let now = self.read("monotonic").unwrap_or_else(|| SystemClock.now()).as_nanos();
        Timestamp::from_nanos(self.latest.fetch_max(now, Ordering::Relaxed).max(now))
    }

    fn unix(&self) -> UnixTime {
        UnixTime::from_secs(self.unix_ns().div_euclid(1_000_000_000))
    }

    fn unix_ns(&self) -> i64 {
        self.read("unix").map_or_else(|| SystemClock.unix_ns(), Timestamp::as_nanos)
    }
}

static HOST_CLOCK: AtomicBool = AtomicBool::new(false);

/// Whether a host clock was ever set. The core reads clocks while it holds locks: waiting for such a lock with the
/// interpreter lock held could deadlock.
pub(crate) fn has_host_clock() -> bool {
    HOST_CLOCK.load(Ordering::Relaxed)
}

/// The clock that a caller gave: a `ManualClock`, one of its own, or None for the machine's.
pub(crate) fn clock(any: Option<&Bound<'_, PyAny>>) -> PyResult<Arc<dyn Clock>> {
    let Some(any) = any else { return Ok(Arc::new(SystemClock)) };
    if let Ok(manual) = any.cast::<ManualClock>() {
        return Ok(Arc::clone(&manual.get().0) as Arc<dyn Clock>);
    }
    for method in ["monotonic", "unix"] {
        if !any.hasattr(method)? {
            return Err(raise(
                ErrorCode::InvalidArgument,
                format!(
                    "a clock has the methods monotonic() and unix(), in seconds; this {} has no {method}()",
                    any.get_type().name()?
                ),
            ));
        }
    }
    HOST_CLOCK.store(true, Ordering::Relaxed);
    Ok(Arc::new(HostClock { clock: any.clone().unbind(), latest: AtomicI64::new(i64::MIN) }))
}
