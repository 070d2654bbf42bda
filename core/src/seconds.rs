//! Times as numbers of seconds: what JSON has where a name does not say another unit. Formats for machines, such as that of
//! checkpoints, keep whole numbers.

use crate::clock::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::time::Duration;

/// What can be said in seconds; `null` where there is none.
pub(crate) trait Seconds: Serialize {
    fn seconds(&self) -> Option<f64>;
}

impl Seconds for Timestamp {
    fn seconds(&self) -> Option<f64> {
        Some(self.as_secs_f64())
    }
}

impl Seconds for Duration {
    fn seconds(&self) -> Option<f64> {
        Some(self.as_secs_f64())
    }
}

impl<T: Seconds> Seconds for Option<T> {
    fn seconds(&self) -> Option<f64> {
        self.as_ref()?.seconds()
    }
}

pub(crate) fn serialize<T: Seconds, S: Serializer>(time: &T, serializer: S) -> Result<S::Ok, S::Error> {
    match serializer.is_human_readable() {
        true => time.seconds().serialize(serializer),
        false => time.serialize(serializer),
    }
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    if !deserializer.is_human_readable() {
        return Timestamp::deserialize(deserializer);
    }
    Timestamp::from_secs_f64(f64::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Times {
        #[serde(with = "super")]
        at: Timestamp,
        #[serde(serialize_with = "super::serialize", skip_deserializing)]
        wait: Option<Duration>,
    }

    #[test]
    fn seconds_for_people_and_whole_numbers_for_machines() {
        let times = Times { at: Timestamp::from_nanos(1_764_000_000_125_000_001), wait: None };
        assert_eq!(json!(times), json!({ "at": 1_764_000_000.125, "wait": null }));
        let times = Times { at: Timestamp::from_millis(-500), wait: Some(Duration::from_millis(250)) };
        assert_eq!(json!(times), json!({ "at": -0.5, "wait": 0.25 }));
        let again: Times = serde_json::from_value(json!({ "at": -0.5 })).unwrap();
        assert_eq!(again.at, times.at);
        assert!(serde_json::from_value::<Times>(json!({ "at": 1e300 })).is_err());
        let bytes = postcard::to_allocvec(&times.at).unwrap();
        assert_eq!(postcard::from_bytes::<Timestamp>(&bytes).unwrap(), times.at);
        let whole = postcard::to_allocvec(&times).unwrap();
        assert!(whole.starts_with(&bytes));
    }
}
