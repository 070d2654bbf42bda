use crate::config::from_kwargs;
use crate::error::OrRaise;
use crate::text;
use guarita_face::adapters::WebhookConfig;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// Sends each event as JSON to a server, by HTTP POST, signed where there is a secret. The pipeline that it is given to opens
/// the connection.
///
/// Args:
///     url: `https://…`, or `http://…` where nobody else is on the way.
///     **config: As in `WebhookConfig`: `headers`, `secret`, `timeout_s`, `ca_file`.
///
/// Raises:
///     InvalidConfig: A field that cannot be so; the message names it.
#[pyclass(frozen, module = "guarita")]
pub(crate) struct WebhookSink(pub(super) WebhookConfig);

#[pymethods]
impl WebhookSink {
    #[new]
    #[pyo3(signature = (url, **config))]
    fn new(#[pyo3(from_py_with = text::url)] url: &str, config: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let config: WebhookConfig = from_kwargs(config, [("url", url.into())])?;
        config.validate().or_raise()?;
        Ok(Self(config))
    }

    /// Where it sends to.
    #[getter]
    fn url(&self) -> &str {
        &self.0.url
    }

    fn __repr__(&self) -> String {
        format!("<WebhookSink {}>", guarita_face::origin(&self.0.url))
    }
}
