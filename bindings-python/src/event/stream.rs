//! Events for readers: one sink that hands them to every stream that is open.

use super::Event;
use crate::error::raise;
use crate::fork::Native;
use crate::future::Promise;
use crate::{time, wait};
use guarita::ErrorCode;
use pyo3::exceptions::{PyStopAsyncIteration, PyStopIteration};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

/// The most events that may wait for a reader.
const MOST: usize = 1_000_000;

/// What waits for one reader. Its lock is held for moments, without the interpreter lock too; a child of a fork, which may
/// find it locked, never looks at it (see `Native`). Whoever holds it takes no other lock.
struct Line {
    state: Mutex<State>,
    /// For threads that wait.
    came: Condvar,
}

struct State {
    waiting: VecDeque<Arc<guarita::Event>>,
    capacity: usize,
    dropped: u64,
    /// Nothing comes any more.
    ended: bool,
    /// The reader wants no more.
    closed: bool,
    /// Coroutines that wait, by number. All of them are woken, and the first one takes what came: one that was given up
    /// meanwhile takes nothing along.
    asleep: Vec<(u64, Promise)>,
    numbers: u64,
}

/// What a reader finds.
enum Found {
    Event(Arc<guarita::Event>),
    Nothing,
    End,
}

impl State {
    fn take(&mut self) -> Found {
        match self.waiting.pop_front() {
            _ if self.closed => Found::End,
            Some(event) => Found::Event(event),
            None if self.ended => Found::End,
            None => Found::Nothing,
        }
    }
}

impl Line {
    fn new(capacity: usize) -> Self {
        let state = State {
            waiting: VecDeque::new(),
            capacity,
            dropped: 0,
            ended: false,
            closed: false,
            asleep: Vec::new(),
            numbers: 0,
        };
        Self { state: Mutex::new(state), came: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes it, and tells all who wait.
    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        let asleep = std::mem::take(&mut state.asleep);
        drop(state);
        self.came.notify_all();
        for (_, promise) in asleep {
            promise.settle(|py| Ok(py.None()));
        }
    }

    fn put(&self, event: &Arc<guarita::Event>) {
        self.change(|state| {
            if state.closed || state.ended {
                return;
            }
            if state.waiting.len() >= state.capacity {
                state.waiting.pop_front();
                state.dropped += 1;
            }
            state.waiting.push_back(Arc::clone(event));
        });
    }

    fn end(&self) {
        self.change(|state| state.ended = true);
    }

    fn close(&self) {
        self.change(|state| {
            state.closed = true;
            state.waiting.clear();
        });
    }

    /// What there is now, or within this time.
    fn take_within(&self, most: Duration) -> Found {
        let still = |state: &mut State| state.waiting.is_empty() && !state.ended && !state.closed;
        let waited = self.came.wait_timeout_while(self.lock(), most, still);
        waited.unwrap_or_else(PoisonError::into_inner).0.take()
    }

    /// What there is now; where there is nothing, the promise is kept when something comes, and the number is that to give
    /// it back with.
    fn take_or_sleep(&self, promise: Promise) -> (Found, u64) {
        let mut state = self.lock();
        let found = state.take();
        if !matches!(found, Found::Nothing) {
            drop(state);
            drop(promise);
            return (found, 0);
        }
        state.numbers += 1;
        let number = state.numbers;
        state.asleep.push((number, promise));
        (Found::Nothing, number)
    }

    fn give_up(&self, number: u64) {
        let mut state = self.lock();
        let place = state.asleep.iter().position(|(other, _)| *other == number);
        let given_up = place.map(|place| state.asleep.swap_remove(place));
        drop(state);
        drop(given_up);
    }
}

/// The streams of one pipeline.
#[derive(Default)]
pub(crate) struct Hub(Mutex<Lines>);

#[derive(Default)]
struct Lines {
    lines: Vec<Weak<Line>>,
    ended: bool,
}

impl Hub {
    /// One more stream, from here on.
    pub(crate) fn open(&self, capacity: usize) -> PyResult<EventStream> {
        if !(1..=MOST).contains(&capacity) {
            return Err(raise(
                ErrorCode::InvalidArgument,
                format!("capacity is {capacity}; it must be 1..{MOST} events"),
            ));
        }
        let line = Arc::new(Line::new(capacity));
        let mut lines = self.lock();
        if lines.ended {
            line.end();
        } else {
            lines.lines.retain(|line| line.strong_count() > 0);
            lines.lines.push(Arc::downgrade(&line));
        }
        drop(lines);
        Ok(EventStream(Native::new(line)))
    }

    /// The end of all streams.
    pub(crate) fn end(&self) {
        let mut lines = self.lock();
        lines.ended = true;
        let all = std::mem::take(&mut lines.lines);
        drop(lines);
        all.iter().filter_map(Weak::upgrade).for_each(|line| line.end());
    }

