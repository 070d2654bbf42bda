use super::Provider;
use crate::config::from_kwargs;
use crate::error::{detached, raise};
use crate::frame::Frame;
use crate::geometry::{BoundingBox, Polygon};
use crate::resilience::Budget;
use crate::text::optional;
use crate::{host, time};
use guarita::ErrorCode;
use guarita::provider::{Redact, RedactRegion};
use guarita_face::adapters::{self, RekognitionConfig};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::sync::Arc;

/// Looks at pictures with Amazon Rekognition: labels, text and faces. **Pictures leave the machine and cost money**: see
/// `redact` and `budget`. Each frame of a request is a call, and a picture on the bill.
///
/// Args:
///     budget: Where the money for every call is taken from, before it is made; where there is none left, the call is not made
///         and the answer is `BudgetExhausted`.
///     redact: Parts of every picture that must not leave the machine, filled with black: `BoundingBox` in pixels and
///         `Polygon` in shares of the picture. Or a function that is called with each `Frame` and gives them; where it raises,
///         the picture is not sent.
///     clock: What deadlines are read on.
///     access_key_id, secret_access_key, session_token: Keys to sign with, in place of those that the AWS chain finds:
///         environment, profile, container, instance. For tests, and for hosts with a store of secrets of their own.
///     **config: As in `RekognitionConfig`: `region`, `endpoint`, `retry`, `max_in_flight` and others.
///
/// Nothing is called before the first request.
///
/// Raises:
///     InvalidConfig: A field that cannot be so; the message names it.
///     InvalidArgument: Half of a pair of keys, or something that is no part of a picture.
///     ResourceExhausted: The system gives no more threads.
#[pyclass(frozen, extends = Provider, module = "guarita")]
pub(crate) struct RekognitionProvider;

#[pymethods]
impl RekognitionProvider {
    #[new]
    #[pyo3(signature = (*, budget=None, redact=None, clock=None, access_key_id=None, secret_access_key=None, session_token=None, **config))]
    #[allow(clippy::too_many_arguments, reason = "keyword arguments")]
    fn new(
        py: Python<'_>,
        budget: Option<&Bound<'_, Budget>>,
        redact: Option<&Bound<'_, PyAny>>,
        clock: Option<&Bound<'_, PyAny>>,
        #[pyo3(from_py_with = optional::access_key_id)] access_key_id: Option<&str>,
        #[pyo3(from_py_with = optional::secret_access_key)] secret_access_key: Option<&str>,
        #[pyo3(from_py_with = optional::session_token)] session_token: Option<&str>,
        config: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<PyClassInitializer<Self>> {
        let config: RekognitionConfig = from_kwargs(config, [])?;
        let keys = match (access_key_id, secret_access_key) {
            (Some(access), Some(secret)) => Some((access, secret)),
            (None, None) if session_token.is_none() => None,
            _ => {
                return Err(raise(
                    ErrorCode::InvalidArgument,
                    "access_key_id and secret_access_key are given together, and session_token with them, or not at all",
                ));
            }
        };
        let mut provider = detached(py, || adapters::RekognitionProvider::open(config))?;
        if clock.is_some() {
            provider = provider.with_clock(time::clock(clock)?);
        }
        if let Some((access, secret)) = keys {
            provider = provider.with_credentials(access, secret, session_token);
        }
        if let Some(budget) = budget {
            provider = provider.with_budget(budget.get().get()?.clone());
        }
        if let Some(redact) = redact {
            provider = provider.with_redact(masks(redact)?);
        }
        Ok(PyClassInitializer::from(Provider::new(Arc::new(provider))).add_subclass(Self))
    }
}

fn masks(redact: &Bound<'_, PyAny>) -> PyResult<Arc<dyn Redact>> {
    if redact.is_callable() {
        return Ok(Arc::new(HostRedact(redact.clone().unbind())));
    }
    regions(redact).map(|regions| Arc::new(regions) as Arc<dyn Redact>)
}

/// Boxes and polygons of the host.
fn regions(any: &Bound<'_, PyAny>) -> PyResult<Vec<RedactRegion>> {
    let wrong = |any: &Bound<'_, PyAny>| {
        let kind = any.get_type().name().map_or_else(|_| "something".into(), |name| name.to_string());
        raise(
            ErrorCode::InvalidArgument,
            format!("{kind} is no part of a picture; a list of BoundingBox and Polygon is needed"),
        )
    };
    let region = |any: &Bound<'_, PyAny>| match (any.cast::<BoundingBox>(), any.cast::<Polygon>()) {
        (Ok(region), _) => Ok(region.get().0.into()),
        (_, Ok(region)) => Ok(region.get().0.clone().into()),
        _ => Err(wrong(any)),
    };
    any.try_iter().map_err(|_| wrong(any))?.map(|item| region(&item?)).collect()
}

/// Asks the host which parts must not be seen.
struct HostRedact(Py<PyAny>);

impl std::fmt::Debug for HostRedact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HostRedact")
    }
}

impl Redact for HostRedact {
    fn regions(&self, frame: &guarita::Frame) -> guarita::Result<Vec<RedactRegion>> {
        host::ask("redact", |py| regions(self.0.call1(py, (Frame::from(frame.clone()),))?.bind(py)))
    }
}
