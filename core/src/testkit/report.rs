use crate::error::{Error, Result};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What [`check_provider`](super::check_provider) or [`check_sink`](super::check_sink) found out. Prints as a table.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BehaviourReport {
    /// The name of the provider or sink that was checked.
    pub name: String,
    /// The checks in their order.
    pub checks: Vec<Check>,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Check {
    /// The rule in a few words; the same in every run.
    pub name: &'static str,
    /// Whether it is kept.
    pub outcome: Outcome,
}

/// Whether a rule is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is.
    Passed,
    /// It is not, for this reason.
    Failed(String),
    /// It could not be tried, or is no rule for this one, for this reason.
    NotApplicable(String),
}

/// A rule that is kept, or how it is not.
pub(super) type Verdict = std::result::Result<(), Outcome>;

pub(super) fn failed(why: impl Into<String>) -> Outcome {
    Outcome::Failed(why.into())
}

pub(super) fn ensure(kept: bool, why: impl FnOnce() -> String) -> Verdict {
    if kept { Ok(()) } else { Err(failed(why())) }
}

impl BehaviourReport {
    /// Runs each rule of a suite; a panic fails it.
    pub(super) fn of<S>(
        name: &str,
        suite: &S,
        checks: impl IntoIterator<Item = (&'static str, fn(&S) -> Verdict)>,
    ) -> Self {
        let mut report = Self::new(name);
        for (name, check) in checks {
            let outcome = match catch_unwind(AssertUnwindSafe(|| check(suite))) {
                Ok(Ok(())) => Outcome::Passed,
                Ok(Err(outcome)) => outcome,
                Err(_) => failed("a panic"),
            };
            report.add(name, outcome);
        }
        report
    }

    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), checks: Vec::new() }
    }

    pub(super) fn add(&mut self, name: &'static str, outcome: Outcome) {
        self.checks.push(Check { name, outcome });
    }

    /// The rules that are broken.
    pub fn failures(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| matches!(check.outcome, Outcome::Failed(_)))
    }

    /// An error with the whole table where a rule is broken.
    ///
    /// # Errors
    /// `Internal`: what breaks its rules has a fault.
    pub fn into_result(self) -> Result<()> {
        if self.failures().next().is_none() {
            return Ok(());
        }
        Err(Error::internal(format!("{} breaks rules\n{self}", self.name)))
    }
}

impl fmt::Display for BehaviourReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failed = self.failures().count();
        writeln!(f, "{}: {} checks, {failed} failed", self.name, self.checks.len())?;
        let width = self.checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
        for Check { name, outcome } in &self.checks {
            match outcome {
                Outcome::Passed => writeln!(f, "  {name:width$}  passed")?,
                Outcome::Failed(why) => writeln!(f, "  {name:width$}  FAILED: {why}")?,
                Outcome::NotApplicable(why) => writeln!(f, "  {name:width$}  not applicable: {why}")?,
            }
        }
        Ok(())
    }
}