    /// The sink that fills them.
    pub(crate) fn sink(self: &Arc<Self>) -> impl guarita::Sink + 'static {
        Fill(Arc::clone(self))
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Fill(Arc<Hub>);

impl guarita::Sink for Fill {
    fn deliver(&mut self, batch: &[guarita::Delivery]) -> guarita::Result<(), guarita::DeliveryError> {
        let open: Vec<_> = self.0.lock().lines.iter().filter_map(Weak::upgrade).collect();
        guarita::deliver_each(batch, |delivery| {
            let event = delivery.event()?;
            open.iter().for_each(|line| line.put(event));
            Ok(())
        })
    }
}

impl Drop for Fill {
    /// The pipeline's end, however it came about.
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Events for one reader, in a loop (`for event in stream`) or on asyncio (`async for event in stream`), from the moment on at
/// which it was asked for. A reader that is slow loses the oldest, and `dropped` says so.
///
/// It ends when it is closed, or when the pipeline has ended and what was waiting is read. Several threads and coroutines may
/// read one stream; each event goes to one of them. No thread waits for a coroutine, and one that is cancelled while it waits
/// takes no event along.
#[pyclass(frozen, module = "guarita")]
pub(crate) struct EventStream(Native<Arc<Line>>);

impl EventStream {
    fn line(&self) -> PyResult<&Arc<Line>> {
        self.0.get("EventStream")
    }

    /// The next event, with a look at signals while it waits; none where the time is over.
    fn wait(&self, py: Python<'_>, most: Option<Duration>) -> PyResult<Found> {
        let line = self.line()?;
        let mut left = most;
        let mut found = line.lock().take();
        while matches!(found, Found::Nothing) && left.is_none_or(|left| !left.is_zero()) {
            let slice = left.map_or(wait::LOOK_UP, |left| left.min(wait::LOOK_UP));
            found = py.detach(|| line.take_within(slice));
            left = left.map(|left| left.saturating_sub(slice));
            if matches!(found, Found::Nothing) {
                py.check_signals()?;
            }
        }
        Ok(found)
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
        match self.wait(py, most)? {
            Found::Event(event) => Ok(Event(event)),
            Found::Nothing => {
                let most = most.unwrap_or_default().as_secs_f64();
                Err(raise(ErrorCode::DeadlineExceeded, format!("no event within {most} s")))
            }
            Found::End if self.line()?.lock().closed => Err(raise(ErrorCode::InvalidState, "the stream is closed")),
            Found::End => Err(raise(ErrorCode::Cancelled, "the pipeline has ended, and no event is left")),
        }
    }

    /// Events that wait to be read.
    #[getter]
    fn waiting(&self) -> PyResult<usize> {
        Ok(self.line()?.lock().waiting.len())
    }

    /// Events that made room for newer ones.
    #[getter]
    fn dropped(&self) -> PyResult<u64> {
        Ok(self.line()?.lock().dropped)
    }

    /// Whether nothing comes out of it any more.
    #[getter]
    fn closed(&self) -> PyResult<bool> {
        let state = self.line()?.lock();
        Ok(state.closed || state.ended && state.waiting.is_empty())
    }

    /// Ends it, for all who read it; what waits is let go. A second call does nothing.
    fn close(&self) {
        if let Ok(line) = self.line() {
            line.close();
        }
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Event>> {
        Ok(match self.wait(py, None)? {
            Found::Event(event) => Some(Event(event)),
            Found::Nothing | Found::End => None,
        })
    }

    fn __aiter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __anext__(slf: Bound<'_, Self>) -> PyResult<NextEvent> {
        slf.get().line()?;
        Ok(NextEvent { stream: slf.unbind(), number: 0 })
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
        let state = self.0.peek().lock();
        let end = if state.closed || state.ended { ", ended" } else { "" };
        format!("<EventStream {} waiting, {} dropped{end}>", state.waiting.len(), state.dropped)
    }
}

/// The next event, to be awaited. The event is taken in the moment in which the coroutine goes on, not before: one that is
/// cancelled leaves it where it is.
#[pyclass(module = "guarita")]
pub(crate) struct NextEvent {
    stream: Py<EventStream>,
    /// Under which it sleeps; 0 while it does not.
    number: u64,
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
        let line = stream.get().line()?;
        self.wake(line);
        let mut found = line.lock().take();
        let mut sleeps = None;
        if matches!(found, Found::Nothing) {
            let (promise, future) = Promise::new(py)?;
            (found, self.number) = line.take_or_sleep(promise);
            sleeps = Some(future);
        }
        match (found, sleeps) {
            (Found::Event(event), _) => Err(PyStopIteration::new_err(Bound::new(py, Event(event))?.unbind())),
            // The future's own iterator gives it once, marked as awaited.
            (Found::Nothing, Some(future)) => future.call_method0("__await__")?.call_method0("__next__"),
            (Found::End | Found::Nothing, _) => Err(PyStopAsyncIteration::new_err(())),
        }
    }
}

impl NextEvent {
    fn wake(&mut self, line: &Line) {
        let number = std::mem::take(&mut self.number);
        if number != 0 {
            line.give_up(number);
        }
    }
}

impl Drop for NextEvent {
    fn drop(&mut self) {
        if let Ok(line) = self.stream.get().0.get("EventStream") {
            let line = Arc::clone(line);
            self.wake(&line);
        }
    }
}
