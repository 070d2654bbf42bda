use super::{Provider, Request};
use crate::callable::Callable;
use crate::config::from_kwargs;
use crate::detection::Detections;
use crate::error::{detached, raise};
use crate::{host, time};
use guarita::ErrorCode;
use guarita::provider::CallbackProviderConfig;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PySequence, PyString};
use std::sync::Arc;

/// A function of the host's as a provider: a model of its own, another cloud, a stand-in for tests. It is called on threads of
/// the provider's own; requests wait for them in a queue, the highest priority first.
///
/// Args:
///     detect: Called with a `Request` of at most `max_batch` frames, and gives a sequence with one `Detections` for each of
///         them, of the frame's size. Regions are cut out before, so that it always sees whole frames. Boxes are cut to the
///         frame, and what is below `min_confidence` is left out.
///     clock: What deadlines are read on.
///     **config: As in `CallbackProviderConfig`: `name`, `wants`, `max_batch`, `max_in_flight`, `workers`, `leaves_machine`
///         and `price`.
///
/// What the function raises is the answer: one of guarita's errors keeps its code and advice, `TimeoutError` is
/// `DeadlineExceeded`, `OSError`, and so a broken connection, is `Unavailable`, anything else is `Internal`, as is an answer that is not what it
/// should be. Deadlines are looked at before each call, and when the request is done. The function should not wait for its own
/// provider: all of its threads can be busy waiting.
///
/// Raises:
///     InvalidConfig: A field that cannot be so; the message names it.
///     InvalidArgument: `detect` cannot be called, or is async.
///     ResourceExhausted: The system gives no more threads.
///
/// >>> import guarita, numpy
/// >>> def find_cats(request):
/// ...     return [guarita.Detections([guarita.Detection((1, 1, 9, 9), "cat", 0.9)], size=frame.size) for frame in request.frames]
/// >>> with guarita.CallbackProvider(find_cats, name="cats") as provider:
/// ...     provider.detect(numpy.zeros((48, 64), "uint8")).detections[0].labels
/// ['cat']
#[pyclass(frozen, extends = Provider, module = "guarita")]
pub(crate) struct CallbackProvider;

#[pymethods]
impl CallbackProvider {
    #[new]
    #[pyo3(signature = (detect, *, clock=None, **config))]
    fn new(
        py: Python<'_>,
        detect: &Bound<'_, PyAny>,
        clock: Option<&Bound<'_, PyAny>>,
        config: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<PyClassInitializer<Self>> {
        let function = Callable::new(detect, "detect")?;
        let config: CallbackProviderConfig = from_kwargs(config, [])?;
        let clock = time::clock(clock)?;
        let what = format!("the function of the provider {}", config.name);
        let asked = function.clone();
        let ask = move |request: &guarita::provider::Request| {
            host::ask(&what, |py| {
                let asked = asked.get(py).ok_or_else(|| raise(ErrorCode::Cancelled, "the provider is gone"))?;
                detections(&asked.call1((Request(request.clone()),))?, &what)
            })
        };
        let provider = detached(py, || guarita::CallbackProvider::with_clock(config, clock, ask))?;
        Ok(PyClassInitializer::from(Provider::calling(Arc::new(provider), vec![function])).add_subclass(Self))
    }
}

fn detections(answer: &Bound<'_, PyAny>, what: &str) -> PyResult<Vec<guarita::Detections>> {
    let wrong = |came: String| {
        raise(
            ErrorCode::Internal,
            format!("{what} returned {came}; a sequence of Detections is needed, one for each frame"),
        )
    };
    let kind =
        |any: &Bound<'_, PyAny>| any.get_type().name().map_or_else(|_| "something".into(), |name| name.to_string());
    // Detections are a sequence too, of what was found in one frame.
    let one = answer.is_instance_of::<Detections>() || answer.is_instance_of::<PyString>();
    let sequence = answer.cast::<PySequence>().ok().filter(|_| !one).ok_or_else(|| wrong(kind(answer)))?;
    let mut found = Vec::new();
    for (k, item) in sequence.try_iter()?.enumerate() {
        let item = item?;
        let item = item.cast::<Detections>().map_err(|_| wrong(format!("{} as item {k}", kind(&item))))?;
        found.push(item.get().core.clone());
    }
    Ok(found)
}
