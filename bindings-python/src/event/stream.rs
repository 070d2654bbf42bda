//! Events for readers: in loops, and on asyncio.

use super::Event;
use crate::error::{OrRaise, raise};
use crate::fork::Native;
use crate::future::Promise;
use crate::{time, wait};
use guarita::ErrorCode;
use guarita_face::{Taken, Ticket};
use pyo3::exceptions::{PyStopAsyncIteration, PyStopIteration};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use std::sync::Arc;
use std::time::Duration;

type Next = Taken<Arc<guarita::Event>>;

/// Events for one reader, in a loop (`for event in stream`) or on asyncio (`async for event in stream`), from the moment on at
/// which it was asked for. A reader that is slow loses the oldest, and `dropped` says so.
///
/// It ends when it is closed, or when the pipeline has ended and what was waiting is read. Several threads and coroutines may
/// read one stream; each event goes to one of them. No thread waits for a coroutine, and one that is cancelled while it waits
/// takes no event along.
#[pyclass(frozen, module = "guarita")]
pub(crate) struct EventStream(pub(crate) Native<guarita_face::EventStream>);

impl EventStream {
    fn stream(&self) -> PyResult<&guarita_face::EventStream> {
        self.0.get("EventStream")
    }

    /// The next event, with a look at signals while it waits; nothing where the time is over.
    fn wait(&self, py: Python<'_>, most: Option<Duration>) -> PyResult<Next> {
        let stream = self.stream()?;
        let mut left = most;
        let mut taken = stream.take();
        while matches!(taken, Taken::Nothing) && left.is_none_or(|left| !left.is_zero()) {
            let slice = left.map_or(wait::LOOK_UP, |left| left.min(wait::LOOK_UP));
            taken = py.detach(|| stream.take_within(slice));
            left = left.map(|left| left.saturating_sub(slice));
            if matches!(taken, Taken::Nothing) {
                py.check_signals()?;
            }
        }
        Ok(taken)
    }
}

#[pymethods]
impl EventStream {
    /// Waits for the next event.
    ///
    /// Args:
    ///     timeout: For how long at most: seconds or a timedelta; 0 to look only, None for ever.
    ///
    /// Raises:
    ///     DeadlineExceeded: None came in this time.
    ///     Cancelled: The pipeline has ended, and nothing is left.
    ///     InvalidState: The stream was closed.
    #[pyo3(signature = (timeout=None))]
    fn get(&self, py: Python<'_>, timeout: Option<&Bound<'_, PyAny>>) -> PyResult<Event> {
        let most = timeout.map(|timeout| time::duration(timeout, "timeout")).transpose()?;
        self.wait(py, most)?.within(most.unwrap_or_default()).or_raise().map(Event)
    }

    /// Events that wait to be read.
    #[getter]
    fn waiting(&self) -> PyResult<usize> {
        Ok(self.stream()?.waiting())
    }

    /// Events that made room for newer ones.
    #[getter]
    fn dropped(&self) -> PyResult<u64> {
        Ok(self.stream()?.dropped())
    }

    /// Whether nothing comes out of it any more.
    #[getter]
    fn closed(&self) -> PyResult<bool> {
        Ok(self.stream()?.is_over())
    }

    /// Ends it, for all who read it; what waits is let go. A second call does nothing.
    fn close(&self) {
        if let Ok(stream) = self.stream() {
            stream.close();
        }
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Event>> {
        Ok(match self.wait(py, None)? {
            Taken::Item(event) => Some(Event(event)),
            Taken::Nothing | Taken::Ended | Taken::Closed => None,
        })
    }

    fn __aiter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __anext__(slf: Bound<'_, Self>) -> PyResult<NextEvent> {
        slf.get().stream()?;
        Ok(NextEvent { stream: slf.unbind(), ticket: None })
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_error))]
    fn __exit__(&self, _error: &Bound<'_, PyTuple>) {
        self.close();
    }

    fn __repr__(&self) -> String {
        if self.0.is_foreign() {
            return "<EventStream of before the fork>".into();
        }
        let stream = self.0.peek();
        let end = if stream.has_ended() { ", ended" } else { "" };
        format!("<EventStream {} waiting, {} dropped{end}>", stream.waiting(), stream.dropped())
    }
}

/// The next event, to be awaited. The event is taken in the moment in which the coroutine goes on, not before: one that is
/// cancelled leaves it where it is.
#[pyclass(module = "guarita")]
pub(crate) struct NextEvent {
    stream: Py<EventStream>,
    /// While it sleeps.
    ticket: Option<Ticket>,
}

#[pymethods]
impl NextEvent {
    fn __await__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    /// What a loop calls: gives a future to wait for, or ends with the event.
    fn __next__<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let stream = self.stream.clone_ref(py);
        let stream = stream.get().stream()?;
        self.give_up(stream);
        let mut taken = stream.take();
        if matches!(taken, Taken::Nothing) {
            let (promise, future) = Promise::new(py)?;
            (taken, self.ticket) = stream.take_or_wake(Box::new(|| promise.settle(|py| Ok(py.None()))));
            if self.ticket.is_some() {
                // The future's own iterator gives it once, marked as awaited.
                return future.call_method0("__await__")?.call_method0("__next__");
            }
        }
        match taken {
            Taken::Item(event) => Err(PyStopIteration::new_err(Bound::new(py, Event(event))?.unbind())),
            Taken::Ended | Taken::Closed => Err(PyStopAsyncIteration::new_err(())),
            Taken::Nothing => Err(raise(ErrorCode::Internal, "a stream gave neither an event nor a ticket")),
        }
    }
}

impl NextEvent {
    fn give_up(&mut self, stream: &guarita_face::EventStream) {
        if let Some(ticket) = self.ticket.take() {
            stream.give_up(ticket);
        }
    }
}

impl Drop for NextEvent {
    fn drop(&mut self) {
        if let Ok(stream) = self.stream.get().0.get("EventStream") {
            let stream = stream.clone();
            self.give_up(&stream);
        }
    }
}
