//! For tests (feature `testkit`): a provider that answers by script, and the rules that every provider keeps, as a suite.

mod fake;
mod script;

pub use fake::{FakeCall, FakeProvider};
pub use script::{Step, StepAnswer};
