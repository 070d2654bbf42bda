use super::breaker::raised;
use crate::callable::Callable;
use crate::config::{from_any, from_kwargs, named, to_py};
use crate::error::{detached, raise};
use crate::fork::Native;
use crate::text;
use crate::{host, time};
use guarita::ErrorCode;
use guarita::budget::{BudgetConfig, JournalOptions, MicroDollars, Saving, Spend};
use guarita::clock::{Clock, Moment};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// Money that cannot run away: what is reserved and spent never goes past a cap, whatever the threads do. Amounts are whole
/// millionths of a dollar.
///
/// Args:
///     journal: A file in which the spend outlives the process; it is made where there is none, in a folder that exists. None
///         forgets with the process.
///     journal_options: As in `JournalOptions`: `fsync` and `compact_bytes`.
///     listener: Called with a dict once for each cap and period: `event` (`warning` or `exhausted`), `cap` (`scope` and
///         `period`), `used`, `limit` and `message`. It is called on the thread that spends, and should be quick; what it
///         raises goes to `sys.unraisablehook`.
///     clock: Where `now` comes from where it is left out.
///     **config: As in `BudgetConfig`: `total`, `camera`, `tenant`, `api`, `prices` and others.
///
/// Everywhere, `now` is (monotonic seconds, seconds since 1970). May be used by many threads at once. In a child of a fork it
/// raises `InvalidState`: two processes must not spend one budget.
///
/// Raises:
///     InvalidConfig: A field that cannot be so; the message names it.
///     InvalidState: Another `Budget`, here or in another process, has the journal open.
///     DataCorrupt: A damaged journal; the message says what to do.
///     NotFound, PermissionDenied, ResourceExhausted: The journal cannot be read or written.
///
/// >>> import guarita
/// >>> budget = guarita.Budget(total={"per_day": 2_500})
/// >>> with budget.reserve("rekognition:DetectLabels", camera="gate") as reservation:
/// ...     reservation.amount                                # and the call goes here
/// 1000
/// >>> budget.report()["today"]["spent"]
/// 1000
#[pyclass(frozen, module = "guarita")]
pub(crate) struct Budget {
    budget: Native<guarita::Budget>,
    clock: Arc<dyn Clock>,
}

impl Budget {
    /// The budget of the core.
    pub(crate) fn get(&self) -> PyResult<&guarita::Budget> {
        self.budget.get("budget")
    }
}

/// What is about to be paid for, until the lock is released.
struct Asked<'a> {
    api: &'a str,
    camera: &'a str,
    tenant: &'a str,
    images: u32,
}

impl<'a> Asked<'a> {
    fn spend(&self) -> Spend<'a> {
        Spend { api: self.api, camera: self.camera, tenant: self.tenant, images: self.images }
    }
}

#[pymethods]
impl Budget {
    #[new]
    #[pyo3(signature = (*, journal=None, journal_options=None, listener=None, clock=None, **config))]
    fn new(
        py: Python<'_>,
        #[pyo3(from_py_with = text::optional::journal)] journal: Option<PathBuf>,
        journal_options: Option<&Bound<'_, PyAny>>,
        listener: Option<&Bound<'_, PyAny>>,
        clock: Option<&Bound<'_, PyAny>>,
        config: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let config: BudgetConfig = from_kwargs(config, [])?;
        let options: JournalOptions = journal_options.map_or(Ok(JournalOptions::default()), from_any)?;
        if journal.is_none() && journal_options.is_some() {
            return Err(raise(ErrorCode::InvalidArgument, "journal_options without a journal"));
        }
        let listener = listener.map(|listener| Callable::new(listener, "listener")).transpose()?;
        let clock = time::clock(clock)?;
        let now = clock.moment();
        let budget = detached(py, move || match journal {
            Some(path) => guarita::Budget::open(path, config, options, now),
            None => guarita::Budget::new(config),
        })?;
        let budget = match listener {
            Some(listener) => {
                budget.with_listener(move |event| host::tell(&listener, |py| Ok(to_py(py, event)?.unbind())))
            }
            None => budget,
        };
        Ok(Self { budget: Native::new(budget), clock })
    }

