use crate::budget::money::MicroDollars;
use crate::error::{Advice, Error};
use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};
use std::fmt;

/// Whose money a cap limits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CapScope {
    /// Everything together.
    Total,
    /// One camera.
    Camera(String),
    /// One tenant.
    Tenant(String),
    /// One API.
    Api(String),
}

/// Makes the scope of a name.
pub(super) type ScopeOf = fn(String) -> CapScope;

impl fmt::Display for CapScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Total => f.pad("total"),
            Self::Camera(name) => f.pad(&format!("camera {name:?}")),
            Self::Tenant(name) => f.pad(&format!("tenant {name:?}")),
            Self::Api(name) => f.pad(&format!("API {name:?}")),
        }
    }
}

/// The period of a cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CapPeriod {
    /// 60 s that begin with the first spend.
    Minute,
    /// A day of the calendar.
    Day,
    /// A month of the calendar.
    Month,
}

impl fmt::Display for CapPeriod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Minute => "minute",
            Self::Day => "day",
            Self::Month => "month",
        })
    }
}

/// A cap on spending.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Cap {
    /// Whose money.
    pub scope: CapScope,
    /// For what time.
    pub period: CapPeriod,
}

impl fmt::Display for Cap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{} per {}", self.scope, self.period))
    }
}

/// A budget event for the host. Each is sent once per cap and period, and once more after a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BudgetEvent {
    /// The share `warn_at` of a cap is spent.
    Warning {
        /// Which one.
        cap: Cap,
        /// Spent in its period.
        spent: MicroDollars,
        /// What it allows.
        limit: MicroDollars,
    },
    /// A call was refused, since it would have gone past a cap.
    Exhausted {
        /// Which one.
        cap: Cap,
        /// Spent and reserved in its period.
        used: MicroDollars,
        /// What it allows.
        limit: MicroDollars,
    },
}

impl fmt::Display for BudgetEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Warning { cap, spent, limit } => write!(f, "{cap}: {spent} of {limit} is spent"),
            Self::Exhausted { cap, used, limit } => write!(f, "{cap}: a call was refused at {used} of {limit}"),
        }
    }
}

/// As plain values, with the message of [`Display`](fmt::Display).
impl Serialize for BudgetEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (event, cap, used, limit) = match self {
            Self::Warning { cap, spent, limit } => ("warning", cap, spent, limit),
            Self::Exhausted { cap, used, limit } => ("exhausted", cap, used, limit),
        };
        let mut data = serializer.serialize_struct("BudgetEvent", 5)?;
        data.serialize_field("event", event)?;
        data.serialize_field("cap", cap)?;
        data.serialize_field("used", used)?;
        data.serialize_field("limit", limit)?;
        data.serialize_field("message", &self.to_string())?;
        data.end()
    }
}

/// Why a spend is refused.
pub(super) struct Refusal {
    pub(super) cap: Cap,
    pub(super) used: u64,
    pub(super) limit: u64,
    pub(super) asked: u64,
    /// Seconds until the cap's period is over.
    pub(super) frees_s: u64,
    /// The same in civil time, for days and months.
    pub(super) frees_at: Option<String>,
}

impl Refusal {
    pub(super) fn event(&self) -> BudgetEvent {
        let (used, limit) = (MicroDollars::from_micros(self.used), MicroDollars::from_micros(self.limit));
        BudgetEvent::Exhausted { cap: self.cap.clone(), used, limit }
    }

    pub(super) fn error(&self) -> Error {
        let money = MicroDollars::from_micros;
        let Self { cap, used, limit, asked, frees_s, .. } = self;
        let (used, limit_text, asked_text) = (money(*used), money(*limit), money(*asked));
        if asked > limit {
            return Error::budget_exhausted(format!(
                "the cap {cap} of {limit_text} is less than this call alone costs, {asked_text}: it never frees; raise the cap"
            ))
            .with_advice(Advice::ChangeConfig);
        }
        let at = self.frees_at.as_ref().map(|at| format!(" ({at})")).unwrap_or_default();
        Error::budget_exhausted(format!(
            "the cap {cap} of {limit_text} is met: {used} is spent or reserved and {asked_text} is asked for; it frees in {frees_s} s{at}"
        ))
    }
}
