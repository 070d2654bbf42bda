use guarita::clock::Clock;
use guarita::provider::{Capability, Health, Reply, Request};
use guarita::{Error, ErrorCode, Provider};
use std::sync::atomic::{AtomicBool, Ordering};

/// A provider that can be made to fail, as a device does that has run out of memory.
#[derive(Debug)]
pub(crate) struct Faulty<P> {
    inner: P,
    down: AtomicBool,
}

impl<P> Faulty<P> {
    pub(crate) fn new(inner: P) -> Self {
        Self { inner, down: AtomicBool::new(false) }
    }

    pub(crate) fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::Relaxed);
    }
}

impl<P: Provider> Provider for Faulty<P> {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn capability(&self) -> Capability {
        self.inner.capability()
    }

    fn health(&self) -> Health {
        self.inner.health()
    }

    fn submit(&self, request: Request, reply: Reply) {
        if self.down.load(Ordering::Relaxed) {
            return reply.send(Err(Error::new(ErrorCode::ResourceExhausted, "out of memory, on purpose")));
        }
        self.inner.submit(request, reply);
    }

    fn clock(&self) -> &dyn Clock {
        self.inner.clock()
    }
}