    /// Sets money aside for a call that is about to go: the most that it can cost.
    ///
    /// Args:
    ///     api: As in the price table, such as `rekognition:DetectLabels`.
    ///     camera, tenant: Whom it is counted for; each up to 256 bytes.
    ///     images: At least 1.
    ///     now: See `Budget`.
    ///
    /// Returns:
    ///     A `Reservation`, to be used in a `with`, or settled by hand.
    ///
    /// Raises:
    ///     BudgetExhausted: The message names the cap and says when it frees. With the advice `ChangeConfig`, the call alone
    ///         is more than the cap. The call must not go, here and below.
    ///     InvalidConfig: The API has no price.
    ///     InvalidArgument: No images, or too long a name.
    ///     ResourceExhausted: The journal cannot be written, or 100,000 reservations are open.
    #[pyo3(signature = (api, *, camera="", tenant="", images=1, now=None))]
    fn reserve(
        &self,
        py: Python<'_>,
        #[pyo3(from_py_with = text::api)] api: &str,
        #[pyo3(from_py_with = text::camera)] camera: &str,
        #[pyo3(from_py_with = text::tenant)] tenant: &str,
        images: u32,
        now: Option<(f64, f64)>,
    ) -> PyResult<Reservation> {
        let (budget, now) = (self.get()?, moment(now, &*self.clock)?);
        let asked = Asked { api, camera, tenant, images };
        let reservation = detached(py, || budget.reserve(&asked.spend(), now))?;
        Ok(Reservation {
            amount: reservation.amount(),
            reservation: Mutex::new(Some(Native::new(reservation))),
            clock: Arc::clone(&self.clock),
        })
    }

    /// What a call would cost now at most, in millionths of a dollar, without reserving it.
    ///
    /// Raises:
    ///     InvalidConfig: The API has no price.
    #[pyo3(signature = (api, *, camera="", tenant="", images=1, now=None))]
    fn estimate(
        &self,
        py: Python<'_>,
        #[pyo3(from_py_with = text::api)] api: &str,
        #[pyo3(from_py_with = text::camera)] camera: &str,
        #[pyo3(from_py_with = text::tenant)] tenant: &str,
        images: u32,
        now: Option<(f64, f64)>,
    ) -> PyResult<u64> {
        let (budget, now) = (self.get()?, moment(now, &*self.clock)?);
        let asked = Asked { api, camera, tenant, images };
        detached(py, || budget.estimate(&asked.spend(), now)).map(MicroDollars::as_micros)
    }

    /// Counts money that was not spent, for the report.
    ///
    /// Args:
    ///     api, camera, tenant, images, now: As for `reserve`. An API without a price counts nothing.
    ///     by: What kept it from being spent: `gate` or `cache`.
    #[pyo3(signature = (api, by, *, camera="", tenant="", images=1, now=None))]
    #[allow(clippy::too_many_arguments, reason = "keyword arguments")]
    fn saved(
        &self,
        py: Python<'_>,
        #[pyo3(from_py_with = text::api)] api: &str,
        #[pyo3(from_py_with = text::by)] by: &str,
        #[pyo3(from_py_with = text::camera)] camera: &str,
        #[pyo3(from_py_with = text::tenant)] tenant: &str,
        images: u32,
        now: Option<(f64, f64)>,
    ) -> PyResult<()> {
        let by: Saving = named("by", by)?;
        let (budget, now) = (self.get()?, moment(now, &*self.clock)?);
        let asked = Asked { api, camera, tenant, images };
        detached(py, || {
            budget.saved(&asked.spend(), by, now);
            Ok(())
        })
    }

