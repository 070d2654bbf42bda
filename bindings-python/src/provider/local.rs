use super::Provider;
use crate::config::from_kwargs;
use crate::detector::Detector;
use crate::error::detached;
use crate::pipeline::Threads;
use crate::time;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::sync::Arc;

/// A `Detector` as a provider: requests wait in a queue for threads that share the detector, the highest priority first.
///
/// Args:
///     detector: The detector; it may be closed afterwards, the provider keeps the model.
///     threads: Threads to work on, shared with others; None for its own.
///     clock: What deadlines are read on.
///     **config: As in `LocalProviderConfig`.
///
/// Raises:
///     InvalidConfig: A field that cannot be so; the message names it.
///     ResourceExhausted: The system gives no more threads.
#[pyclass(frozen, extends = Provider, module = "guarita")]
pub(crate) struct LocalProvider;

#[pymethods]
impl LocalProvider {
    #[new]
    #[pyo3(signature = (detector, *, threads=None, clock=None, **config))]
    fn new(
        py: Python<'_>,
        detector: &Bound<'_, Detector>,
        threads: Option<&Bound<'_, Threads>>,
        clock: Option<&Bound<'_, PyAny>>,
        config: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<PyClassInitializer<Self>> {
        let config = from_kwargs(config, [])?;
        let detector = Detector::get(detector)?;
        let clock = time::clock(clock)?;
        let threads = threads.map(|threads| threads.get().get().cloned()).transpose()?;
        let provider = detached(py, || match &threads {
            Some(threads) => guarita::LocalProvider::on_threads_with_clock(detector, config, threads, clock),
            None => guarita::LocalProvider::with_clock(detector, config, clock),
        })?;
        Ok(PyClassInitializer::from(Provider::new(Arc::new(provider))).add_subclass(Self))
    }
}
