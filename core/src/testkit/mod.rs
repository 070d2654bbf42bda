//! For tests (feature `testkit`): a provider that answers by script, and the rules that every provider, and every sink, keeps,
//! as suites.

mod checks;
mod fake;
mod report;
mod script;
mod sinks;

pub use fake::{FakeCall, FakeProvider};
pub use report::{BehaviourReport, Check, Outcome};
pub use script::{Step, StepAnswer};
pub use sinks::SinkSetup;

use crate::frame::Frame;
use crate::provider::Provider;
use std::sync::Arc;

/// Runs a provider through the rules of [`Provider`], and says which ones it keeps.
///
/// `make` gives a new provider each time, and keeps none of it: one check drops its provider with requests in flight.
/// What the provider needs to answer must run by itself; a clock that is moved by hand does not. `sample` should be a
/// picture in which it finds something with confidence 0.5; where it finds nothing, the checks of boxes say so and are
/// not applicable. About 100 requests are made, so point a cloud provider at a stand-in. Only those checks apply that the
/// provider's [`Capability`](crate::provider::Capability) calls for.
///
/// ```
/// use guarita::testkit::{FakeProvider, check_provider};
/// use guarita::{Frame, PixelFormat, Size};
/// use guarita::frame::Layout;
/// use std::sync::Arc;
/// let sample = Frame::from_owner(vec![0; 64 * 48], Layout::packed(PixelFormat::Gray8, Size::new(64, 48))?)?;
/// check_provider(&|| Arc::new(FakeProvider::new("mine")), &sample).into_result()?;
/// # Ok::<(), guarita::Error>(())
/// ```
pub fn check_provider(make: &dyn Fn() -> Arc<dyn Provider>, sample: &Frame) -> BehaviourReport {
    checks::run(make, sample)
}

/// Runs a sink through the rules of [`Sink`](crate::Sink), and says which ones it keeps.
///
/// About 400 events go to the receiver, and one of them is a megabyte long. The rules of a receiver that is out of reach apply
/// where the setup can take it away.
///
/// ```
/// use guarita::testkit::{SinkSetup, check_sink};
/// use guarita::Sink;
/// use guarita::event::{Delivery, DeliveryError};
/// use std::sync::{Arc, Mutex};
///
/// #[derive(Clone, Default)]
/// struct Memory(Arc<Mutex<Vec<String>>>);
///
/// impl Sink for Memory {
///     fn deliver(&mut self, batch: &[Delivery]) -> Result<(), DeliveryError> {
///         self.0.lock().unwrap().extend(batch.iter().map(|delivery| delivery.id().to_owned()));
///         Ok(())
///     }
/// }
///
/// impl SinkSetup for Memory {
///     fn open(&self) -> Box<dyn Sink> {
///         Box::new(self.clone())
///     }
///
///     fn received(&self) -> Vec<String> {
///         self.0.lock().unwrap().clone()
///     }
/// }
///
/// check_sink("memory", &Memory::default()).into_result()?;
/// # Ok::<(), guarita::Error>(())
/// ```
pub fn check_sink(name: &str, setup: &dyn SinkSetup) -> BehaviourReport {
    sinks::run(name, setup)
}
