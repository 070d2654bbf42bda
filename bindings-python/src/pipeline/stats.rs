//! How a pipeline and its cameras stand.

use crate::config::to_py;
use crate::provider::Health;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// What became of the frames of a camera, or of all cameras: `pushed` is always the sum of `outcomes` and `in_flight`.
#[pyclass(frozen, eq, module = "guarita")]
#[derive(PartialEq)]
pub(crate) struct Account(pub(crate) guarita::pipeline::Account);

#[pymethods]
impl Account {
    /// Frames that were pushed.
    #[getter]
    fn pushed(&self) -> u64 {
        self.0.pushed
    }

    /// Those that have not ended yet.
    #[getter]
    fn in_flight(&self) -> u64 {
        self.0.in_flight
    }

    /// How the others ended, by name; only what occurred. The names: `analysed`, `skipped_…` (`sampled_out`, `no_motion`,
    /// `cached`, `rate_limited`, `paused`), `dropped_…` (`newer`, `stale`, `queue_full`, `shutdown`), and `failed_` with the
    /// code, such as `failed_data_corrupt`.
    #[getter]
    fn outcomes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        for (outcome, count) in self.0.outcomes.iter() {
            dict.set_item(outcome.name(), count)?;
        }
        Ok(dict)
    }

    /// Frames that the provider looked at.
    #[getter]
    fn analysed(&self) -> u64 {
        self.0.outcomes.get(guarita::pipeline::Outcome::Analysed)
    }

    /// Frames that somebody should have looked at, and nobody did, for whatever reason.
    #[getter]
    fn dropped(&self) -> u64 {
        self.0.outcomes.dropped()
    }

    /// Frames that could not be read, or at which the provider failed, with whatever code.
    #[getter]
    fn failed(&self) -> u64 {
        self.0.outcomes.failed()
    }

    /// Whether it adds up.
    #[getter]
    fn balances(&self) -> bool {
        self.0.balances()
    }

    /// All of it as plain values, for JSON.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_py(py, &self.0)
    }

    fn __repr__(&self) -> String {
        format!("<Account {} pushed, {} in flight, {:?}>", self.0.pushed, self.0.in_flight, self.0.outcomes)
    }
}

/// How one camera stands.
#[pyclass(frozen, module = "guarita")]
pub(crate) struct CameraStats(pub(crate) guarita::pipeline::CameraStats);

#[pymethods]
impl CameraStats {
    /// Its name.
    #[getter]
    fn id(&self) -> &str {
        self.0.id.as_str()
    }

    /// `low`, `normal` or `critical`.
    #[getter]
    fn priority<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_py(py, &self.0.priority)
    }

    /// Whether it, or the whole pipeline, is paused.
    #[getter]
    fn paused(&self) -> bool {
        self.0.paused
    }

    /// What became of its frames.
    #[getter]
    fn account(&self) -> Account {
        Account(self.0.account.clone())
    }

    /// What the motion gate takes its picture for, such as `stable`; None without a gate, and before the first frame.
    #[getter]
    fn gate<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_py(py, &self.0.gate)
    }

    /// Whether the gate is open.
    #[getter]
    fn gate_open(&self) -> bool {
        self.0.gate_open
    }

    /// The share of the frames that the gate saw in which it was open, 0..1.
    #[getter]
    fn open_fraction(&self) -> f64 {
        self.0.open_fraction()
    }

    /// Events of its own triggers; those of the host's are not in it.
    #[getter]
    fn events(&self) -> u64 {
        self.0.events
    }

    /// Presentation time of the last frame that ended, in seconds; None before the first one.
    #[getter]
    fn last_pts(&self) -> Option<f64> {
        self.0.last_pts.map(guarita::Timestamp::as_secs_f64)
    }

    /// The last failure: `code`, and `at` in seconds on the provider's clock; None where there was none.
    #[getter]
    fn last_failure<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        let Some((code, at)) = self.0.last_failure else { return Ok(None) };
        let dict = PyDict::new(py);
        dict.set_item("code", code.to_string())?;
        dict.set_item("at", at.as_secs_f64())?;
        Ok(Some(dict))
    }

    /// Seconds from the push to the end, of the last frames that were looked at, on average; None before the first one.
    #[getter]
    fn age(&self) -> Option<f64> {
        self.0.age.map(|age| age.as_secs_f64())
    }

    /// All of it as plain values, for JSON.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_py(py, &self.0)
    }

    fn __repr__(&self) -> String {
        format!("<CameraStats of {:?}: {:?}>", self.id(), self.0.account.outcomes)
    }
}

/// How a pipeline stands.
#[pyclass(frozen, module = "guarita")]
pub(crate) struct PipelineStats(pub(crate) guarita::pipeline::PipelineStats);

