use super::Provider;
use crate::callable::Callable;
use crate::config::{from_kwargs, named, to_py};
use crate::error::{detached, raise};
use crate::fork::Native;
use crate::host;
use crate::resilience::BreakerCounts;
use crate::text;
use guarita::provider::{HybridConfig, Side, Want};
use guarita::resilience::BreakerTransition;
use guarita::{ErrorCode, Provider as _};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use std::sync::{Arc, Weak};

/// Two providers as one: a primary, usually on this machine, and a fallback, usually a cloud. Each side stands behind circuit
/// breakers, one for each operation. A request makes at most one call on each side.
///
/// Args:
///     primary, fallback: Any providers; the hybrid keeps them open, also where they are closed themselves afterwards. They
///         should read the same clock; deadlines are read on the primary's.
///     listener: Called with a dict for each change of a breaker: `side` (`primary` or `fallback`), `want`, and what a
///         `CircuitBreaker` tells. What it raises goes to `sys.unraisablehook`.
///     **config: As in `HybridConfig`: `mode`, `fallback_timeout_s`, `primary_breaker` and others.
///
/// Raises:
///     InvalidConfig: A field that cannot be so; the message names it.
///     InvalidState: One of the providers is closed.
///     ResourceExhausted: The system gives no thread for the time-outs.
#[pyclass(frozen, extends = Provider, module = "guarita")]
pub(crate) struct HybridProvider {
    /// Of what the base class holds.
    hybrid: Native<Weak<guarita::HybridProvider>>,
}

#[pymethods]
impl HybridProvider {
    #[new]
    #[pyo3(signature = (primary, fallback, *, listener=None, **config))]
    fn new(
        py: Python<'_>,
        primary: &Bound<'_, Provider>,
        fallback: &Bound<'_, Provider>,
        listener: Option<&Bound<'_, PyAny>>,
        config: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<PyClassInitializer<Self>> {
        let config: HybridConfig = from_kwargs(config, [])?;
        let (primary, fallback) = (primary.get().get()?, fallback.get().get()?);
        let listener = listener.map(|listener| Callable::new(listener, "listener")).transpose()?;
        let callables = listener.clone().into_iter().collect();
        let hybrid = detached(py, move || match listener {
            None => guarita::HybridProvider::new(primary, fallback, config),
            Some(listener) => {
                let tell = move |side: Side, want: Want, change: &BreakerTransition| {
                    host::tell(&listener, |py| Ok(news(py, side, want, change)?.into_any().unbind()));
                };
                guarita::HybridProvider::with_listener(primary, fallback, config, tell)
            }
        })?;
        let hybrid = Arc::new(hybrid);
        let weak = Native::new(Arc::downgrade(&hybrid));
        Ok(PyClassInitializer::from(Provider::calling(hybrid, callables)).add_subclass(Self { hybrid: weak }))
    }

    /// The state of the breaker of one side for one operation, and what it has counted.
    ///
    /// Args:
    ///     side: `primary` or `fallback`.
    ///     want: `labels`, `text` or `faces`.
    ///
    /// Returns:
    ///     A pair: the state, as `CircuitBreaker.state` says it, and `BreakerCounts`.
    ///
    /// Raises:
    ///     InvalidState: The provider is closed.
    #[pyo3(signature = (side, want="labels"))]
    fn breaker<'py>(
        &self,
        py: Python<'py>,
        #[pyo3(from_py_with = text::side)] side: &str,
        #[pyo3(from_py_with = text::want)] want: &str,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let (side, want): (Side, Want) = (named("side", side)?, named("want", want)?);
        let weak = self.hybrid.get("provider")?;
        // Let go with the lock released, since it may be the last one by then.
        let seen = detached(py, move || {
            let Some(hybrid) = weak.upgrade() else { return Ok(None) };
            let now = hybrid.clock().now();
            Ok(hybrid.breaker(side, want).map(|breaker| (breaker.state(now), breaker.counts(now))))
        })?;
        let (state, counts) = seen.ok_or_else(|| raise(ErrorCode::InvalidState, "the provider is closed"))?;
        PyTuple::new(py, [to_py(py, &state)?, Bound::new(py, BreakerCounts::from(counts))?.into_any()])
    }
}

fn news<'py>(py: Python<'py>, side: Side, want: Want, change: &BreakerTransition) -> PyResult<Bound<'py, PyDict>> {
    let dict = to_py(py, change)?.cast_into::<PyDict>()?;
    dict.set_item("side", to_py(py, &side)?)?;
    dict.set_item("want", want.as_str())?;
    Ok(dict)
}
