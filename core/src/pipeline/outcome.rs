use crate::error::ErrorCode;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How a frame ended. Every pushed frame ends in exactly one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The provider analysed it.
    Analysed,
    /// It needed no analysis.
    Skipped(SkipReason),
    /// It needed analysis, and got none.
    Dropped(DropReason),
    /// It could not be read, or the provider failed.
    Failed(ErrorCode),
}

/// Why a frame needed no analysis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SkipReason {
    /// It came sooner after the one before than the camera's `fps` says.
    SampledOut,
    /// The motion gate was closed.
    NoMotion,
    /// The same picture had been looked at, and its answer was used again.
    Cached,
    /// The rate limit of its camera or client.
    RateLimited,
    /// The pipeline or the camera is paused.
    Paused,
}

/// Why a frame that needed analysis got none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DropReason {
    /// A newer one of the same camera took its place.
    Newer,
    /// It waited longer than the camera's `max_age_s`.
    Stale,
    /// There was no room, by the camera's queue policy or in the memory that frames may take.
    QueueFull,
    /// The camera was removed, or the pipeline shut down.
    Shutdown,
}

const SKIPS: [SkipReason; 5] =
    [SkipReason::SampledOut, SkipReason::NoMotion, SkipReason::Cached, SkipReason::RateLimited, SkipReason::Paused];
const DROPS: [DropReason; 4] = [DropReason::Newer, DropReason::Stale, DropReason::QueueFull, DropReason::Shutdown];

impl Outcome {
    /// How many there are: the codes of errors count one each.
    pub(crate) const COUNT: usize = 1 + SKIPS.len() + DROPS.len() + ErrorCode::Internal.number() as usize;

    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        let failed = ErrorCode::ALL.into_iter().map(Self::Failed);
        std::iter::once(Self::Analysed)
            .chain(SKIPS.into_iter().map(Self::Skipped))
            .chain(DROPS.into_iter().map(Self::Dropped))
            .chain(failed)
    }

    /// Its place in [`Outcome::all`].
    pub(crate) const fn index(self) -> usize {
        match self {
            Self::Analysed => 0,
            Self::Skipped(why) => 1 + why as usize,
            Self::Dropped(why) => 1 + SKIPS.len() + why as usize,
            Self::Failed(code) => SKIPS.len() + DROPS.len() + code.number() as usize,
        }
    }

    /// The name, as in metrics: `analysed`, `skipped_no_motion`, `dropped_stale`, `failed_data_corrupt`.
    pub fn name(self) -> String {
        match self {
            Self::Analysed => "analysed".into(),
            Self::Skipped(why) => format!("skipped_{}", why.as_str()),
            Self::Dropped(why) => format!("dropped_{}", why.as_str()),
            Self::Failed(code) => {
                let mut name = "failed".to_owned();
                for c in code.to_string().chars() {
                    if c.is_ascii_uppercase() {
                        name.push('_');
                    }
                    name.push(c.to_ascii_lowercase());
                }
                name
            }
        }
    }
}

impl SkipReason {
    /// The name: `sampled_out`, `no_motion`, `cached`, `rate_limited`, `paused`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SampledOut => "sampled_out",
            Self::NoMotion => "no_motion",
            Self::Cached => "cached",
            Self::RateLimited => "rate_limited",
            Self::Paused => "paused",
        }
    }
}

impl DropReason {
    /// The name: `newer`, `stale`, `queue_full`, `shutdown`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Newer => "newer",
            Self::Stale => "stale",
            Self::QueueFull => "queue_full",
            Self::Shutdown => "shutdown",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.name())
    }
}

impl Serialize for Outcome {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !serializer.is_human_readable() {
            return serializer.serialize_u8(u8::try_from(self.index()).unwrap_or(u8::MAX));
        }
        serializer.serialize_str(&self.name())
    }
}