#[pymethods]
impl PipelineStats {
    /// What became of all frames, also of cameras that were removed.
    #[getter]
    fn account(&self) -> Account {
        Account(self.0.account.clone())
    }

    /// The part of it that is of cameras which were removed.
    #[getter]
    fn removed(&self) -> Account {
        Account(self.0.removed.clone())
    }

    /// The cameras, by name.
    #[getter]
    fn cameras(&self) -> Vec<CameraStats> {
        self.0.cameras.iter().cloned().map(CameraStats).collect()
    }

    /// Seconds from the push to the end, of frames that were looked at: half of them took no longer.
    #[getter]
    fn age_p50(&self) -> f64 {
        self.0.age.percentile(0.5).as_secs_f64()
    }

    /// As `age_p50`, for 99 of 100 frames.
    #[getter]
    fn age_p99(&self) -> f64 {
        self.0.age.percentile(0.99).as_secs_f64()
    }

    /// Frames that wait for the motion gate or for their turn to be looked at.
    #[getter]
    fn waiting(&self) -> usize {
        self.0.waiting_gate + self.0.waiting_look
    }

    /// The memory of frames that were pushed and have not ended, in bytes.
    #[getter]
    fn bytes(&self) -> u64 {
        self.0.bytes
    }

    /// How full the batches were on average, 0..1; 0 before the first one.
    #[getter]
    fn batch_fill(&self) -> f64 {
        self.0.batch_fill()
    }

    /// What became of everything that was meant for a sink, a trigger of the host or `on_result`, one dict for each: `name`,
    /// `waiting`, `in_hand`, `offered`, `delivered`, `retried`, `failed`, `dropped`, `panics`, `busy_since` (seconds on the
    /// provider's clock, or None) and `last_error` (`code`, `message` and `at`, or None). The one named `events` is that of
    /// the event streams.
    #[getter]
    fn outlets<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_py(py, &self.0.outlets)
    }

    /// How the provider does.
    #[getter]
    fn provider(&self) -> Health {
        Health(self.0.provider.clone())
    }

    /// All of it as plain values, for JSON.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_py(py, &self.0)
    }

    fn __repr__(&self) -> String {
        let account = &self.0.account;
        format!(
            "<PipelineStats {} cameras, {} pushed, {} in flight, {:?}>",
            self.0.cameras.len(),
            account.pushed,
            account.in_flight,
            account.outcomes
        )
    }
}

/// Whether a pipeline does what it should.
#[pyclass(frozen, module = "guarita")]
pub(crate) struct PipelineHealth(pub(crate) guarita::pipeline::PipelineHealth);

#[pymethods]
impl PipelineHealth {
    /// It has not been shut down.
    #[getter]
    fn live(&self) -> bool {
        self.0.live
    }

    /// It takes frames, and the provider takes requests.
    #[getter]
    fn ready(&self) -> bool {
        self.0.ready
    }

    /// What is not as it should be, for people; empty where all is well.
    #[getter]
    fn degraded(&self) -> Vec<String> {
        self.0.degraded.clone()
    }

    /// How the provider does.
    #[getter]
    fn provider(&self) -> Health {
        Health(self.0.provider.clone())
    }

    /// All of it as plain values, for JSON.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_py(py, &self.0)
    }

    fn __repr__(&self) -> String {
        let state = match (self.0.live, self.0.ready) {
            (false, _) => "shut down",
            (true, false) => "not ready",
            (true, true) => "ready",
        };
        let degraded: String = self.0.degraded.iter().map(|what| format!("; {what}")).collect();
        format!("<PipelineHealth {state}{degraded}>")
    }
}

/// How a pipeline ended.
#[pyclass(frozen, module = "guarita")]
pub(crate) struct ShutdownReport(pub(crate) guarita::pipeline::ShutdownReport);

#[pymethods]
impl ShutdownReport {
    /// Every frame was brought to its end in time.
    #[getter]
    fn drained(&self) -> bool {
        self.0.drained
    }

    /// What became of all frames.
    #[getter]
    fn account(&self) -> Account {
        Account(self.0.account.clone())
    }

    /// What was delivered, and what was not; as `PipelineStats.outlets`.
    #[getter]
    fn outlets<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_py(py, &self.0.outlets)
    }

    /// The names of sinks, triggers and callbacks that did not end: their code hangs, and was left alone.
    #[getter]
    fn hanging(&self) -> Vec<&str> {
        self.0.hanging.iter().map(|name| &**name).collect()
    }

    /// All of it as plain values, for JSON.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_py(py, &self.0)
    }

    fn __repr__(&self) -> String {
        let drained = if self.0.drained { "drained" } else { "not drained" };
        let hanging = self.hanging().join(", ");
        let hanging = if hanging.is_empty() { hanging } else { format!(", {hanging} hang") };
        format!("<ShutdownReport {drained}, {:?}{hanging}>", self.0.account.outcomes)
    }
}