    /// Where the money stands, as plain values: `today`, `month`, `reserved`, `cameras`, `tenants`, `apis`, `days` and `caps`;
    /// amounts in millionths of a dollar.
    #[pyo3(signature = (now=None))]
    fn report<'py>(&self, py: Python<'py>, now: Option<(f64, f64)>) -> PyResult<Bound<'py, PyAny>> {
        let (budget, now) = (self.get()?, moment(now, &*self.clock)?);
        to_py(py, &detached(py, || Ok(budget.report(now)))?)
    }

    /// Has everything so far outlive a power cut: for an orderly end.
    ///
    /// Raises:
    ///     ResourceExhausted: The journal cannot be written.
    fn sync(&self, py: Python<'_>) -> PyResult<()> {
        let budget = self.get()?;
        detached(py, || budget.sync())
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        if self.budget.is_foreign() {
            return Ok("<Budget of another process>".into());
        }
        let (budget, now) = (self.get()?, self.clock.moment());
        let report = detached(py, || Ok(budget.report(now)))?;
        Ok(format!("<Budget {} spent today, {} this month>", report.today.spent, report.month.spent))
    }
}

/// Money set aside for one call.
///
/// In a `with`, the end of the block commits it. After an exception nobody knows whether the call was billed, so it counts as
/// spent in full, and so it does where it is let go without a word. Where you know better, call `release()` (it was not billed:
/// the call never went, or its provider does not bill such a failure) or `commit(images=...)` before the block ends.
#[pyclass(frozen, module = "guarita")]
pub(crate) struct Reservation {
    reservation: Mutex<Option<Native<guarita::budget::Reservation>>>,
    amount: MicroDollars,
    clock: Arc<dyn Clock>,
}

impl Reservation {
    fn take(&self) -> Option<Native<guarita::budget::Reservation>> {
        self.reservation.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn taken(&self) -> PyResult<guarita::budget::Reservation> {
        let taken = self.take();
        let taken = taken.ok_or_else(|| raise(ErrorCode::InvalidState, "this reservation was settled already"))?;
        taken.into_inner("reservation")
    }
}

#[pymethods]
impl Reservation {
    /// What is set aside, in millionths of a dollar.
    #[getter]
    fn amount(&self) -> u64 {
        self.amount.as_micros()
    }

    /// The call was billed.
    ///
    /// Args:
    ///     images: Only so many of the images were; the money of the others is free again. None is all.
    ///     now: See `Budget`.
    ///
    /// Returns:
    ///     What it really cost, in millionths of a dollar; never more than was set aside.
    ///
    /// Raises:
    ///     InvalidState: It was settled already.
    #[pyo3(signature = (*, images=None, now=None))]
    fn commit(&self, py: Python<'_>, images: Option<u32>, now: Option<(f64, f64)>) -> PyResult<u64> {
        let now = moment(now, &*self.clock)?;
        let reservation = self.taken()?;
        detached(py, || Ok(reservation.commit_images(images.unwrap_or(u32::MAX), now))).map(MicroDollars::as_micros)
    }

    /// The call was not billed: all of the money is free again.
    ///
    /// Raises:
    ///     InvalidState: It was settled already.
    #[pyo3(signature = (*, now=None))]
    fn release(&self, py: Python<'_>, now: Option<(f64, f64)>) -> PyResult<()> {
        let now = moment(now, &*self.clock)?;
        let reservation = self.taken()?;
        detached(py, || {
            reservation.release(now);
            Ok(())
        })
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (*error))]
    fn __exit__(&self, error: &Bound<'_, PyTuple>) -> PyResult<()> {
        let Some(reservation) = self.take() else { return Ok(()) };
        if raised(error).is_some() {
            drop(reservation);
            return Ok(());
        }
        let (now, reservation) = (self.clock.moment(), reservation.into_inner("reservation")?);
        detached(error.py(), || {
            reservation.commit(now);
            Ok(())
        })
    }

    fn __repr__(&self) -> String {
        let open = self.reservation.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        format!("<Reservation of {}{}>", self.amount, if open { "" } else { ", settled" })
    }
}

/// Both clocks, where the caller did not say.
fn moment(now: Option<(f64, f64)>, clock: &dyn Clock) -> PyResult<Moment> {
    match now {
        Some((monotonic, unix)) if !monotonic.is_finite() || !unix.is_finite() => {
            Err(raise(ErrorCode::InvalidArgument, format!("now is ({monotonic}, {unix}); two numbers are needed")))
        }
        now => time::moment_or(now, clock),
    }
}