impl<'de> Deserialize<'de> for Outcome {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            let index = u8::deserialize(deserializer)?;
            let outcome = Self::all().nth(index.into());
            return outcome.ok_or_else(|| serde::de::Error::custom(format!("there is no outcome {index}")));
        }
        let name = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::all()
            .find(|outcome| outcome.name() == name)
            .ok_or_else(|| serde::de::Error::custom(format!("there is no outcome {name:?}")))
    }
}

/// Number of frames for each outcome.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct OutcomeCounts([u64; Outcome::COUNT]);

impl OutcomeCounts {
    /// How many ended so.
    pub fn get(&self, outcome: Outcome) -> u64 {
        self.0.get(outcome.index()).copied().unwrap_or(0)
    }

    /// How many ended.
    pub fn total(&self) -> u64 {
        self.0.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// How many were dropped, for whatever reason.
    pub fn dropped(&self) -> u64 {
        DROPS.iter().map(|&why| self.get(Outcome::Dropped(why))).sum()
    }

    /// How many failed, with whatever code.
    pub fn failed(&self) -> u64 {
        ErrorCode::ALL.iter().map(|&code| self.get(Outcome::Failed(code))).sum()
    }

    /// The outcomes that there were, with their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (Outcome, u64)> {
        Outcome::all().zip(self.0).filter(|(_, count)| *count > 0)
    }

    pub(crate) fn add(&mut self, outcome: Outcome) {
        self.add_many(outcome, 1);
    }

    pub(crate) fn add_many(&mut self, outcome: Outcome, frames: u64) {
        if let Some(count) = self.0.get_mut(outcome.index()) {
            *count = count.saturating_add(frames);
        }
    }

    #[allow(dead_code, reason = "only recordings need it, which are a feature")]
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let mut since = *self;
        for (now, then) in since.0.iter_mut().zip(earlier.0) {
            *now = now.saturating_sub(then);
        }
        since
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine = mine.saturating_add(theirs);
        }
    }
}

impl Default for OutcomeCounts {
    fn default() -> Self {
        Self([0; Outcome::COUNT])
    }
}

impl fmt::Debug for OutcomeCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|(outcome, count)| (outcome.name(), count))).finish()
    }
}

impl Serialize for OutcomeCounts {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !serializer.is_human_readable() {
            return self.0.as_slice().serialize(serializer);
        }
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for OutcomeCounts {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut counts = Self::default();
        if !deserializer.is_human_readable() {
            let list = Vec::<u64>::deserialize(deserializer)?;
            let wrong = |_| serde::de::Error::custom("another number of outcomes");
            counts.0 = list.try_into().map_err(wrong)?;
            return Ok(counts);
        }
        for (name, count) in std::collections::BTreeMap::<String, u64>::deserialize(deserializer)? {
            let outcome = Outcome::all().find(|outcome| outcome.name() == name);
            let slot = outcome.and_then(|outcome| counts.0.get_mut(outcome.index()));
            *slot.ok_or_else(|| serde::de::Error::custom(format!("there is no outcome {name:?}")))? = count;
        }
        Ok(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_outcome_has_a_place_and_a_name_of_its_own() {
        let all: Vec<_> = Outcome::all().collect();
        assert_eq!(all.len(), Outcome::COUNT);
        for (at, outcome) in all.iter().enumerate() {
            assert_eq!(outcome.index(), at);
        }
        assert_eq!(all.iter().map(|outcome| outcome.name()).collect::<BTreeSet<_>>().len(), all.len());
        assert_eq!(Outcome::Failed(ErrorCode::DataCorrupt).name(), "failed_data_corrupt");
    }

    #[test]
    fn counts_go_through_json() {
        let mut counts = OutcomeCounts::default();
        counts.add(Outcome::Analysed);
        counts.add(Outcome::Failed(ErrorCode::DataCorrupt));
        counts.add(Outcome::Analysed);
        let json = serde_json::to_string(&counts).unwrap();
        assert_eq!(json, r#"{"analysed":2,"failed_data_corrupt":1}"#);
        assert_eq!(serde_json::from_str::<OutcomeCounts>(&json).unwrap(), counts);
        assert!(serde_json::from_str::<OutcomeCounts>(r#"{"lost":1}"#).is_err());
    }
}
